"""Bodies on their way in and out: cut, slow, chunked, expected or abandoned. Nobody ever sees half a file."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.raw import Raw
from tests.running import MASTER, RunningUnit, Site, running

MAX_WAIT_S = 20
SIZES = (2_000, 50_000, 700_000)
"""One that fits its row, one in a file of its own, one that comes in many pieces."""


def until(condition: Callable[[], bool]) -> None:
    """Come back when *condition* holds."""
    deadline = time.monotonic() + MAX_WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never comes true"
        time.sleep(0.005)


def litter(unit: RunningUnit) -> list[Path]:
    return list(unit.data.glob("cells/*/contents/*/tmp/*"))


def open_blobs(unit: RunningUnit) -> list[str]:
    """The blobs that this process, which the unit runs in, has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # it was the one that listed the others
            continue
    return [path for path in found if path.startswith(str(unit.data)) and "/blobs/" in path]


def generation(number: int, size_bytes: int) -> bytes:
    """A text that is not like any other generation's in any of its pieces."""
    return (b"%08d" % number) * (size_bytes // 8)


def put_head(raw: Raw, path: str, size_bytes: int | None, *lines: str) -> None:
    framing = "Transfer-Encoding: chunked" if size_bytes is None else f"Content-Length: {size_bytes}"
    raw.head("PUT", path, framing, *lines)


def path_of(cell: Site, below: str) -> str:
    return urlsplit(cell.url).path + below


@contextmanager
def readers(cell: Site, path: str, allowed: set[bytes]) -> Iterator[None]:
    """Two clients that read all the while, and may see only what is *allowed*."""
    stopped = threading.Event()
    torn: list[str] = []

    def read() -> None:
        with httpx.Client(timeout=30) as http:
            reader = Site(http, cell.name, cell.url)
            while not stopped.is_set():
                seen = reader.call("GET", path).content
                if seen not in allowed:
                    torn.append(f"{len(seen)} bytes, {seen[:8]!r} to {seen[-8:]!r}")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert torn == []


class TestCutUploads:
    @pytest.mark.parametrize("size_bytes", SIZES)
    def test_an_overwrite_cut_at_any_byte_is_never_seen(self, unit: RunningUnit, cell: Site, size_bytes: int) -> None:
        chance = random.Random(size_bytes)
        old = generation(0, size_bytes)
        allowed = {old}
        cell.call("PUT", "__/f", content=old)
        with readers(cell, "__/f", allowed):
            for number in range(1, 31):
                new = generation(number, size_bytes)
                cut = chance.choice([0, 1, len(new) - 1, chance.randrange(len(new))])
                with Raw(unit.url) as raw:
                    put_head(raw, path_of(cell, "__/f"), len(new))
                    raw.send(new[:cut])
                    if chance.random() < 0.5:
                        raw.reset()
                if number % 10 == 0:
                    allowed.add(new)
                    old = new
                    assert cell.call("PUT", "__/f", content=new).status_code == 204
        assert cell.call("GET", "__/f").content == old
        until(lambda: not litter(unit))

    def test_a_chunked_upload_without_its_last_chunk_is_no_upload(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"old")
        for ending in (b"", b"5\r\nab", b"zz\r\n", b"0\r\n"):
            with Raw(unit.url) as raw:
                put_head(raw, path_of(cell, "__/f"), None)
                raw.chunk(b"x" * 100_000)
                raw.send(ending)
        until(lambda: not litter(unit))
        assert cell.call("GET", "__/f").content == b"old"

    def test_a_cut_upload_of_a_new_name_makes_nothing(self, unit: RunningUnit, cell: Site) -> None:
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/new"), 100_000)
            raw.send(b"x" * 99_999)
            until(lambda: bool(litter(unit)))
        until(lambda: not litter(unit))
        assert cell.call("GET", "__/new").status_code == 404

    def test_a_cut_snapshot_upload_keeps_the_old_snapshot(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__snapshot/s.zip", content=b"old")
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__snapshot/s.zip"), 100_000)
            raw.send(b"x" * 99_999)
        keep = "cells/*/keep/tmp/*"
        until(lambda: not list(unit.data.glob(keep)))
        assert cell.call("GET", "__snapshot/s.zip").content == b"old"

    def test_what_a_dead_process_left_half_written_is_gone_after_a_start(self, tmp_path: Path) -> None:
        with running(tmp_path / "data") as unit:
            unit.cell("alice").call("PUT", "__/f", content=b"x" * 100_000)
        (folder,) = unit.data.glob("cells/*/contents/*/tmp")
        (folder / "left-behind").write_bytes(b"half")
        with running(tmp_path / "data") as unit:
            cell = Site(unit.http, "alice", f"{unit.url}alice/")
            assert cell.call("GET", "__/f").content == b"x" * 100_000
            assert litter(unit) == []


class TestSlowUploads:
    def test_an_upload_in_progress_blocks_nobody_and_the_last_to_end_wins(
        self, unit: RunningUnit, cell: Site
    ) -> None:
        cell.call("PUT", "__/f", content=b"old")
        slow = b"s" * 100_000
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), len(slow))
            raw.send(slow[:-1])
            until(lambda: bool(litter(unit)))
            assert cell.call("GET", "__/f").content == b"old"
            assert cell.call("PUT", "__/f", content=b"quick").status_code == 204
            assert cell.call("GET", "__/f").content == b"quick"
            assert cell.call("PUT", "__/other", content=b"x").status_code == 201
            raw.send(slow[-1:])
            assert raw.answer()[0] == 204
        assert cell.call("GET", "__/f").content == slow

    def test_a_condition_is_looked_at_again_when_the_body_is_there(self, unit: RunningUnit, cell: Site) -> None:
        etag = cell.call("PUT", "__/f", content=b"old").headers["etag"]
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), 100_000, f"If-Match: {etag}")
            raw.send(b"s" * 99_999)
            until(lambda: bool(litter(unit)))
            assert cell.call("PUT", "__/f", content=b"quick", headers={"If-Match": etag}).status_code == 204
            raw.send(b"s")
            status, _, body = raw.answer()
        assert (status, b"PR412-DV-0001" in body) == (412, True)
        assert cell.call("GET", "__/f").content == b"quick"
        until(lambda: not litter(unit))

    def test_a_right_that_is_taken_away_meanwhile_counts(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice", roles=("writer",))
        cell.acl("__", {"writer": "write"})
        token = cell.token("alice")
        with Raw(unit.url) as raw:
            raw.head("PUT", path_of(cell, "__/f"), "Content-Length: 100000", token=token)
            raw.send(b"s" * 99_999)
            until(lambda: bool(litter(unit)))
            cell.acl("__", {"writer": "read"})
            raw.send(b"s")
            assert raw.answer()[0] == 403
        assert cell.call("GET", "__/f").status_code == 404

    def test_the_box_may_vanish_meanwhile(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "b"})
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "b/f"), 100_000)
            raw.send(b"s" * 99_999)
            until(lambda: bool(litter(unit)))
            assert cell.call("DELETE", "b", headers={"X-Personium-Recursive": "true"}).status_code == 204
            raw.send(b"s")
            assert raw.answer()[0] == 404
        until(lambda: not litter(unit))


