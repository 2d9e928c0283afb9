"""Other people's WebDAV clients at a unit under RFC 4918: litmus, rclone, cadaver and webdav4."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from webdav4.client import Client, ResourceNotFound

from tests.clients.dav_site import ACCOUNT, NAMES, PASSWORD, Box, fresh_box, plant, rfc_unit

SUITES = {"basic": 16, "copymove": 13, "props": 30, "locks": 41, "http": 4}
"""The suites of litmus, and how many tests each has: 104 in all."""

FILES = 2_000
PARTS = 8
"""Into how many parts the files go, each synchronised by itself."""


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Box]]:
    """What makes a fresh box."""
    with rfc_unit(tmp_path_factory.mktemp("dav") / "data") as unit:
        yield lambda: fresh_box(unit)


def run(*command: str, folder: Path, given: str = "", env: Mapping[str, str] | None = None) -> str:
    """What *command* says, which must succeed."""
    told = subprocess.run(
        command,
        cwd=folder,
        input=given.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=300,
    )
    text = told.stdout.decode(errors="replace")
    assert told.returncode == 0, text
    return text


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_of_a_litmus_suite_passes(
    suite: str, boxes: Callable[[], Box], program: Callable[[str], str], tmp_path: Path
) -> None:
    told = run(program("litmus"), boxes().url, ACCOUNT, PASSWORD, folder=tmp_path, env={"TESTS": suite})
    summary = re.search(r"of (\d+) tests run: (\d+) passed, (\d+) failed", told)
    assert summary is not None, told
    assert [int(each) for each in summary.groups()] == [SUITES[suite], SUITES[suite], 0], told
    assert "WARNING" not in told, told


def test_rclone_syncs_a_tree_of_odd_names_and_finds_no_difference(
    boxes: Callable[[], Box], program: Callable[[str], str], tmp_path: Path
) -> None:
    rclone, source, box = program("rclone"), tmp_path / "source", boxes()
    parts = [f"part {number}" for number in range(PARTS)]
    each = FILES // PARTS
    trees = {part: plant(source / part, range(at * each, (at + 1) * each)) for at, part in enumerate(parts)}
    access = {
        "RCLONE_CONFIG": str(tmp_path / "none.conf"),
        "RCLONE_NO_UNICODE_NORMALIZATION": "true",  # NFC and NFD stand side by side
        "RCLONE_CONFIG_BOX_TYPE": "webdav",
        "RCLONE_CONFIG_BOX_URL": box.url,
        "RCLONE_CONFIG_BOX_VENDOR": "other",
        "RCLONE_CONFIG_BOX_BEARER_TOKEN": box.cell.token(ACCOUNT, PASSWORD),
    }

    def sync_and_check(part: str) -> str:
        run(rclone, "sync", str(source / part), f"box:tree/{part}", folder=tmp_path, env=access)
        return run(rclone, "check", "--download", str(source / part), f"box:tree/{part}", folder=tmp_path, env=access)

    with ThreadPoolExecutor(PARTS) as pool:  # rclone waits 10 ms between two requests
        for told in pool.map(sync_and_check, parts):
            assert "0 differences found" in told and f"{each} matching files" in told, told
    for path, data in list(trees[parts[0]].items())[:50]:
        assert box.cell.call("GET", f"__/tree/{quote(f'{parts[0]}/{path}')}").content == data, path
    run(rclone, "move", "box:tree", "box:other tree", folder=tmp_path, env=access)
    told = run(rclone, "size", "box:other tree", folder=tmp_path, env=access)
    assert f"({FILES})" in told, told
    run(rclone, "purge", "box:other tree", folder=tmp_path, env=access)
    assert box.cell.call("GET", "__/other%20tree").status_code == 404


CADAVER = """mkcol one
cd one
put {source} here.txt
propset here.txt author Ann
propget here.txt author
copy here.txt there.txt
move there.txt moved.txt
get moved.txt {target}
ls
cd ..
rmcol one
ls
quit
"""


def test_cadaver_has_a_session(boxes: Callable[[], Box], program: Callable[[str], str], tmp_path: Path) -> None:
    box = boxes()
    host = box.url.split("//")[1].split(":")[0]
    (tmp_path / ".netrc").write_text(f"machine {host} login {ACCOUNT} password {PASSWORD}\n")
    (tmp_path / "source").write_text("bytes")
    session = CADAVER.format(source=tmp_path / "source", target=tmp_path / "target")
    told = run(program("cadaver"), box.url, folder=tmp_path, given=session, env={"HOME": str(tmp_path)})
    assert (tmp_path / "target").read_text() == "bytes"
    assert "failed" not in told, told
    assert "Value of author is: Ann" in told
    assert "moved.txt" in told and "there.txt" not in told.partition("Listing")[2]


def test_webdav4_has_a_session(boxes: Callable[[], Box]) -> None:
    with httpx.Client(auth=(ACCOUNT, PASSWORD)) as http:
        client = Client(boxes().url, http_client=http)
        client.mkdir("one")
        for number, name in enumerate(NAMES):
            client.upload_fileobj(io.BytesIO(b"%d" % number), quote(f"one/{name}"))
        client.copy("one", "two")
        client.move("two/plain.txt", "two/moved.txt")
        listed = client.ls("two", detail=True)
        assert len(listed) == len(NAMES)
        assert client.content_length("two/moved.txt") == 1
        assert client.etag("two/moved.txt") == client.info("two/moved.txt")["etag"]
        target = io.BytesIO()
        client.download_fileobj("two/moved.txt", target)
        assert target.getvalue() == b"0"
        client.remove("one")
        assert not client.exists("one")
        with pytest.raises(ResourceNotFound):
            client.info("one/plain.txt")
