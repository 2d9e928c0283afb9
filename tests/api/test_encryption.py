"""Files encrypted at rest: nothing of them is on the disk in the clear, and nobody who may read them can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alveary.adapters.keys.data_keys import reseal
from alveary.adapters.keys.files import FileKeys, forget_older_secrets, replace_unit_secret
from tests.running import RunningUnit, Site, running

SMALL = b"the small secret of the honey bees"
LARGE = b"the large secret of the honey bees " * 20_000
PARTIAL = {"Content-Type": "application/partial-upload"}
ENCRYPTED: dict[str, object] = {"store.encrypt": True}
MAX_WAIT_S = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def unit(data: Path) -> Iterator[RunningUnit]:
    """A unit that encrypts."""
    with running(data, **ENCRYPTED) as unit:
        yield unit


def fill(cell: Site) -> None:
    """A small file, a large one, one that came in pieces, and a snapshot."""
    assert cell.call("PUT", "__/small", content=SMALL).status_code == 201
    assert cell.call("PUT", "__/large", content=LARGE).status_code == 201
    begun = cell.call("PUT", "__/pieces", content=SMALL, headers={"Upload-Complete": "?0"})
    upload = begun.headers["location"].removeprefix(cell.url)
    for at, piece, flag in ((len(SMALL), LARGE, "?0"), (len(SMALL) + len(LARGE), b"", "?1")):
        headers = {**PARTIAL, "Upload-Offset": str(at), "Upload-Complete": flag}
        assert cell.call("PATCH", upload, content=piece, headers=headers).status_code < 300
    assert cell.call("PUT", "__snapshot/s.zip", content=LARGE).status_code == 201
    begun = cell.call("PUT", "__/unfinished", content=SMALL, headers={"Upload-Complete": "?0"})
    assert begun.status_code == 201


def check(cell: Site) -> None:
    """All of them are there as they were."""
    assert cell.call("GET", "__/small").content == SMALL
    assert cell.call("GET", "__/large").content == LARGE
    assert cell.call("GET", "__/pieces").content == SMALL + LARGE
    assert cell.call("GET", "__snapshot/s.zip").content == LARGE


def in_the_clear(data: Path) -> list[str]:
    """The files of the folder that hold some of the secret."""
    return [str(path) for path in data.rglob("*") if path.is_file() and b"secret of the honey" in path.read_bytes()]


def same(unit: RunningUnit, name: str) -> Site:
    return Site(unit.http, name, f"{unit.url}{name}/")


class TestFiles:
    def test_they_are_read_as_they_were_written_in_whole_and_in_parts(self, unit: RunningUnit) -> None:
        cell = unit.cell()
        fill(cell)
        check(cell)
        assert cell.call("HEAD", "__/large").headers["content-length"] == str(len(LARGE))
        for start, end in ((0, 0), (1, 65_536), (65_535, 65_536), (100_000, 300_000), (len(LARGE) - 1, len(LARGE))):
            part = cell.call("GET", "__/large", headers={"Range": f"bytes={start}-{end}"})
            assert (part.status_code, part.content) == (206, LARGE[start : end + 1])
        parts = cell.call("GET", "__/large", headers={"Range": "bytes=5-9,70000-70009"})
        assert LARGE[5:10] in parts.content and LARGE[70_000:70_010] in parts.content

    def test_nothing_of_them_is_on_the_disk_in_the_clear(self, data: Path) -> None:
        with running(data, **ENCRYPTED) as unit:
            fill(unit.cell("alice"))
            assert in_the_clear(data) == []
        assert in_the_clear(data) == []
        with running(data) as unit:
            check(same(unit, "alice"))

    def test_what_changes_around_them_leaves_them_whole(self, data: Path) -> None:
        patch = (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z"><D:set><D:prop><z:a>1</z:a></D:prop></D:set>'
            "</D:propertyupdate>"
        )
        with running(data, **ENCRYPTED) as unit:
            cell = unit.cell("alice")
            fill(cell)
            assert cell.call("PROPPATCH", "__/small", content=patch).status_code == 207
            cell.acl("__/small", {"all": "read"})
            moved = cell.call("MOVE", "__/small", headers={"Destination": f"{cell.url}__/moved"})
            assert moved.status_code == 201
            cell.call("MOVE", "__/moved", headers={"Destination": f"{cell.url}__/small"})
            check(cell)
            cell.call("MKCOL", "__/from")
            for name in ("small", "large"):
                cell.call("COPY", f"__/{name}", headers={"Destination": f"{cell.url}__/from/{name}"})
            assert cell.call("COPY", "__/from", headers={"Destination": f"{cell.url}__/to"}).status_code == 201
            for name in ("small", "large", "from"):
                cell.call("DELETE", f"__/{name}", headers={"X-Personium-Recursive": "true"})
            for name, data_there in (("small", SMALL), ("large", LARGE)):
                assert cell.call("GET", f"__/to/{name}").content == data_there
                cell.call("COPY", f"__/to/{name}", headers={"Destination": f"{cell.url}__/{name}"})
            check(cell)
        with running(data) as unit:
            cell = same(unit, "alice")
            assert cell.call("PROPPATCH", "__/small", content=patch).status_code == 207
            check(cell)
        assert in_the_clear(data) == []

    def test_mixed_content_works_and_each_write_follows_the_switch(self, data: Path) -> None:
        with running(data) as unit:
            fill(unit.cell("alice"))
        assert in_the_clear(data) != []
        with running(data, **ENCRYPTED) as unit:
            cell = same(unit, "alice")
            check(cell)
            cell.call("PUT", "__/more", content=SMALL * 2)
            cell.call("PUT", "__/large", content=LARGE)
            check(cell)
        with running(data) as unit:
            cell = same(unit, "alice")
            check(cell)
            assert cell.call("GET", "__/more").content == SMALL * 2


class TestSnapshots:
    def test_an_export_decrypts_and_an_import_encrypts_again(self, unit: RunningUnit, data: Path) -> None:
        cell, other = unit.cell(), unit.cell()
        fill(cell)
        finish(cell, "__export", {"Name": "e"})
        archive = cell.call("GET", "__snapshot/e.zip").content
        other.call("PUT", "__snapshot/e.zip", content=archive)
        finish(other, "__import", {"Name": "e"})
        assert other.call("GET", "__/large").content == LARGE
        assert other.call("GET", "__/small").content == SMALL
        assert in_the_clear(data) == []


class TestTheUnitsSecret:
    def test_a_new_one_opens_what_the_old_one_sealed_even_when_that_is_forgotten(self, data: Path) -> None:
        with running(data, **ENCRYPTED) as unit:
            fill(unit.cell("alice"))
        for _ in range(2):
            replace_unit_secret(data / "secrets")
            reseal(data / "cells", FileKeys(data / "secrets", master_token="", now_ms=lambda: 0))
            forget_older_secrets(data / "secrets")
        with running(data, **ENCRYPTED) as unit:
            cell = same(unit, "alice")
            check(cell)
            assert cell.call("PUT", "__/more", content=SMALL).status_code == 201
        assert len(list(data.glob("cells/*/keys/*"))) == 1

    def test_without_it_files_are_500_and_can_be_deleted_and_replaced(self, data: Path) -> None:
        with running(data, **ENCRYPTED) as unit:
            fill(unit.cell("alice"))
        for path in data.glob("cells/*/keys/*"):
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        with running(data, **ENCRYPTED) as unit:
            cell = same(unit, "alice")
            for name in ("small", "large"):
                answer = cell.call("GET", f"__/{name}")
                assert (answer.status_code, answer.json()["code"]) == (500, "PR500-DV-0003")
            assert cell.call("PUT", "__/small", content=b"new").status_code == 204
            assert cell.call("GET", "__/small").content == b"new"
            assert cell.call("DELETE", "__/large").status_code == 204


def finish(cell: Site, path: str, body: dict[str, str]) -> None:
    assert cell.call("POST", path, json=body).status_code == 202
    deadline = time.monotonic() + MAX_WAIT_S
    while (state := cell.call("GET", path).json())["status"] != "ready":
        assert "message" not in state, state
        assert time.monotonic() < deadline
