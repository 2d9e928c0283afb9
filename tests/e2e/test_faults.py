"""Full and read-only disks, power cuts, ends in the middle of work, and memory under clients that do not keep up."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw
import httpx
import pytest

from tests.e2e.conftest import Unit, alveary
from tests.e2e.machine import (
    MAX_WAIT_S,
    Disk,
    Syscall,
    descendants,
    resident_bytes,
    runs,
    small_disk,
    system_calls,
    until,
)
from tests.raw import Raw
from tests.running import QUICK, Site
from tests.services import doing, make_service

MIB = 1024 * 1024
DISK_BYTES = 64 * MIB
TOO_FULL = (507, "PR507-SV-0001")
FILES_BYTES = 12 * MIB
"""What the files of the cell take that is exported and imported."""


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def status_of(cell: Site, path: str) -> dict[str, object]:
    """What *path* tells once nothing is under way there."""
    status: dict[str, object] = {}

    def ended() -> bool:
        nonlocal status
        status = cell.call("GET", path).json()
        return not str(status["status"]).endswith("in progress")

    until(ended)
    return status


def assert_sound(data: Path) -> None:
    """Every database of the data folder is whole."""
    for path in data.glob("**/*.sqlite"):
        with apsw.Connection(str(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        database.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "small" / "data", DISK_BYTES) as disk:
        yield disk


@pytest.fixture
def start_on(disk: Disk) -> Iterator[Callable[..., Unit]]:
    """What starts a unit whose data folder is that disk."""
    with ExitStack() as started:

        def start(**options: object) -> Unit:
            unit = Unit(disk.folder, {**QUICK, **options})
            unit.start()
            started.callback(end, unit)
            return unit

        yield start


def end(unit: Unit) -> None:
    if unit.process.poll() is None:
        unit.kill()
    unit.http.close()


class TestFullDisk:
    def test_every_write_is_507_nothing_acknowledged_is_lost_and_space_heals_it(
        self, disk: Disk, start_on: Callable[..., Unit]
    ) -> None:
        unit = start_on()
        cell = unit.cell("alice")
        large = os.urandom(MIB)
        assert cell.call("PUT", "__/large", content=large).status_code == 201
        disk.fill()
        assert code(cell.call("PUT", "__/large", content=os.urandom(MIB))) == TOO_FULL
        stored = until_full(lambda n: cell.call("PUT", f"__/f{n}", content=b"%d." % n * 1000))
        made = until_full(lambda n: cell.call("POST", "__ctl/Role", json={"Name": f"r{n}" + "x" * 100}))
        assert cell.call("GET", "__/large").content == large
        assert unit.http.get(f"{unit.url}healthz").status_code == 200
        disk.clear()
        assert cell.call("PUT", "__/large", content=large[:-1]).status_code == 204
        assert cell.call("POST", "__ctl/Role", json={"Name": "after"}).status_code == 201
        unit.restart()
        cell = Site(unit.http, "alice", f"{unit.url}alice/")
        assert cell.call("GET", "__/large").content == large[:-1]
        for number in range(stored):
            assert cell.call("GET", f"__/f{number}").content == b"%d." % number * 1000
        assert cell.call("GET", f"__/f{stored}").status_code == 404
        roles = cell.call("GET", "__ctl/Role?$top=0&$inlinecount=allpages").json()
        assert roles["d"]["__count"] == str(made + 1)
        assert unit.stop() == 0
        assert not list(disk.folder.glob("cells/*/contents/*/tmp/*"))
        assert_sound(disk.folder)

    def test_an_export_that_finds_no_space_says_so_in_its_file_and_the_next_succeeds(
        self, disk: Disk, start_on: Callable[..., Unit]
    ) -> None:
        cell = filled(start_on())
        disk.fill(left_bytes=4 * MIB)
        assert cell.call("POST", "__export", json={"Name": "snap"}).status_code == 202
        assert status_of(cell, "__export") == {"status": "ready"}
        assert cell.call("GET", "__snapshot/snap.zip").status_code == 404
        assert cell.call("GET", "__snapshot/snap.error").json()["code"] == TOO_FULL[1]
        assert disk.free_bytes > 3 * MIB
        disk.clear()
        assert cell.call("POST", "__export", json={"Name": "snap"}).status_code == 202
        assert status_of(cell, "__export") == {"status": "ready"}
        assert cell.call("HEAD", "__snapshot/snap.zip").status_code == 200
        assert cell.call("HEAD", "__snapshot/snap.error").status_code == 404

    def test_an_import_that_finds_no_space_leaves_the_old_contents_and_the_next_succeeds(
        self, disk: Disk, start_on: Callable[..., Unit]
    ) -> None:
        unit = start_on()
        cell = filled(unit)
        cell.call("POST", "__export", json={"Name": "snap"})
        assert status_of(cell, "__export") == {"status": "ready"}
        assert cell.call("PUT", "__/since", content="since").status_code == 201
        disk.fill(left_bytes=4 * MIB)
        assert cell.call("POST", "__import", json={"Name": "snap"}).status_code == 202
        status = status_of(cell, "__import")
        assert (status["status"], status["message"]["code"]) == ("import failed", TOO_FULL[1])  # type: ignore[index]
        assert disk.free_bytes > 3 * MIB
        assert cell.call("DELETE", "__import").status_code == 204
        assert cell.call("GET", "__/since").text == "since"
        disk.clear()
        assert cell.call("POST", "__import", json={"Name": "snap"}).status_code == 202
        assert status_of(cell, "__import") == {"status": "ready"}
        assert cell.call("GET", "__/since").status_code == 404
        assert len(cell.call("GET", "__/f0").content) == MIB
        assert unit.stop() == 0
        assert_sound(disk.folder)

    def test_a_snapshot_that_does_not_fit_is_507_and_keeps_the_old_one(
        self, disk: Disk, start_on: Callable[..., Unit]
    ) -> None:
        cell = start_on().cell("alice")
        cell.call("PUT", "__snapshot/s.zip", content=b"old")
        disk.fill(left_bytes=MIB)
        assert code(cell.call("PUT", "__snapshot/s.zip", content=b"x" * 3 * MIB)) == TOO_FULL
        assert cell.call("GET", "__snapshot/s.zip").content == b"old"

    def test_uploads_leave_the_reserve_alone_and_deletes_do_not_need_it(
        self, disk: Disk, start_on: Callable[..., Unit]
    ) -> None:
        cell = start_on(**{"limits.disk_reserve_percent": 50}).cell("alice")
        assert cell.call("PUT", "__/f", content=b"x" * MIB).status_code == 201
        disk.fill(left_bytes=DISK_BYTES * 4 // 10)
        for size_bytes in (10, MIB):
            assert code(cell.call("PUT", "__/g", content=b"x" * size_bytes)) == TOO_FULL
        assert code(cell.call("PUT", "__snapshot/s.zip", content=b"x")) == TOO_FULL
        assert cell.call("GET", "__/f").content == b"x" * MIB
        assert cell.call("DELETE", "__/f").status_code == 204
        disk.clear()
        assert cell.call("PUT", "__/g", content=b"x" * MIB).status_code == 201


def until_full(write: Callable[[int], httpx.Response]) -> int:
    """How many writes were acknowledged before the disk had no room for one."""
    for number in range(2_000):
        answer = write(number)
        if answer.status_code != 201:
            assert code(answer) == TOO_FULL
            return number
    raise AssertionError("the disk never gets full")


def filled(unit: Unit) -> Site:
    """A cell with files that cannot be compressed."""
    cell = unit.cell("alice")
    for number in range(FILES_BYTES // MIB):
        assert cell.call("PUT", f"__/f{number}", content=os.urandom(MIB)).status_code == 201
    return cell


def assert_refused(returncode: int, stderr: str, reason: str) -> None:
    """One sentence, which says *reason*, and no traceback."""
    assert returncode == 1
    assert stderr.startswith("Error: ") and stderr.count("\n") == 1, stderr
    assert reason in stderr


class TestDataFolder:
    def test_one_that_cannot_be_written_is_refused(self, disk: Disk, start_on: Callable[..., Unit]) -> None:
        assert start_on().stop() == 0
        disk.writable(False)
        try:
            refused = alveary("serve", "--data", disk.folder, "--bind", "127.0.0.1:0")
        finally:
            disk.writable(True)
        assert_refused(refused.returncode, refused.stderr, "Read-only file system")

    def test_the_folder_of_a_later_release_is_refused_and_left_as_it_is(self, unit: Unit) -> None:
        unit.cell("alice")
        unit.stop()
        (unit.data / "format").write_text("999\n")
        before = {path: path.read_bytes() for path in unit.data.glob("**/*") if path.is_file()}
        refused = alveary("serve", "--data", unit.data, "--bind", "127.0.0.1:0")
        assert_refused(refused.returncode, refused.stderr, "has format 999")
        assert {path: path.read_bytes() for path in unit.data.glob("**/*") if path.is_file()} == before

    def test_the_first_answer_comes_soon_after_the_start(self, unit: Unit) -> None:
        unit.stop()
        began = time.monotonic()
        unit.restart()
        assert unit.http.get(f"{unit.url}readyz").status_code == 200
        assert time.monotonic() - began < 10


class TestEnds:
    def test_sigterm_lets_an_upload_finish(self, unit: Unit) -> None:
        unit.cell("alice")
        body = os.urandom(MIB)
        with Raw(unit.url) as raw:
            begin_upload(unit, raw, "/alice/__/f", body[:-1])
            unit.process.send_signal(signal.SIGTERM)
            until(lambda: refuses_connections(unit))
            raw.send(body[-1:])
            assert raw.answer()[0] == 201
        assert exit_code(unit) == 0
        unit.restart()
        assert Site(unit.http, "alice", f"{unit.url}alice/").call("GET", "__/f").content == body

    def test_sigterm_lets_a_download_finish(self, unit: Unit) -> None:
        cell = unit.cell("alice")
        body = os.urandom(30 * MIB)
        cell.call("PUT", "__/f", content=body)
        with Raw(unit.url) as raw:
            raw.head("GET", "/alice/__/f")
            raw.rest = raw.connection.recv(1000)
            unit.process.send_signal(signal.SIGTERM)
            until(lambda: refuses_connections(unit))
            assert raw.answer()[2] == body
        assert exit_code(unit) == 0

    def test_a_client_that_never_ends_is_not_waited_for_beyond_the_limit(
        self, start_unit: Callable[..., Unit]
    ) -> None:
        unit = start_unit(**{"limits.shutdown_s": 0.5})
        unit.cell("alice").call("PUT", "__/f", content=b"old")
        with Raw(unit.url) as raw:
            begin_upload(unit, raw, "/alice/__/f", b"x" * (MIB - 1))
            began = time.monotonic()
            assert unit.stop() == 0
            assert time.monotonic() - began < 10
        unit.restart()
        assert Site(unit.http, "alice", f"{unit.url}alice/").call("GET", "__/f").content == b"old"
        assert not list(unit.data.glob("cells/*/contents/*/tmp/*"))

    def test_sigterm_ends_scripts_and_their_processes(self, start_unit: Callable[..., Unit]) -> None:
        unit = start_unit(**{"script.js_time_s": 1})
        processes = loop_a_script(unit)
        assert unit.stop() == 0
        until(lambda: not any(map(runs, processes)))

    def test_kill_9_leaves_no_process_behind(self, unit: Unit) -> None:
        processes = loop_a_script(unit)
        unit.kill()
        until(lambda: not any(map(runs, processes)))


def begin_upload(unit: Unit, raw: Raw, path: str, data: bytes) -> None:
    """Send all of a body but its last byte, and wait until the server has begun to write it."""
    raw.head("PUT", path, f"Content-Length: {len(data) + 1}")
    raw.send(data)
    until(lambda: bool(list(unit.data.glob("cells/*/contents/*/tmp/*"))))


def exit_code(unit: Unit) -> int:
    """How a unit ended that has been told to."""
    result = unit.process.wait(MAX_WAIT_S)
    assert unit.process.stdout is not None
    unit.process.stdout.close()
    return result


def refuses_connections(unit: Unit) -> bool:
    try:
        Raw(unit.url).connection.close()
    except ConnectionError:
        return True
    return False


def loop_a_script(unit: Unit) -> list[int]:
    """Begin a script that does not end; all processes that the unit has then."""
    cell = unit.cell("alice")
    make_service(cell, {"loop": doing("for (;;) {}"), "fine": doing("1")})
    assert cell.call("GET", "__/svc/fine").text == "done"
    raw = Raw(unit.url)
    raw.head("GET", "/alice/__/svc/loop")
    until(lambda: len(descendants(unit.process.pid)) >= 2)
    raw.connection.close()
    return descendants(unit.process.pid)


class TestPowerCuts:
    def test_a_large_file_its_folder_and_its_row_are_on_disk_before_the_answer(
        self, unit: Unit, tmp_path: Path
    ) -> None:
        cell = unit.cell("alice")
        cell.call("PUT", "__/warm", content=b"x" * 200_000)
        with system_calls(unit.process.pid, tmp_path / "trace") as ended:
            assert cell.call("PUT", "__/f", content=b"x" * 200_000).status_code == 201
            calls = before_the_answer(ended())
        data = position(calls, lambda call: call.name == "fdatasync" and "/tmp/" in call.arguments)
        renamed = position(calls, lambda call: call.name.startswith("rename") and "/blobs/" in call.arguments)
        folder = position(calls, lambda call: call.name == "fsync" and "/blobs/" in call.arguments)
        written = position(calls, lambda call: call.name == "pwrite64" and call.on("db.sqlite-wal"))
        assert data < renamed < folder < written < len(calls)
        assert_synced(calls)

    def test_a_small_file_is_in_a_synced_log_before_the_answer(self, unit: Unit, tmp_path: Path) -> None:
        cell = unit.cell("alice")
        cell.call("PUT", "__/warm", content=b"x" * 100)
        with system_calls(unit.process.pid, tmp_path / "trace") as ended:
            assert cell.call("PUT", "__/f", content=b"x" * 100).status_code == 201
            assert_synced(before_the_answer(ended()))

    def test_an_entity_is_in_a_synced_log_before_the_answer(self, unit: Unit, tmp_path: Path) -> None:
        cell = unit.cell("alice")
        with system_calls(unit.process.pid, tmp_path / "trace") as ended:
            assert cell.call("POST", "__ctl/Role", json={"Name": "r"}).status_code == 201
            assert_synced(before_the_answer(ended()))


def before_the_answer(calls: list[Syscall]) -> list[Syscall]:
    """The calls that ended before the first answer was sent."""
    return calls[: position(calls, lambda call: '"HTTP/1.1 201' in call.arguments)]


def position(calls: list[Syscall], wanted: Callable[[Syscall], bool]) -> int:
    return next(number for number, call in enumerate(calls) if wanted(call))


def assert_synced(calls: list[Syscall]) -> None:
    """What was written to a database's log was synced after its last write."""
    log = [call.name for call in calls if call.on("db.sqlite-wal")]
    assert "pwrite64" in log
    assert log[-1] in {"fdatasync", "fsync"}, log


