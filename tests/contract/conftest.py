"""What the suites of the store's ports share: a unit on each adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stores import ADAPTERS, Unit


@pytest.fixture(params=ADAPTERS)
async def unit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Unit]:
    async with ADAPTERS[request.param](tmp_path) as opened:
        yield opened
