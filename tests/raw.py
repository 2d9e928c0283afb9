"""One HTTP connection in bytes, for tests of what no HTTP library would send."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.running import MASTER

PATIENCE_S = 20.0
"""Far more than anything takes: it only ends tests that would hang."""


@dataclass(slots=True)
class Raw:
    """A connection to the server at *url*; answers are read up to the end of their Content-Length."""

    url: str
    rest: bytes = b""
    connection: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.connection = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def head(self, method: str, path: str, *lines: str, token: str | None = MASTER) -> None:
        """Send a request line and its headers; *path* is below the host."""
        host = urlsplit(self.url).netloc
        own = [] if token is None else [f"Authorization: Bearer {token}"]
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *own, *lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        """Send bytes of a body, or anything else."""
        self.connection.sendall(data)

    def chunk(self, data: bytes) -> None:
        """Send one piece of a chunked body; the last is empty."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body of the next answer."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size_bytes = int(headers.get("content-length", "0"))
        while len(self.rest) < size_bytes:
            self._more()
        body, self.rest = self.rest[:size_bytes], self.rest[size_bytes:]
        return int(first.split()[1]), headers, body

    def _more(self) -> None:
        piece = self.connection.recv(65_536)
        if not piece:
            raise ConnectionError(f"closed after {self.rest!r}")
        self.rest += piece

    def at_end(self) -> bool:
        """Whether the server closes and says nothing more."""
        return self.connection.recv(1) == b""

    def reset(self) -> None:
        """Leave without a goodbye: whoever is at the other end gets an error."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
