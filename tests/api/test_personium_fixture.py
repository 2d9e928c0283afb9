"""A snapshot that Personium's own server wrote, carried into one unit and on to another."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from lxml import etree

from tests.running import Site, running
from tests.snapshot_unit import COUNTS

FIXTURE = Path(__file__).parents[1] / "fixtures" / "personium-snapshot.zip"

FILES = {
    "box1/docs/readme.txt": b"hello personium\n",
    "box1/docs/résumé_ü.txt": 5,
    "box1/docs/日本語フォルダ/日本語ファイル.txt": "こんにちは\n".encode(),
    "box1/docs/sub/data.json": 16,
    "box1/docs/sub/deep/pixel.png": 70,
    "box1/docs/sub/empty.bin": b"",
    "box1/docs/sub/big.bin": bytes(range(256)) * 400,
    "box1/top.html": 29,
    "box2/plain/a.txt": b"a",
    "__/profile.json": 26,
}
"""The files of the exported cell, with their bytes or how many those are."""

LOGINS = {
    "alice": ("passAlice01", 200),
    "bob": ("passBob02", 200),
    "carol": ("passCarol03", 200),
    "dave": ("passDave04", 200),
    "erin": ("passErin05", 400),
    "frank@example.com": ("passFrank06", 200),
}
LINKS = 112
"""How many links there are between them."""


def carry(cell: Site, archive: bytes) -> None:
    """Import *archive* into *cell*, as an operator would."""
    assert cell.call("PUT", "__snapshot/fixture.zip", content=archive).status_code == 201
    assert cell.call("POST", "__import", json={"Name": "fixture"}).status_code == 202
    assert settled(cell, "__import") == {"status": "ready"}


def settled(cell: Site, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status: dict[str, Any] = cell.call("GET", path).json()
        if "in progress" not in status["status"]:
            return status
    raise AssertionError(f"{path} is stuck")


def exported(cell: Site) -> bytes:
    assert cell.call("POST", "__export", json={"Name": "again"}).status_code == 202
    assert settled(cell, "__export") == {"status": "ready"}
    archive = cell.call("GET", "__snapshot/again.zip").content
    cell.call("DELETE", "__snapshot/again.zip")
    return archive


def contents(archive: bytes) -> dict[str, Any]:
    """Every entry of *archive*: bytes of files, lines by id, without what names the cell they are in."""
    found: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith(".pjson"):
                lines = [json.loads(line) for line in data.splitlines()]
                for line in lines:
                    line["_source"].pop("c")
                found[entry.filename] = sorted(lines, key=lambda line: line["_id"])
            elif entry.filename.endswith(".pmeta"):
                found[entry.filename] = json.loads(data)
            elif entry.filename not in {"00_manifest.json", "10_odata/00_cell.json"} and not entry.is_dir():
                found[entry.filename] = data
    return found


@pytest.fixture(scope="module")
def fixcell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("personium") / "data") as unit:
        cell = unit.cell("fixcell")
        carry(cell, FIXTURE.read_bytes())
        yield cell


class TestImported:
    @pytest.mark.parametrize("name", LOGINS)
    def test_accounts_log_in_with_their_old_passwords(self, fixcell: Site, name: str) -> None:
        password, status = LOGINS[name]
        assert fixcell.grant(name, password).status_code == status
        assert fixcell.grant(name, f"{password}x").status_code == 400

    @pytest.mark.parametrize("path", FILES)
    def test_files_are_there_to_the_last_byte(self, fixcell: Site, path: str) -> None:
        found = fixcell.call("GET", quote(path))
        expected = FILES[path]
        assert found.status_code == 200
        assert len(found.content) == expected if isinstance(expected, int) else found.content == expected

    def test_roles_open_what_they_opened(self, fixcell: Site) -> None:
        tokens = {name: fixcell.token(name, LOGINS[name][0]) for name in ("alice", "bob", "carol", "dave")}
        read = {name: fixcell.call("GET", "__/profile.json", token=token) for name, token in tokens.items()}
        assert {name: answer.status_code for name, answer in read.items()} == {
            "alice": 200,
            "bob": 403,
            "carol": 403,
            "dave": 403,
        }
        accounts = {name: fixcell.call("GET", "__ctl/Account", token=token) for name, token in tokens.items()}
        assert [accounts[name].status_code for name in ("alice", "bob", "carol")] == [200, 200, 403]
        bound = fixcell.call("GET", "box1/docs/readme.txt", token=tokens["bob"])
        assert (bound.status_code, bound.json()["code"]) == (403, "PR403-AU-0005")

    def test_properties_and_acls_are_shown_as_they_were(self, fixcell: Site) -> None:
        shown = etree.fromstring(fixcell.call("PROPFIND", "box1/docs", headers={"Depth": "0"}).content)
        assert shown.findtext(".//{http://www.w3.com/standards/z39.50/}Author") == "Fixture Maker"
        assert shown.findtext(".//{urn:x-personium:xmlns}hoge") == "piyo"
        aces = shown.findall(".//{DAV:}ace")
        own = [ace for ace in aces if ace.find("{DAV:}inherited") is None]
        assert own[0].find("{DAV:}principal/{DAV:}all") is not None
        assert [ace.findtext("{DAV:}principal/{DAV:}href") for ace in own[1:]] == ["../__/writer", "appviewer"]
        assert len(aces) == 3 + 2 + 3
        box = fixcell.call("PROPFIND", "box1", headers={"Depth": "0"}).text
        assert 'requireSchemaAuthz="public"' in box and "box prop" in box
        assert "cell level" in fixcell.call("PROPFIND").text
        assert fixcell.call("GET", "box1").json()["box"]["schema"] == "http://localhost:9996/fixapp/"

    def test_its_services_run(self, fixcell: Site) -> None:
        hello = fixcell.call("GET", "box1/svc/hello")
        assert (hello.status_code, hello.text, hello.headers["content-type"]) == (200, "hello", "text/plain")
        assert fixcell.call("POST", "box1/svc/echo", content="声".encode()).text == "声"

    def test_its_streams_take_messages(self, fixcell: Site) -> None:
        assert fixcell.call("POST", "box1/stream/queue/q1", content="text").status_code == 200
        assert fixcell.call("GET", "box1/stream/queue/q1").json() == [{"content": "text"}]
        assert fixcell.call("POST", "box1/stream/topic/t1", content="text").status_code == 200

    def test_every_entity_is_stored_and_leaves_again(self, fixcell: Site) -> None:
        counted: Counter[str] = Counter()
        for name, lines in contents(exported(fixcell)).items():
            if name.endswith(".pjson"):
                counted.update(line["_type"] for line in lines)
        assert counted == COUNTS | {"link": LINKS}


def test_exported_again_and_imported_on_a_second_unit_the_contents_are_the_same(
    fixcell: Site, tmp_path: Path
) -> None:
    first = exported(fixcell)
    with running(tmp_path / "data") as unit:
        second = unit.cell("fixcell")
        carry(second, first)
        assert contents(exported(second)) == contents(first)
        for path in FILES:
            assert second.call("GET", quote(path)).content == fixcell.call("GET", quote(path)).content
        assert second.grant("alice", "passAlice01").status_code == 200


COMPARED = ("s", "p", "u", "l", "ll", "b", "n", "t")
"""What a line says of its entity, beside its id and the cell it is in."""


def test_what_personium_wrote_comes_out_as_it_went_in(fixcell: Site) -> None:
    before, after = contents(FIXTURE.read_bytes()), contents(exported_once(fixcell))
    files = {name: data for name, data in after.items() if name.endswith("content")}
    assert files == {name: data for name, data in before.items() if name.endswith("content")}
    for line in before["10_odata/21_rule.pjson"]:
        if line["_source"]["s"]["Name"] == "relayrule":
            # A name local to the old unit would mean a stranger here.
            assert line["_source"]["s"]["TargetUrl"] == "personium-localunit:fixpeer:/"
            line["_source"]["s"]["TargetUrl"] = "http://localhost:9996/fixpeer/"
    for name in (name for name in before if name.endswith(".pjson")):
        told = [{key: line["_source"].get(key) for key in COMPARED} | {"_id": line["_id"]} for line in before[name]]
        kept = [{key: line["_source"].get(key) for key in COMPARED} | {"_id": line["_id"]} for line in after[name]]
        assert kept == told, name


def exported_once(cell: Site) -> bytes:
    assert cell.call("POST", "__export", json={"Name": "once"}).status_code == 202
    assert settled(cell, "__export") == {"status": "ready"}
    return cell.call("GET", "__snapshot/once.zip").content
