"""What tests over real connections share: the event loop of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.running import RunningUnit, Site, running


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that all api tests share; each makes cells of its own."""
    with running(tmp_path_factory.mktemp("unit") / "data") as unit:
        yield unit


@pytest.fixture
def cell(unit: RunningUnit) -> Site:
    """A fresh cell of that unit."""
    return unit.cell()