class TestMemory:
    def test_readers_that_do_not_read_cost_no_memory(self, unit: Unit) -> None:
        cell = unit.cell("alice")
        assert cell.call("PUT", "__/large", content=b"x" * 50 * MIB).status_code == 201
        assert len(cell.call("GET", "__/large").content) == 50 * MIB
        before = resident_bytes(unit.process.pid)
        with ExitStack() as clients:
            for _ in range(8):
                raw = clients.enter_context(Raw(unit.url))
                raw.head("GET", "/alice/__/large")
                raw.rest = raw.connection.recv(1000)
            for _ in range(50):
                assert cell.call("GET", "__/large", headers={"Range": "bytes=0-9"}).status_code == 206
            assert resident_bytes(unit.process.pid) - before < 32 * MIB

    def test_a_body_that_nobody_reads_is_not_taken_in(self, unit: Unit) -> None:
        cell = unit.cell("alice")
        make_service(cell, {"loop": doing("for (;;) {}")})
        before = resident_bytes(unit.process.pid)
        with Raw(unit.url) as raw:
            raw.head("POST", "/alice/__/svc/loop", f"Content-Length: {200 * MIB}")
            raw.connection.setblocking(False)
            sent_bytes = 0
            ready = select.poll()  # not select(): this process may have more descriptors than that can tell
            ready.register(raw.connection, select.POLLOUT)
            while ready.poll(500):
                sent_bytes += raw.connection.send(b"x" * 65_536)
                assert sent_bytes < 100 * MIB
            assert resident_bytes(unit.process.pid) - before < 16 * MIB