class TestExpectations:
    def test_who_may_not_write_is_refused_before_the_body(self, unit: RunningUnit, cell: Site) -> None:
        with Raw(unit.url) as raw:
            lines = ("Content-Length: 5", "Expect: 100-continue")
            raw.head("PUT", path_of(cell, "__/f"), *lines, token=None)
            status, headers, body = raw.answer()
            assert (status, headers["connection"]) == (401, "close")
            assert b"PR401-AU-0001" in body
            assert raw.at_end()

    @pytest.mark.parametrize(("condition", "status"), [('If-Match: "9-9"', 412), ("If-None-Match: *", 412)])
    def test_a_condition_that_fails_is_told_before_the_body(
        self, unit: RunningUnit, cell: Site, condition: str, status: int
    ) -> None:
        cell.call("PUT", "__/f", content=b"old")
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), 5, "Expect: 100-continue", condition)
            assert raw.answer()[0] == status

    def test_who_may_write_is_told_to_continue(self, unit: RunningUnit, cell: Site) -> None:
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), 5, "Expect: 100-continue")
            assert raw.answer()[0] == 100
            raw.send(b"12345")
            assert raw.answer()[0] == 201
            raw.head("GET", path_of(cell, "__/f"))
            assert raw.answer()[2] == b"12345"


