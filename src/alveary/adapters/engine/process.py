"""The engine's processes as the server sees them: the zygote that forks, and workers that speak in frames.

What does not belong here: which tenant gets which worker, and what a conversation is about (``pool``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess  # nosec B404
import sys
from math import ceil
from typing import Final, Self, cast

from alveary.ports.engine import EngineLimits
from alveary.wire import script_frames
from alveary.wire.script_frames import Frame, FrameError, FrameReader

BOOTSTRAP: Final = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(0x1f));"
    "from alveary.adapters.engine.zygote import main; main(*map(int, sys.argv[2:]))"
)
HELLO_TIMEOUT_S: Final = 10.0

PATIENCE_S: Final = 0.1
LEAST_PRIORITY: Final = 19
"""A worker whose turn lasts longer gets the processor only when nobody else wants it, from then on."""


class ProcessGone(Exception):  # noqa: N818 - what happened, as ScriptFailed tells it
    """The process on the other end has ended."""


class ZygoteGone(ProcessGone):
    """The zygote has ended, and with it all workers."""


class Worker(asyncio.Protocol):
    """One worker process. The server speaks, then the worker says exactly one frame, and so on."""

    def __init__(self, frame_bytes: int) -> None:
        """A worker that is not connected yet."""
        self.requests = 0
        self.slow = False
        self.missing_walls = ""
        self._reader = FrameReader(frame_bytes)
        self._process: int | None = None
        self._handle: int | None = None
        self._transport: asyncio.Transport | None = None
        self._turn: asyncio.Future[Frame] | None = None

    @classmethod
    async def connect(cls, ours: socket.socket, process: int, handle: int | None, frame_bytes: int) -> Self:
        """The worker *process* at the other end of *ours*, once it has put up its walls.

        Raises:
            ProcessGone: it ended before that.
        """
        loop = asyncio.get_running_loop()
        worker = cls(frame_bytes)
        worker._process, worker._handle = process, handle
        worker._turn = loop.create_future()
        ours.setblocking(False)
        try:
            await loop.create_unix_connection(lambda: worker, sock=ours)
            hello = await worker.receive(HELLO_TIMEOUT_S)
        except (TimeoutError, FrameError) as cause:
            worker.kill()
            raise ProcessGone from cause
        except BaseException:
            worker.kill()
            raise
        worker.missing_walls = script_frames.parse_text(hello.payload)
        return worker

    @property
    def alive(self) -> bool:
        """Whether it can be spoken to."""
        return self._transport is not None

    @property
    def process(self) -> int | None:
        """Its process id."""
        return self._process

    def send(self, *frames: tuple[bytes, bytes]) -> None:
        """Give the worker its turn: each a kind and a payload. ``receive`` comes next.

        Raises:
            ProcessGone: it has ended.
        """
        if self._transport is None:
            raise ProcessGone
        self._turn = asyncio.get_running_loop().create_future()
        self._transport.write(b"".join(script_frames.frame(kind, payload) for kind, payload in frames))

    async def receive(self, timeout_s: float) -> Frame:
        """What the worker says in its turn.

        Raises:
            ProcessGone: it ended instead.
            FrameError: it broke the protocol.
            TimeoutError: nothing for *timeout_s*.
        """
        if self._turn is None:
            raise ProcessGone
        patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._yield_to_others)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._turn
        finally:
            patience.cancel()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            elif self._process is not None and self._transport is not None:
                os.kill(self._process, signal.SIGKILL)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            if self._turn is None or self._turn.done():
                raise FrameError("spoken out of turn")
            said = self._reader.feed(data)
        except FrameError as broken:
            self._end(broken)
            self.kill()
        else:
            if said is not None:
                self._turn.set_result(said)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        self._end(ProcessGone())

    def _yield_to_others(self) -> None:
        self.slow = True
        if self._process is not None and self._transport is not None:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, self._process, LEAST_PRIORITY)

    def _end(self, cause: Exception) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_exception(cause)
            self._turn.exception()  # looked at: nobody may be waiting


class Zygote:
    """The process that all workers are forked from. It ends with the server, however that ends."""

    def __init__(self, limits: EngineLimits) -> None:
        """Start it.

        Raises:
            OSError: the system does not allow another process.
        """
        self._frame_bytes = limits.frame_bytes
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        path = "\x1f".join(os.path.abspath(entry) for entry in sys.path)
        arguments = (
            os.getpid(),
            theirs.fileno(),
            limits.memory_bytes,
            limits.stack_bytes,
            limits.frame_bytes,
            ceil(limits.js_time_s * limits.requests_per_worker),
        )
        with theirs:
            # -I -S: nothing but what the zygote imports; an empty environment: nothing to find there.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOTSTRAP, path, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )  # nosec B603

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid

    async def fork(self) -> Worker:
        """A worker of nobody's yet, behind its walls. One call at a time.

        Raises:
            ZygoteGone: there will be no more.
            ProcessGone: the worker has ended already.
            OSError: the system has no socket left.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            await self._answered()
            process, handles, _, _ = socket.recv_fds(self._control, 4, 1)
        except OSError as cause:
            ours.close()
            raise ZygoteGone from cause
        except BaseException:
            ours.close()
            raise
        if not process:
            ours.close()
            raise ZygoteGone
        handle = handles[0] if handles else None
        return await Worker.connect(ours, int.from_bytes(process, "big"), handle, self._frame_bytes)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    async def _answered(self) -> None:
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._control, _settle, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self._control)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
