"""litmus's own judgement of locks, on a unit under the word of RFC 4918."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import running

FAILED = re.compile(r"^ *\d+\. (\w+)\.* *FAIL", re.MULTILINE)
NEEDS_COPY = {"copy"}
"""The tests that fail while there is no COPY."""


@pytest.mark.timeout(120)
def test_litmus_finds_nothing_wrong_with_locks(program: Callable[[str], str], tmp_path: Path) -> None:
    with running(tmp_path / "data", **{"dav.semantics": "rfc4918"}) as unit:
        cell = unit.cell()
        cell.account("litmus", roles=("w",))
        assert cell.acl("__", {"w": "all"}).status_code == 200
        told = subprocess.run(
            [program("litmus"), "-k", f"{cell.url}__/", "litmus", "password-1"],
            env={**os.environ, "TESTS": "locks"},
            cwd=tmp_path,  # where it leaves its log
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        ).stdout.replace("\r", "\n")
    assert "of 41 tests run" in told, told
    assert set(FAILED.findall(told)) <= NEEDS_COPY, told
