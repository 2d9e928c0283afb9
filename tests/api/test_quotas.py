"""Quotas of cells over HTTP: who sees and sets them, what is refused, and that nothing else suffers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import MASTER, RunningUnit, Site, running

FULL = (507, "PR507-DV-0001")
MAX_WAIT_S = 30


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def ask(unit: RunningUnit, method: str, name: str, body: Any = None, *, token: str | None = MASTER) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return unit.http.request(method, f"{unit.url}__quota/{name}", json=body, headers=headers)


def give(unit: RunningUnit, cell: Site, **quota: int | None) -> dict[str, Any]:
    answer = ask(unit, "PUT", cell.name, quota)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


class TestTheQuota:
    def test_it_is_told_with_what_the_cell_holds(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"12345")
        cell.call("POST", "__ctl/Role", json={"Name": "r"})
        nothing = {"used": {"bytes": 5, "entities": 1}, "quota": {"bytes": None, "entities": None}}
        assert ask(unit, "GET", cell.name).json() == nothing
        assert give(unit, cell, bytes=10)["quota"] == {"bytes": 10, "entities": None}
        assert give(unit, cell, entities=3)["quota"] == {"bytes": 10, "entities": 3}
        assert give(unit, cell, bytes=None, entities=0) == nothing

    def test_only_administrators_set_it_and_owners_see_it(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice")
        owner = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": "https://example.com/#me"}
        made = unit.http.post(f"{unit.url}__ctl/Cell", json={"Name": "owned"}, headers=owner)
        assert made.status_code == 201
        url = f"{unit.url}__quota/"
        assert unit.http.get(f"{url}owned", headers=owner).status_code == 200
        assert unit.http.get(f"{url}{cell.name}", headers=owner).status_code == 403
        assert unit.http.put(f"{url}owned", headers=owner, json={"bytes": 1}).status_code == 403
        for method in ("GET", "PUT"):
            assert ask(unit, method, cell.name, {}, token=None).status_code == 401
            assert ask(unit, method, cell.name, {}, token=cell.token("alice")).status_code in {401, 403}
            assert ask(unit, method, "nobody", {}).status_code == 404
        assert ask(unit, "DELETE", cell.name).status_code == 405

    @pytest.mark.parametrize(
        "body", [[], {"bytes": -1}, {"bytes": "1"}, {"bytes": True}, {"bytes": 1.5}, {"size": 1}, {"entities": 2**63}]
    )
    def test_what_is_no_quota_is_400_and_changes_nothing(self, unit: RunningUnit, cell: Site, body: Any) -> None:
        give(unit, cell, bytes=7)
        assert ask(unit, "PUT", cell.name, body).status_code == 400
        assert ask(unit, "GET", cell.name).json()["quota"] == {"bytes": 7, "entities": None}


class TestAFullCell:
    @pytest.mark.parametrize("size_bytes", [100, 100_000])
    def test_a_file_too_many_is_507_and_nothing_changes(self, unit: RunningUnit, cell: Site, size_bytes: int) -> None:
        give(unit, cell, bytes=size_bytes)
        assert cell.call("PUT", "__/f", content=b"x" * size_bytes).status_code == 201
        assert code(cell.call("PUT", "__/g", content=b"x")) == FULL
        assert code(cell.call("PUT", "__/f", content=b"x" * (size_bytes + 1))) == FULL
        assert cell.call("GET", "__/f").content == b"x" * size_bytes
        assert cell.call("GET", "__/g").status_code == 404
        assert cell.call("PUT", "__/f", content=b"").status_code == 204
        assert cell.call("PUT", "__/g", content=b"x").status_code == 201
        for name in ("f", "g"):
            assert cell.call("DELETE", f"__/{name}").status_code == 204

    def test_an_entity_too_many_is_507_and_deleting_makes_room(self, unit: RunningUnit, cell: Site) -> None:
        give(unit, cell, entities=1)
        assert cell.call("POST", "__ctl/Role", json={"Name": "one"}).status_code == 201
        assert code(cell.call("POST", "__ctl/Role", json={"Name": "two"})) == FULL
        assert cell.call("DELETE", "__ctl/Role('one')").status_code == 204
        assert cell.call("POST", "__ctl/Role", json={"Name": "two"}).status_code == 201

    def test_an_upload_in_pieces_counts_as_it_comes(self, unit: RunningUnit, cell: Site) -> None:
        give(unit, cell, bytes=10)
        begun = cell.call("PUT", "__/f", content=b"x" * 8, headers={"Upload-Complete": "?0"})
        upload = begun.headers["location"].removeprefix(cell.url)
        assert code(cell.call("PUT", "__/g", content=b"xyz")) == FULL
        headers = {"Content-Type": "application/partial-upload", "Upload-Offset": "8", "Upload-Complete": "?1"}
        assert code(cell.call("PATCH", upload, content=b"xyz", headers=headers)) == FULL
        assert cell.call("HEAD", upload).headers["upload-offset"] == "8"
        assert cell.call("PATCH", upload, content=b"xy", headers=headers).status_code == 201
        assert ask(unit, "GET", cell.name).json()["used"]["bytes"] == 10

    def test_other_cells_are_not_full(self, unit: RunningUnit, cell: Site) -> None:
        give(unit, cell, bytes=1)
        assert unit.cell().call("PUT", "__/f", content=b"12").status_code == 201


class TestImports:
    def test_a_snapshot_that_is_too_large_fails_and_the_cell_keeps_what_it_had(self, unit: RunningUnit) -> None:
        large, small = unit.cell(), unit.cell()
        large.call("PUT", "__/f", content=b"x" * 100)
        small.call("PUT", "__/kept", content=b"kept")
        large.call("POST", "__export", json={"Name": "s"})
        ended(large, "__export")
        small.call("PUT", "__snapshot/s.zip", content=large.call("GET", "__snapshot/s.zip").content)
        give(unit, small, bytes=99)
        assert small.call("POST", "__import", json={"Name": "s"}).status_code == 202
        failed = ended(small, "__import")
        assert (failed["status"], failed["message"]["code"]) == ("import failed", "PR507-DV-0001")
        small.call("DELETE", "__import")
        assert small.call("GET", "__/kept").content == b"kept"
        give(unit, small, bytes=100)
        small.call("POST", "__import", json={"Name": "s"})
        assert ended(small, "__import")["status"] == "ready"
        assert small.call("GET", "__/f").content == b"x" * 100
        assert code(small.call("PUT", "__/g", content=b"1")) == FULL


def ended(cell: Site, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + MAX_WAIT_S
    while "progress" in (state := cell.call("GET", path).json()) and "message" not in state:
        assert time.monotonic() < deadline
    told: dict[str, Any] = state
    return told


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit whose cells are small."""
    folder: Path = tmp_path_factory.mktemp("bounded") / "data"
    with running(folder, **{"limits.cell_bytes": 5, "limits.cell_entities": 1}) as unit:
        yield unit


