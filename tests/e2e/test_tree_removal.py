"""A large tree that is removed: gone with the answer, its space back later, also when the unit is killed between."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from tests.e2e.conftest import Unit

FILES = 100
FOLDERS = 80
LARGE = b"x" * 50_000
_WAIT_S = 60


def left(data: Path) -> tuple[int, int]:
    """How many nodes the one cell's store holds, and how many blobs."""
    (store,) = data.glob("cells/*/contents/*")
    with closing(apsw.Connection(str(store / "db.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(10_000)
        return int(connection.execute("SELECT count(*) FROM node").get), sum(1 for _ in store.glob("blobs/*/*"))


def test_a_removed_tree_stays_gone_over_kill_9_and_its_space_comes_back(start_unit: Callable[..., Unit]) -> None:
    unit = start_unit()
    cell = unit.cell("trees")
    headers = {"Authorization": f"Bearer {unit.token}"}

    def call(method: str, path: str, **options: str) -> int:
        return cell.http.request(method, cell.url + path, headers=headers | options).status_code

    call("MKCOL", "__/tree")
    call("MKCOL", "__/tree/0")
    for number in range(FILES):
        body = LARGE if number == 0 else b"%d" % number
        assert cell.http.put(f"{cell.url}__/tree/0/{number}", content=body, headers=headers).status_code == 201
    for number in range(1, FOLDERS):
        goal = {"Destination": f"{cell.url}__/tree/{number}"}
        assert call("COPY", "__/tree/0", **goal) == 201
    assert left(unit.data) == (FILES * FOLDERS + FOLDERS + 3, 1)
    assert call("DELETE", "__/tree", **{"X-Personium-Recursive": "true"}) == 204
    unit.kill()
    assert left(unit.data)[0] > 2
    unit.restart()
    assert [call("GET", path) for path in ("__/tree", "__/tree/0", "__/tree/0/1")] == [404] * 3
    assert call("MKCOL", "__/tree") == 201
    until_s = time.monotonic() + _WAIT_S
    while left(unit.data) != (3, 0) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert left(unit.data) == (3, 0)
    assert unit.stop() == 0
    verified = unit.cli("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
