"""The pool of script workers: who gets which process, and one run's conversation with it.

A worker serves one tenant until it is idle for long, has served enough, or anything at all goes wrong; then
it is killed. What does not belong here: sockets and processes (``process``), what a call does (the Host).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from weakref import WeakValueDictionary

from alveary.adapters.engine.process import ProcessGone, Worker, Zygote, ZygoteGone
from alveary.errors import SCRIPT_ENGINE_DOWN, TOO_MANY_REQUESTS, Refusal
from alveary.model.script import ScriptAnswer, ScriptJob, Tenant
from alveary.ports.engine import BadCall, EngineLimits, Host, ScriptFailed, ScriptTimedOut
from alveary.wire import script_frames
from alveary.wire.script_frames import FrameError

PROCESS_LOST = "The process of the script ended unexpectedly."


class ScriptEngine:
    """Runs scripts in worker processes; see ``alveary.ports.engine.Engine``. Lives in one event loop."""

    def __init__(self, limits: EngineLimits, warn: Callable[[str], object]) -> None:
        """An engine that starts nothing yet; *warn* is told, once, of walls that this system lacks."""
        self._limits = limits
        self._warn = warn
        self._cells: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(limits.workers)
        self._busy: set[Worker] = set()
        self._idle: dict[Worker, tuple[Tenant, asyncio.TimerHandle]] = {}
        self._spares: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(limits.spare_workers)
        self._zygote: Zygote | None = None
        self._forking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to get ready, in the background. The first run does so otherwise."""
        if self._forking is None:
            self._forking = asyncio.get_running_loop().create_task(self._keep_spares())

    async def run(self, job: ScriptJob, host: Host) -> ScriptAnswer:
        """What the script of *job* answers; its calls go to *host*. Raises as the port says."""
        self.start()
        deadline_s = asyncio.get_running_loop().time() + self._limits.wall_s
        async with self._place(job.tenant.cell, deadline_s), self._worker(job.tenant, deadline_s) as worker:
            try:
                async with asyncio.timeout_at(deadline_s) as wall:
                    return await self._converse(worker, job, host)
            except TimeoutError:
                if wall.expired():
                    raise ScriptTimedOut from None
                raise
            except (ProcessGone, FrameError) as cause:
                raise ScriptFailed(PROCESS_LOST) from cause

    async def close(self) -> None:
        """End every process of the engine; runs in progress fail."""
        if self._forking is not None:
            self._forking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._forking
        for worker in [*self._busy, *self._idle]:
            self._discard(worker)
        while not self._spares.empty():
            if spare := self._spares.get_nowait():
                spare.kill()
        if self._zygote is not None:
            self._zygote.close()

    async def _converse(self, worker: Worker, job: ScriptJob, host: Host) -> ScriptAnswer:
        now = asyncio.get_running_loop().time
        left_s = self._limits.js_time_s
        worker.send(
            (script_frames.JOB, script_frames.render_job(job)),
            (script_frames.SOURCE, job.source.encode("utf-8", "replace")),
        )
        calls = 0
        while True:
            since_s = now()
            try:
                said = await worker.receive(left_s)
            except TimeoutError:
                raise ScriptTimedOut from None
            left_s -= now() - since_s
            if said.kind == script_frames.ANSWER:
                try:
                    return script_frames.parse_answer(said.payload)
                except ValueError as invalid:
                    raise ScriptFailed(str(invalid)) from None
            if said.kind != script_frames.CALL:
                raise ScriptFailed(script_frames.parse_text(said.payload))
            if calls == self._limits.host_calls:
                raise ScriptFailed(f"The script made more than {calls} calls.")
            calls += 1
            worker.send((script_frames.REPLY, await self._reply(said.payload, host)))

    async def _reply(self, payload: bytes, host: Host) -> bytes:
        try:
            reply = script_frames.value_reply(await host.call(script_frames.parse_call(payload)))
        except Refusal as refusal:
            return script_frames.refusal_reply(refusal)
        except BadCall as nonsense:
            return script_frames.error_reply(str(nonsense))
        if len(reply) > self._limits.frame_bytes:
            return script_frames.error_reply(f"The value is larger than {self._limits.frame_bytes} bytes.")
        return reply

    @contextlib.asynccontextmanager
    async def _place(self, cell: str, deadline_s: float) -> AsyncIterator[None]:
        """One of the cell's places, then one of the pool's: a busy cell leaves the pool to the others."""
        of_cell = self._cells.setdefault(cell, asyncio.Semaphore(self._limits.per_cell_concurrency))
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(deadline_s):
                    await held.enter_async_context(of_cell)
                    await held.enter_async_context(self._slots)
            except TimeoutError:
                raise Refusal(TOO_MANY_REQUESTS) from None
            yield

    @contextlib.asynccontextmanager
    async def _worker(self, tenant: Tenant, deadline_s: float) -> AsyncIterator[Worker]:
        """A worker of *tenant*, its alone. Kept for the tenant's next run only when this one ends well."""
        try:
            async with asyncio.timeout_at(deadline_s):
                worker = self._of(tenant) or await self._spare()
        except TimeoutError:
            raise Refusal(TOO_MANY_REQUESTS) from None
        self._busy.add(worker)
        while self._idle and len(self._busy) + len(self._idle) > self._limits.workers:
            self._discard(next(iter(self._idle)))
        worker.requests += 1
        try:
            yield worker
        except BaseException:
            self._discard(worker)
            raise
        self._busy.discard(worker)
        expiry = asyncio.get_running_loop().call_later(self._limits.idle_s, self._discard, worker)
        self._idle[worker] = tenant, expiry
        if worker.slow or worker.requests >= self._limits.requests_per_worker:
            self._discard(worker)

    def _of(self, tenant: Tenant) -> Worker | None:
        """The idle worker of *tenant* that was used last."""
        for worker, (owner, expiry) in reversed(self._idle.items()):
            if owner == tenant and worker.alive:
                del self._idle[worker]
                expiry.cancel()
                return worker
        return None

    async def _spare(self) -> Worker:
        while True:
            spare = await self._spares.get()
            self._room.release()
            if spare is None:
                raise Refusal(SCRIPT_ENGINE_DOWN)
            if spare.alive:
                return spare
            spare.kill()

    def _discard(self, worker: Worker) -> None:
        self._busy.discard(worker)
        if worker in self._idle:
            self._idle.pop(worker)[1].cancel()
        worker.kill()

    async def _keep_spares(self) -> None:
        """Fork whenever there is room among the spares; None stands for a failure, which costs one run."""
        warned = False
        while True:
            await self._room.acquire()
            # The first may find its worker lost, the second the zygote too.
            spare = await self._fork() or await self._fork() or await self._fork()
            if spare is not None and spare.missing_walls and not warned:
                self._warn(f"Scripts run without these walls, which this system lacks: {spare.missing_walls}")
                warned = True
            self._spares.put_nowait(spare)

    async def _fork(self) -> Worker | None:
        """A worker from the zygote, which is started when there is none; None when that has failed."""
        try:
            self._zygote = self._zygote or Zygote(self._limits)
            return await self._zygote.fork()
        except ZygoteGone:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None
        except (ProcessGone, OSError):
            pass
        return None
