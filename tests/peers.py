"""Other hosts for tests: servers on loopback addresses that answer what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Answer:
    """What a host answers, after a while."""

    body: bytes = b"hello"
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})
    delay_s: float = 0.0

    def render(self) -> bytes:
        """The answer as it goes over the wire."""
        headers = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(slots=True)
class Host:
    """A host that answers by path, and keeps what it was asked."""

    answers: dict[str, Answer]
    port: int = 0
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            answer = self.answers[request.split()[1]]
            await asyncio.sleep(answer.delay_s)
            writer.write(answer.render())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def host(answers: Mapping[str, Answer], address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Host]:
    """A host at *address* that answers by path."""
    running = Host(dict(answers))
    server = await asyncio.start_server(running.serve, address, port)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await server.wait_closed()