class TestTheUnitsDefault:
    def test_it_counts_for_cells_without_a_quota_of_their_own(self, bounded: RunningUnit) -> None:
        cell = bounded.cell()
        assert ask(bounded, "GET", cell.name).json()["quota"] == {"bytes": 5, "entities": 1}
        assert code(cell.call("PUT", "__/f", content=b"123456")) == FULL
        give(bounded, cell, bytes=6)
        assert cell.call("PUT", "__/f", content=b"123456").status_code == 201
        assert code(cell.call("PUT", "__/g", content=b"1")) == FULL
        give(bounded, cell, bytes=0)
        assert cell.call("PUT", "__/g", content=b"1").status_code == 201
        give(bounded, cell, bytes=None)
        assert code(cell.call("PUT", "__/h", content=b"1")) == FULL


class TestProperties:
    USED, FREE = "quota-used-bytes", "quota-available-bytes"

    def told(self, cell: Site, path: str, body: str | None = None, depth: str = "0") -> str:
        names = "".join(f"<D:{name}/>" for name in (self.USED, self.FREE))
        asked = f'<D:propfind xmlns:D="DAV:"><D:prop>{names}</D:prop></D:propfind>' if body is None else body
        answer = cell.call("PROPFIND", path, content=asked, headers={"Depth": depth})
        assert answer.status_code == 207
        return answer.text

    def test_collections_tell_how_full_the_cell_is_when_they_are_asked(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("MKCOL", "__/col")
        cell.call("PUT", "__/col/f", content=b"12345")
        for path in ("__", "__/col"):
            told = self.told(cell, path)
            assert f"<{self.USED}>5</{self.USED}>" in told
            assert f"<{self.FREE}/>" in told and "404" in told
        give(unit, cell, bytes=12)
        assert f"<{self.FREE}>7</{self.FREE}>" in self.told(cell, "__/col")
        give(unit, cell, bytes=3)
        assert f"<{self.FREE}>0</{self.FREE}>" in self.told(cell, "__/col")

    def test_files_do_not_and_nobody_does_unasked(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"12345")
        give(unit, cell, bytes=12)
        assert f"<{self.USED}/>" in self.told(cell, "__/f")
        assert "quota" not in self.told(cell, "__", "")

    def test_nobody_sets_them(self, cell: Site) -> None:
        body = (
            f'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:{self.FREE}>1</D:{self.FREE}></D:prop></D:set>'
            "</D:propertyupdate>"
        )
        assert "403 Forbidden" in cell.call("PROPPATCH", "__", content=body).text

    def test_a_unit_may_tell_them_among_all(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"dav.tell_quotas": True}) as unit:
            cell = unit.cell()
            assert f"<{self.USED}>0</{self.USED}>" in self.told(cell, "__", "")
            names = '<D:propfind xmlns:D="DAV:"><D:propname/></D:propfind>'
            assert f"<{self.USED}/>" in self.told(cell, "__", names)


def test_a_removed_tree_makes_room_at_once_however_large_it_is(unit: RunningUnit) -> None:
    cell = unit.cell()
    cell.call("MKCOL", "__/tree")
    for col in range(2):
        cell.call("MKCOL", f"__/tree/{col}")
        for number in range(600):
            cell.call("PUT", f"__/tree/{col}/{number}", content=b"x")
    give(unit, cell, bytes=1200)
    assert code(cell.call("PUT", "__/f", content=b"x")) == FULL
    assert cell.call("DELETE", "__/tree", headers={"X-Personium-Recursive": "true"}).status_code == 204
    assert cell.call("PUT", "__/f", content=b"x" * 1200).status_code == 201
    assert code(cell.call("PUT", "__/g", content=b"x")) == FULL
