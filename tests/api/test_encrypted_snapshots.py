"""Snapshots that only a passphrase opens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from alveary.adapters.keys.files import FileKeys
from alveary.model.seals import Stretch
from alveary.wire.sealed_archive import HEADER_BYTES, parse_header, render_header
from tests.running import MASTER, RunningUnit, Site, running

PASSPHRASE = "three honey bees and a drone"
SECRET = b"the secret of the honey bees " * 5_000
MAX_WAIT_S = 30


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def order(cell: Site, path: str, **body: Any) -> httpx.Response:
    return cell.call("POST", path, json=body)


def ended(cell: Site, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + MAX_WAIT_S
    while "progress" in (state := cell.call("GET", path).json()) and "message" not in state:
        assert time.monotonic() < deadline
    told: dict[str, Any] = state
    return told


def exported(cell: Site, name: str = "e", **more: str) -> bytes:
    """The bytes of a snapshot that was made with a passphrase."""
    assert order(cell, "__export", **{"Name": name, "Passphrase": PASSPHRASE, **more}).status_code == 202
    assert ended(cell, "__export") == {"status": "ready"}
    return cell.call("GET", f"__snapshot/{name}.zip").content


@pytest.fixture
def filled(cell: Site) -> Site:
    """A cell with a file and an account."""
    assert cell.call("PUT", "__/f", content=SECRET).status_code == 201
    cell.account("alice")
    return cell


class TestTheFile:
    def test_it_tells_nothing_of_what_is_in_it(self, filled: Site) -> None:
        data = exported(filled)
        for told in (b"PK\x03\x04", b"honey", b"00_meta", b"alice", PASSPHRASE.encode()):
            assert told not in data
        assert filled.call("GET", "__snapshot/e.zip").headers["content-type"] == "application/octet-stream"

    def test_two_of_one_cell_are_not_alike(self, filled: Site) -> None:
        assert exported(filled, "one")[:HEADER_BYTES] != exported(filled, "two")[:HEADER_BYTES]

    def test_a_header_is_read_as_it_was_written(self) -> None:
        stretch = Stretch(15, 8, 3, bytes(range(20)))
        assert parse_header(render_header(stretch) + b"more") == stretch
        for other in (b"", b"PK\x03\x04" * 20, render_header(stretch)[:-1]):
            assert parse_header(other) is None


class TestImports:
    def test_the_passphrase_brings_everything_back_however_it_is_spelled(
        self, unit: RunningUnit, filled: Site
    ) -> None:
        passphrase = "ほにーびーず が みっつ"
        other = unit.cell()
        data = exported(filled, Passphrase=passphrase.replace("が", "か\u3099"))
        other.call("PUT", "__snapshot/s.zip", content=data)
        assert order(other, "__import", Name="s", Passphrase=passphrase).status_code == 202
        assert ended(other, "__import")["status"] == "ready"
        assert other.call("GET", "__/f").content == SECRET
        assert other.grant("alice").status_code == 200

    def test_without_it_or_with_another_it_is_400_and_nothing_happens(self, unit: RunningUnit, filled: Site) -> None:
        other = unit.cell()
        other.call("PUT", "__/kept", content=b"kept")
        other.call("PUT", "__snapshot/s.zip", content=exported(filled))
        assert code(order(other, "__import", Name="s")) == (400, "PR400-MC-0006")
        wrong = order(other, "__import", Name="s", Passphrase="another passphrase")
        assert code(wrong) == (400, "PR400-MC-0007")
        assert ended(other, "__import")["status"] == "ready"
        assert other.call("GET", "__/kept").content == b"kept"
        assert other.call("PUT", "__/more", content=b"open for writing").status_code == 201

    @pytest.mark.parametrize("passphrase", ["short", 12345678, ["a" * 8], "x" * 1025])
    @pytest.mark.parametrize("path", ["__export", "__import"])
    def test_what_is_no_passphrase_is_400(self, cell: Site, path: str, passphrase: Any) -> None:
        assert code(order(cell, path, Name="s", Passphrase=passphrase)) == (400, "PR400-CM-0002")

    def test_a_plain_snapshot_needs_none(self, filled: Site) -> None:
        assert order(filled, "__export", Name="plain").status_code == 202
        ended(filled, "__export")
        assert order(filled, "__import", Name="plain", Passphrase=PASSPHRASE).status_code == 202
        assert ended(filled, "__import")["status"] == "ready"

    @pytest.mark.parametrize("where", [9, HEADER_BYTES + 5, 0.3, 0.6, -1])
    def test_a_changed_byte_is_never_imported(self, unit: RunningUnit, filled: Site, where: float) -> None:
        data = bytearray(exported(filled))
        data[int(where * len(data)) if isinstance(where, float) else where] ^= 1
        other = unit.cell()
        other.call("PUT", "__/kept", content=b"kept")
        other.call("PUT", "__snapshot/s.zip", content=bytes(data))
        answer = order(other, "__import", Name="s", Passphrase=PASSPHRASE)
        if answer.status_code == 202:
            assert ended(other, "__import")["message"]["code"] in {"PR400-MC-0004", "PR400-MC-0005"}
            other.call("DELETE", "__import")
        else:
            assert code(answer) in {(400, f"PR400-MC-000{digit}") for digit in (4, 5, 7)}
        assert other.call("GET", "__/kept").content == b"kept"
        assert other.call("GET", "__/f").status_code == 404

    @pytest.mark.parametrize("kept_bytes", [HEADER_BYTES, HEADER_BYTES + 10, HEADER_BYTES + 65_552])
    def test_a_cut_one_is_400(self, unit: RunningUnit, filled: Site, kept_bytes: int) -> None:
        data = exported(filled)
        assert len(data) > 100
        other = unit.cell()
        other.call("PUT", "__snapshot/s.zip", content=data[: min(kept_bytes, len(data) - 1)])
        assert order(other, "__import", Name="s", Passphrase=PASSPHRASE).status_code == 400

    def test_a_header_that_asks_for_too_much_work_is_400(self, cell: Site) -> None:
        cell.call("PUT", "__snapshot/s.zip", content=render_header(Stretch(30, 8, 1, b"s" * 20)) + b"x" * 100)
        assert code(order(cell, "__import", Name="s", Passphrase=PASSPHRASE)) == (400, "PR400-MC-0004")


class TestSecrecy:
    def test_the_passphrase_is_nowhere_on_the_disk_nor_in_the_log(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"log.level": "debug"}) as unit:
            cell = unit.cell()
            exported(cell)
            order(cell, "__import", Name="e", Passphrase="another passphrase")
            for text in (PASSPHRASE, "another passphrase"):
                assert text not in unit.log.getvalue()
                assert not [
                    path for path in unit.data.rglob("*") if path.is_file() and text.encode() in path.read_bytes()
                ]

    @pytest.mark.parametrize("lost", [False, True])
    def test_an_export_that_was_cut_is_made_with_its_passphrase_or_not_at_all(
        self, tmp_path: Path, lost: bool
    ) -> None:
        data = tmp_path / "data"
        with running(data) as unit:
            cell = unit.cell("alice")
            cell.call("PUT", "__/f", content=SECRET)
            sealed = exported(cell)
        keep(data, sealed, lost=lost)
        with running(data) as unit:
            cell = Site(unit.http, "alice", f"{unit.url}alice/")
            ended(cell, "__export")
            told = cell.call("GET", f"__snapshot/cut.{'error' if lost else 'zip'}", token=MASTER)
            assert told.status_code == 200
            assert b"honey" not in told.content
            assert (parse_header(told.content) is None) is lost


def keep(data: Path, sealed: bytes, *, lost: bool) -> None:
    """Leave what a unit leaves that ends amid an export with the seal of *sealed*."""
    keys = FileKeys(data / "secrets", master_token="", now_ms=lambda: 0)
    seal = b"x" * 80 if lost else keys.seal("snapshot seal", sealed[:HEADER_BYTES] + b"k" * 32)
    (database,) = data.glob("cells/*/keep/db.sqlite")
    connection = apsw.Connection(str(database))
    connection.execute("INSERT INTO job VALUES ('cell export', 'cut', 1, 'contents', 0, ?)", (seal,))
    connection.close()
    registry = apsw.Connection(str(data / "unit.sqlite"))
    registry.execute("UPDATE cell SET active = 1")
    registry.close()