class TestChunks:
    def test_chunks_of_any_size_with_extensions_and_trailers_arrive_whole(
        self, unit: RunningUnit, cell: Site
    ) -> None:
        chance = random.Random(7)
        body = chance.randbytes(200_000)
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), None)
            at = 0
            while at < len(body):
                piece = body[at : at + chance.choice([1, 7, 1_000, 30_000])]
                raw.send(b"%X;name=value\r\n%b\r\n" % (len(piece), piece))
                at += len(piece)
            raw.send(b"0\r\nX-Trailer: ignored\r\n\r\n")
            assert raw.answer()[0] == 201
        assert cell.call("GET", "__/f").content == body

    def test_an_empty_chunked_body_is_an_empty_file(self, unit: RunningUnit, cell: Site) -> None:
        with Raw(unit.url) as raw:
            put_head(raw, path_of(cell, "__/f"), None)
            raw.chunk(b"")
            assert raw.answer()[0] == 201
        assert cell.call("GET", "__/f").content == b""


class TestClientsThatLeave:
    def test_an_abandoned_download_lets_go_of_its_file(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__/large", content=b"x" * 20_000_000)
        for number in range(10):
            with Raw(unit.url) as raw:
                raw.head("GET", path_of(cell, "__/large"))
                raw.connection.recv(1_000)
                assert open_blobs(unit)
                if number % 2:
                    raw.reset()
        until(lambda: not open_blobs(unit))

    def test_a_file_replaced_or_deleted_while_it_is_read_is_read_to_its_end(
        self, unit: RunningUnit, cell: Site
    ) -> None:
        old = b"o" * 20_000_000
        for method, content in (("PUT", b"new"), ("DELETE", None)):
            cell.call("PUT", "__/large", content=old)
            with Raw(unit.url) as raw:
                raw.head("GET", path_of(cell, "__/large"))
                raw.rest = raw.connection.recv(1_000)
                assert cell.call(method, "__/large", content=content).status_code == 204
                assert raw.answer()[2] == old
        until(lambda: not list(unit.data.glob("cells/*/contents/*/tmp/*")) and not open_blobs(unit))

    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
    def test_clients_that_close_after_each_request_are_served_and_leave_nothing(
        self, unit: RunningUnit, cell: Site, version: str
    ) -> None:
        cell.call("PUT", "__/f", content=b"text")
        host = urlsplit(unit.url).netloc
        lines = f"Host: {host}\r\nAuthorization: Bearer a-master-token-for-tests\r\nConnection: close\r\n\r\n"
        until(lambda: not open_blobs(unit))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            with Raw(unit.url) as raw:
                raw.send(f"GET {path_of(cell, '__/f')} {version}\r\n{lines}".encode())
                assert raw.answer()[2] == b"text"
                assert raw.at_end()
        until(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)

    def test_clients_that_say_nothing_but_what_they_want_are_served(self, unit: RunningUnit, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"text")
        cell.acl("__/f", {"all": "read"})
        with closing(Raw(unit.url).connection) as connection:
            connection.sendall(f"GET {path_of(cell, '__/f')} HTTP/1.0\r\n\r\n".encode())
            told = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b"\r\n\r\ntext")


def test_a_client_that_sends_no_more_still_gets_its_answer(cell: Site) -> None:
    with Raw(cell.url) as raw:
        raw.head("PUT", f"/{cell.name}/__/half", "Content-Length: 100000")
        raw.send(b"x" * 100_000)
        raw.connection.shutdown(socket.SHUT_WR)
        assert raw.answer()[0] == 201


def test_an_upload_that_says_it_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with running(tmp_path / "data", **{"limits.upload_bytes": 1000}) as unit:
        cell = unit.cell()
        with Raw(cell.url) as raw:
            raw.head("PUT", f"/{cell.name}/__/a", "Content-Length: 1001", "Expect: 100-continue")
            assert raw.answer()[0] == 413


def test_an_upload_that_outlives_its_cell_is_refused_and_nothing_breaks(unit: RunningUnit) -> None:
    cell = unit.cell()

    def body() -> Iterator[bytes]:
        yield b"x" * 300_000
        gone = httpx.delete(cell.url, headers={"Authorization": f"Bearer {MASTER}", "X-Personium-Recursive": "true"})
        assert gone.status_code == 204
        yield b"y" * 300_000

    assert cell.call("PUT", "__/late", content=body()).status_code in {404, 409}
