"""Scripts that attack: the engine as a whole, then its walls one by one, then its processes.

Each attack costs its own run one failure, within its limits, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from alveary.adapters.engine.pool import ScriptEngine
from alveary.adapters.engine.process import ProcessGone, Worker
from alveary.model.script import HostCall, ScriptAnswer
from alveary.ports.engine import EngineLimits, ScriptFailed, ScriptTimedOut
from alveary.wire.script_frames import CALL, HELLO, REPLY, FrameError, frame
from tests.script_host import FilesHost, job, returning, text_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

LIMITS = EngineLimits(js_time_s=10, wall_s=30)
SHORT = EngineLimits(js_time_s=0.5, wall_s=30)

EngineOf = Callable[[EngineLimits], ScriptEngine]


@pytest.fixture
async def engine_of() -> AsyncIterator[EngineOf]:
    made: list[ScriptEngine] = []

    def make(limits: EngineLimits) -> ScriptEngine:
        made.append(ScriptEngine(limits, lambda text: None))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


async def run(engine: ScriptEngine, source: str, cell: str = "cell") -> ScriptAnswer:
    return await engine.run(job(source, cell=cell), FilesHost())


def body(statements: str) -> str:
    return f"function (request) {{ {statements}; return {{status: 200, headers: {{}}, body: ['done']}}; }}"


class TestLoops:
    @pytest.mark.parametrize(
        "source",
        [
            body("while (true) {}"),
            "function (r) {}\nwhile (true) {}",
            body("/^(a+)+$/.test('a'.repeat(60) + 'b')"),
            body("for (;;) { try { for (;;) {} } finally { continue } }"),
            "async function (r) { for (;;) await null; }",
            "function (r) { var spin = () => { queueMicrotask(spin) }; spin(); return new Promise(spin); }",
            body("Array.prototype.forEach = function () { for (;;) {} }; [1].forEach(1)"),
            "function (r) { return {status: 200, body: {forEach: function () { for (;;) {} }}}; }",
            "function (r) { return {status: 200, get headers() { for (;;) {} }, body: []}; }",
        ],
    )
    async def test_a_loop_is_killed_at_the_deadline(self, engine_of: EngineOf, source: str) -> None:
        engine = engine_of(SHORT)
        with pytest.raises(ScriptTimedOut):
            await run(engine, source)
        assert text_of(await run(engine, returning("1"))) == "1"

    async def test_other_cells_are_served_while_one_loops(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(js_time_s=3, wall_s=30))
        loops = [asyncio.create_task(run(engine, body("while (true) {}"), "attacker")) for _ in range(2)]
        for _ in range(20):
            assert text_of(await run(engine, returning("1"), "victim")) == "1"
        assert not any(loop.done() for loop in loops)
        assert all(isinstance(end, ScriptTimedOut) for end in await asyncio.gather(*loops, return_exceptions=True))

    async def test_a_long_turn_gets_what_others_leave_of_the_processor(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(engine, returning("1"))
        process = the_only_one(engine).process or 0
        assert os.getpriority(os.PRIO_PROCESS, process) == os.getpriority(os.PRIO_PROCESS, 0) + 5
        looping = asyncio.create_task(run(engine, body("while (true) {}")))
        await until(lambda: os.getpriority(os.PRIO_PROCESS, process) == 19)
        looping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looping

    async def test_waiting_for_the_host_is_no_time_of_the_script(self, engine_of: EngineOf) -> None:
        released = asyncio.Event()

        class Slow(FilesHost):
            async def call(self, call: HostCall) -> str:
                await released.wait()
                return "x"

        asyncio.get_running_loop().call_later(0.8, released.set)
        answer = await engine_of(SHORT).run(job(returning("_p.localbox().getString('f')")), Slow())
        assert text_of(answer) == '"x"'


class TestAppetite:
    @pytest.mark.parametrize(
        "statements",
        [
            "var a = []; for (;;) a.push(new Array(1000).fill(1))",
            "var a = []; for (;;) a.push(new Uint8Array(1 << 20))",
            "var s = 'x'; for (;;) s += s",
            "var b = 2n; for (;;) b = b * b",
            "new Array(1e9).fill(0)",
            "'x'.padEnd(1 << 29)",
            "eval('('.repeat(1 << 20))",
            "eval('[' + '['.repeat(1e6))",
            "function f() { f() } f()",
            "var o = {}; for (var i = 0; i < 1e5; i++) o = {o: o}; JSON.stringify(o)",
            "JSON.parse('['.repeat(1e6))",
            "new RegExp('('.repeat(1e5))",
            "var p = {}; for (var i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x",
            "var f = function () {}; for (var i = 0; i < 1e5; i++) f = f.bind(); f()",
            "var a = []; for (var i = 0; i < 1e5; i++) a = [a]; String(a)",
            "var a = []; for (var i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
            "var o = {toString: function () { return '' + o }}; '' + o",
        ],
    )
    async def test_a_bomb_fails_and_the_next_run_works(self, engine_of: EngineOf, statements: str) -> None:
        engine = engine_of(LIMITS)
        with pytest.raises((ScriptFailed, ScriptTimedOut)):
            await run(engine, body(statements))
        assert text_of(await run(engine, returning("1"))) == "1"

    async def test_out_of_memory_can_be_caught_and_ends_with_the_request(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        source = body("var a; try { a = []; for (;;) a.push(new Uint8Array(1 << 20)); } catch (e) { a = null }")
        assert text_of(await run(engine, source)) == "done"
        assert text_of(await run(engine, returning("1"))) == "1"

    async def test_a_flood_of_calls_ends_at_their_number(self, engine_of: EngineOf) -> None:
        host = FilesHost()
        with pytest.raises(ScriptFailed, match="more than 50 calls"):
            await engine_of(EngineLimits(host_calls=50)).run(job(body("for (;;) console.log('x')")), host)
        assert len(host.calls) == 50

    async def test_a_flood_of_calls_ends_at_the_deadline_too(self, engine_of: EngineOf) -> None:
        begun = time.monotonic()
        with pytest.raises(ScriptTimedOut):
            limits = EngineLimits(js_time_s=0.3, host_calls=10_000_000)
            await engine_of(limits).run(job(body("for (;;) { try { console.log('x') } catch (e) {} }")), FilesHost())
        assert time.monotonic() - begun < 10

    async def test_an_answer_over_the_limit_fails(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(frame_bytes=100_000))
        with pytest.raises(ScriptFailed, match="larger than 100000 bytes"):
            await run(engine, "function (r) { return {status: 200, body: ['x'.repeat(100001)]}; }")

    async def test_a_value_over_the_limit_is_an_error_in_the_script(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(frame_bytes=100_000))
        catching = "try {{ {} }} catch (e) {{ return {{status: 200, body: [e.message]}}; }}"
        put = body(catching.format("_p.localbox().put('f', 't', 'x'.repeat(100001))"))
        get = body(catching.format("_p.localbox().getString('f')"))
        assert "larger than 100000 bytes" in text_of(await run(engine, put))
        answer = await engine.run(job(get), FilesHost(files={"f": "x" * 100_001}))
        assert "larger than 100000 bytes" in text_of(answer)

    async def test_an_answer_in_a_thousand_pieces_more_fails(self, engine_of: EngineOf) -> None:
        with pytest.raises(ScriptFailed):
            await run(
                engine_of(LIMITS),
                "function (r) { return {status: 200, body: new Array(2000).fill(r.input)}; }",
            )


class TestTraces:
    async def test_nothing_of_a_run_is_seen_by_the_next(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(
            engine,
            body(
                "leak = 'secret'; Object.prototype.polluted = 1; Array.prototype.pop = null;"
                "JSON.parse = function () { return 'evil' }; _p.localbox = null; _p.util.mine = 1;"
                "Object.getPrototypeOf(function () {}).call = null"
            ),
        )
        probe = (
            "[typeof leak, ({}).polluted === undefined, typeof [].pop, JSON.parse('1'), typeof _p.localbox,"
            " typeof _p.util.mine, typeof (function () {}).call]"
        )
        assert len(engine._idle) == 1
        told = json.loads(text_of(await run(engine, returning(probe))))
        assert told == ["undefined", True, "function", 1, "function", "undefined", "function"]

    async def test_there_is_no_way_out_of_the_language(self, engine_of: EngineOf) -> None:
        names = [
            "std",
            "os",
            "print",
            "process",
            "fetch",
            "XMLHttpRequest",
            "Deno",
            "java",
            "Packages",
            "__call",
        ]
        probe = f"{json.dumps(names)}.filter(function (name) {{ return name in globalThis }})"
        assert json.loads(text_of(await run(engine_of(LIMITS), returning(probe)))) == []

    async def test_a_script_cannot_wait_or_import(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        for statements in (
            "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1e9)",
            "import('/etc/passwd')",
        ):
            source = f"async function (r) {{ return {{status: 200, body: [String(await {statements})]}}; }}"
            with pytest.raises(ScriptFailed):
                await run(engine, source)


def confined(statements: str) -> subprocess.CompletedProcess[str]:
    """*statements* of Python, run by a process behind the walls of a worker."""
    code = f"""
