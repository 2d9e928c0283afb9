"""Locks over restarts and crashes of the unit."""

from __future__ import annotations

import threading
from contextlib import suppress

import httpx
import pytest

from tests.e2e.conftest import Unit
from tests.running import Site

LOCKINFO = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>'
    "</D:lockinfo>"
)


def lock(cell: Site, name: str) -> str:
    """The Lock-Token of a new lock there."""
    answer = cell.call("LOCK", f"__/{name}", content=LOCKINFO)
    assert answer.status_code == 201, answer.text
    return answer.headers["lock-token"]


def opens(cell: Site, name: str, token: str) -> bool:
    """Whether the file is locked, and by that token only."""
    without = cell.call("PUT", f"__/{name}", content=b"1").status_code
    return (without, cell.call("PUT", f"__/{name}", content=b"1", headers={"If": f"({token})"}).status_code) == (
        423,
        204,
    )


def again(unit: Unit, cell: Site) -> Site:
    """The cell after a restart."""
    unit.restart()
    return Site(unit.http, cell.name, f"{unit.url}{cell.name}/")


def test_a_lock_outlives_a_restart(unit: Unit) -> None:
    cell = unit.cell("alice")
    token = lock(cell, "file")
    assert opens(again(unit, cell), "file", token)


def test_no_lock_that_was_granted_is_lost_to_a_crash_and_none_comes_back_that_was_ended(unit: Unit) -> None:
    cell = unit.cell("alice")
    held: dict[str, str] = {}
    ended: list[str] = []

    def work(worker: int) -> None:
        with suppress(httpx.HTTPError):
            for number in range(10_000):
                name = f"{worker}-{number}"
                token = lock(cell, name)
                if number % 2:
                    held[name] = token
                    continue
                if cell.call("UNLOCK", f"__/{name}", headers={"Lock-Token": token}).status_code == 204:
                    ended.append(name)

    workers = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in workers:
        each.start()
    while len(held) < 20:
        assert any(each.is_alive() for each in workers)
    unit.kill()
    for each in workers:
        each.join()
    cell = again(unit, cell)
    assert all(opens(cell, name, token) for name, token in held.items())
    assert {cell.call("PUT", f"__/{name}", content=b"1").status_code for name in ended} == {204}


@pytest.mark.parametrize("crash", [True, False])
def test_a_lock_that_was_given_back_stays_away(unit: Unit, crash: bool) -> None:
    cell = unit.cell("alice")
    token = lock(cell, "file")
    assert cell.call("UNLOCK", "__/file", headers={"Lock-Token": token}).status_code == 204
    if crash:
        unit.kill()
    assert again(unit, cell).call("PUT", "__/file", content=b"1").status_code == 204
