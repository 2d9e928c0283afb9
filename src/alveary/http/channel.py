"""The way to one client: what is written when, and who waits for whom.

What does not belong here: what is said.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

_JOINED_BYTES: Final = 16 * 1024
"""Up to how many bytes are copied into one piece: the system takes that faster than it takes two."""


class Channel(FlowControl):
    """A transport that can be told to wait for the end of the loop's turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._held: list[bytes] = []

    @property
    def is_closing(self) -> bool:
        """Whether nothing more reaches the client."""
        return self._transport.is_closing()

    def send_soon(self, *pieces: bytes) -> None:
        """Send *pieces* once the loop has heard all clients of its turn.

        Waking a client that sleeps is dear. One that is sent to while the others are heard falls asleep again before
        the next answer; sent to at the end, a peer that has many connections wakes once.
        """
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held += pieces

    def send(self, *pieces: bytes) -> None:
        """Send *pieces* now, after what is held."""
        self._held += pieces
        self.flush()

    def flush(self) -> None:
        """Send what is held, unless nobody is there to have it."""
        held, self._held = self._held, []
        if not held or self._transport.is_closing():
            return
        if sum(map(len, held)) <= _JOINED_BYTES:
            self._transport.write(b"".join(held))
        else:
            self._transport.writelines(held)

    def close(self) -> None:
        """Send what is held, and end."""
        self.flush()
        self._transport.close()