import ctypes, os, socket, sys
from alveary.adapters.engine.sandbox import confine
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
missing = confine(address_space_bytes=1 << 28, cpu_s=20)
os.write(1, ("behind " + " ".join(missing) + "\\n").encode())
{statements}
os.write(1, b"escaped")
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": "src"},
    )


class TestWalls:
    def test_computing_and_writing_go_on_behind_all_walls(self) -> None:
        ended = confined("sum(range(1000)); bytearray(1 << 20)")
        assert ended.stdout.startswith("behind")
        assert "seccomp" not in ended.stdout
        assert ended.stdout.endswith("escaped")

    @pytest.mark.parametrize(
        "attempt",
        [
            "os.open('/etc/passwd', os.O_RDONLY)",
            "libc.syscall(437, -100, b'/etc/passwd', 0, 0)",
            "socket.socket()",
            "socket.socketpair()",
            "os.fork()",
            "libc.syscall(435, 0, 0)",
            "os.execv('/bin/true', ['true'])",
            "libc.mmap(None, 4096, 7, 0x22, -1, 0)",
            "libc.mprotect(ctypes.c_void_p(0x10000), 4096, 5)",
            "os.kill(os.getppid(), 0)",
            "libc.ptrace(16, os.getppid(), 0, 0)",
            "libc.prctl(38, 0, 0, 0, 0)",
            "libc.personality(0)",
            "os.stat('/')",
            "os.readlink('/proc/self/exe')",
            "libc.syscall(0x40000000 + 2, b'/etc/passwd', 0, 0)",
        ],
    )
    def test_an_escape_is_killed(self, attempt: str) -> None:
        ended = confined(attempt)
        assert ended.stdout.startswith("behind")
        assert "escaped" not in ended.stdout
        assert ended.returncode == -signal.SIGSYS

    def test_memory_beyond_the_limit_is_refused(self) -> None:
        ended = confined("bytearray(1 << 29)")
        assert "escaped" not in ended.stdout
        assert "MemoryError" in ended.stderr or ended.returncode < 0

    async def test_a_worker_has_one_descriptor_no_environment_and_no_privileges(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(engine, returning("1"))
        (worker,) = engine._idle
        process = Path(f"/proc/{worker.process}")
        assert [each.name for each in (process / "fd").iterdir()] == ["0"]
        assert (process / "environ").read_bytes().strip(b"\0") == b""
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")


class TestHostileWorker:
    """A worker that was taken over may say anything on its socket."""

    @pytest.mark.parametrize(
        "said",
        [
            b"\xff\xff\xff\xffC",
            b"\0\0\0\1?x",
            frame(CALL, b"{}") + frame(CALL, b"{}"),
            frame(CALL, b"{}") + b"\0",
        ],
    )
    async def test_breaking_the_protocol_ends_the_process(self, said: bytes) -> None:
        async with hostile() as (worker, theirs, process):
            worker.send((REPLY, b"{}"))
            theirs.send(said)
            with pytest.raises((FrameError, ProcessGone)):
                await worker.receive(10)
                await worker.receive(10)
            assert process.wait(10) == -signal.SIGKILL

    async def test_speaking_out_of_turn_ends_the_process(self) -> None:
        async with hostile() as (worker, theirs, process):
            theirs.send(frame(CALL, b"{}"))
            await until(lambda: not worker.alive)
            assert process.wait(10) == -signal.SIGKILL
            with pytest.raises(ProcessGone):
                worker.send((REPLY, b"{}"))


@asynccontextmanager
async def hostile() -> AsyncIterator[tuple[Worker, socket.socket, subprocess.Popen[bytes]]]:
    """A worker that has said hello, the end of the socket that it speaks on, and its process."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process, theirs:
        theirs.send(frame(HELLO, b""))
        worker = await Worker.connect(ours, process.pid, os.pidfd_open(process.pid), 1000)
        yield worker, theirs, process
        worker.kill()


def gone(process: int) -> bool:
    """Whether that process has ended; a zombie has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def the_only_one(engine: ScriptEngine) -> Worker:
    (worker,) = engine._idle
    return worker


class TestProcesses:
    async def test_a_worker_killed_in_the_middle_costs_one_run(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)

        class Killing(FilesHost):
            async def call(self, call: HostCall) -> None:
                (busy,) = engine._busy
                assert busy.process is not None
                os.kill(busy.process, signal.SIGKILL)

        with pytest.raises(ScriptFailed, match="ended unexpectedly"):
            await engine.run(job(body("_p.localbox().mkCol('x')")), Killing())
        assert text_of(await run(engine, returning("1"))) == "1"

    async def test_an_idle_worker_killed_costs_nothing(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(engine, returning("1"))
        worker = the_only_one(engine)
        assert worker.process is not None
        os.kill(worker.process, signal.SIGKILL)
        await until(lambda: not worker.alive)
        assert text_of(await run(engine, returning("2"))) == "2"

    async def test_a_zygote_killed_is_replaced(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(engine, returning("1"))
        worker, zygote = the_only_one(engine), engine._zygote
        assert zygote is not None
        os.kill(zygote.process, signal.SIGKILL)
        await until(lambda: not worker.alive)
        await until(lambda: not any(spare.alive for spare in list(engine._spares._queue) if spare))  # type: ignore[attr-defined]
        assert text_of(await run(engine, returning("2"))) == "2"

    async def test_a_client_that_goes_away_ends_its_script(self, engine_of: EngineOf) -> None:
        engine = engine_of(LIMITS)
        await run(engine, returning("1"))
        worker = the_only_one(engine)
        looping = asyncio.create_task(run(engine, body("while (true) {}")))
        await until(lambda: bool(engine._busy))
        looping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looping
        assert worker.process is not None
        await until(lambda: gone(worker.process or 0))

    async def test_closing_ends_every_process(self, engine_of: EngineOf) -> None:
        engine = ScriptEngine(LIMITS, lambda text: None)
        await run(engine, returning("1"))
        assert engine._zygote is not None
        processes = [engine._zygote.process, the_only_one(engine).process or 0]
        await engine.close()
        await until(lambda: all(gone(each) for each in processes))

    async def test_hundreds_of_runs_leave_no_descriptor_behind(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(requests_per_worker=3))
        await run(engine, returning("1"))
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            for _ in range(2):
                await run(engine, returning("1"))
            with pytest.raises(ScriptFailed):
                await run(engine, body("throw 1"))
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2

    def test_no_process_is_left_after_the_server_is_killed(self) -> None:
        code = """
import asyncio, os, sys
from alveary.adapters.engine.pool import ScriptEngine
from alveary.ports.engine import EngineLimits
from alveary.wire.script_frames import CALL, HELLO, REPLY, FrameError, frame
from tests.script_host import FilesHost, job, returning
async def main():
    engine = ScriptEngine(EngineLimits(js_time_s=60, wall_s=60), print)
    await engine.run(job(returning("1"), box="idle"), FilesHost())
    loop = asyncio.create_task(engine.run(job("function (r) { for (;;) {} }"), FilesHost()))
    while not engine._busy or engine._spares.empty():
        await asyncio.sleep(0.001)
    workers = [*engine._busy, *engine._idle, *engine._spares._queue]
    print(engine._zygote.process, *(worker.process for worker in workers), flush=True)
    await loop
asyncio.run(main())
"""
        server = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "src:."}
        )
        with server:
            assert server.stdout is not None
            processes = [int(each) for each in server.stdout.readline().split()]
            server.kill()
        assert len(processes) == 4
        asyncio.run(until(lambda: all(gone(each) for each in processes)))

    def test_the_engine_works_on_uvloop_too(self) -> None:
        async def attacked() -> str:
            engine = ScriptEngine(SHORT, lambda text: None)
            with pytest.raises(ScriptTimedOut):
                await run(engine, body("while (true) {}"))
            answer = await run(engine, returning("_p.localbox().getFileList()"))
            await engine.close()
            return text_of(answer)

        assert uvloop.run(attacked()) == "[]"
