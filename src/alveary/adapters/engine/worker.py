"""A worker: one tenant's scripts, one after another, each in a JavaScript runtime of its own.

It runs confined and reads nothing of what passes through it: frames go in and out as text that JavaScript
parses. What does not belong here: any import that is not needed in every worker.
"""

from __future__ import annotations

import os

# Not ``quickjs``: that wrapper starts a thread on import, and a process that forks must not have threads.
import _quickjs  # type: ignore[import-not-found]

TYPE_CHECKING = False  # as in typing, which is not worth its memory here
if TYPE_CHECKING:
    from typing import Any

TOO_LARGE = '{"ok":false,"error":"The value is larger than %d bytes."}'
READ_BYTES = 65536


class Channel:
    """The socket to the server, in frames of at most *frame_bytes*; see ``alveary.wire.script_frames``."""

    def __init__(self, frame_bytes: int) -> None:
        """A channel without a socket yet."""
        self.frame_bytes = frame_bytes
        self.descriptor = -1

    def send(self, kind: bytes, payload: bytes) -> None:
        """Send one frame, all of it."""
        data = memoryview(len(payload).to_bytes(4, "big") + kind + payload)
        while data:
            data = data[os.write(self.descriptor, data) :]

    def receive(self) -> str:
        """The payload of the next frame. The server's end ends this process."""
        header = self._read(5)
        return self._read(int.from_bytes(header[:4], "big")).decode("utf-8")

    def call(self, text: str) -> str:
        """The server's reply to the call in *text*.

        Called from JavaScript, so it never raises: the binding would keep an exception that nobody took.
        """
        try:
            payload = text.encode("utf-8")
            if len(payload) > self.frame_bytes:
                return TOO_LARGE % self.frame_bytes
            self.send(b"C", payload)
            return self.receive()
        except BaseException:  # out of memory, server gone: nothing here is worth saving
            os._exit(1)

    def _read(self, size_bytes: int) -> bytes:
        data = bytearray()
        while len(data) < size_bytes:
            piece = os.read(self.descriptor, min(READ_BYTES, size_bytes - len(data)))
            if not piece:
                os._exit(0)
            data += piece
        return bytes(data)


class Runtime:
    """A JavaScript runtime with the prelude in it, for one request.

    *modules* are texts for the prelude to compile ahead; ``modules`` then collects those of this run.
    """

    def __init__(
        self, prelude: str, channel: Channel, memory_bytes: int, stack_bytes: int, modules: list[str]
    ) -> None:
        """A runtime ready for its request."""
        self.modules: list[str] = []
        self._context: Any = _quickjs.Context()
        self._context.set_memory_limit(memory_bytes)
        self._context.set_max_stack_size(stack_bytes)
        self._context.add_callable("__call", channel.call)
        self._context.add_callable("__keep", self.modules.append)
        self._stage: Any = self._context.eval(prelude)
        for module in modules:
            self._stage("prepare", module)

    def run(self, job: str, source: str) -> str:
        """The answer to *job*, as the payload of an ANSWER. Raises whatever the script raised."""
        self._stage("begin", job)
        # The value of a service script is that of its first expression; what follows runs at top level.
        self._context.eval(f"var fn_jsgi = {source}\n;void 0")
        self._stage("call")
        while self._context.execute_pending_job():
            pass
        answer: str = self._stage("finish")
        return answer


class Factory:
    """Makes runtimes alike."""

    def __init__(self, prelude: str, channel: Channel, memory_bytes: int, stack_bytes: int) -> None:
        """A factory for the runtimes of one process."""
        self._arguments = (prelude, channel, memory_bytes, stack_bytes)

    def make(self, modules: list[str]) -> Runtime:
        """A fresh runtime, with *modules* compiled ahead where that works."""
        try:
            return Runtime(*self._arguments, modules)
        except Exception:  # a module that cannot be compiled says so to the script that requires it
            return Runtime(*self._arguments, [])


def serve(channel: Channel, runtime: Runtime, factory: Factory) -> None:
    """Run jobs until the server's end, or until a script fails: a failed runtime may have left traces."""
    while True:
        job, source = channel.receive(), channel.receive()
        try:
            answer = runtime.run(job, source).encode("utf-8")
            if len(answer) > channel.frame_bytes:
                raise ValueError(f"The answer is larger than {channel.frame_bytes} bytes.")
        except Exception as failure:
            return channel.send(b"E", _told(failure).encode("utf-8", "replace")[: channel.frame_bytes])
        channel.send(b"A", answer)
        modules = runtime.modules
        del runtime  # before the next one: two at a time would double the memory of an idle worker
        runtime = factory.make(modules)


def _told(failure: Exception) -> str:
    """What the script threw, without the engine's stack."""
    text = str(failure)
    for mark in ("\n    at ", "\nundefined"):
        text = text.partition(mark)[0]
    return text.strip()
