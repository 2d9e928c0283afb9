"""One contestant as a client sees it: single calls, and long bodies sent and received at full speed.

What does not belong here: load by many connections (``load``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import BinaryIO, Final

from bench.processes import HOST, MIB, BenchProblem, Process

_TIMEOUT_S: Final = 120
_BLOCK: Final = os.urandom(MIB)


@dataclass(frozen=True, slots=True)
class Site:
    """A running server: where its files are (*root*, with a slash at both ends), and what a request must carry."""

    name: str
    process: Process
    root: str = "/"
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": self.authorization} if self.authorization else {}

    @property
    def url(self) -> str:
        """The URL of the server itself, without a slash at the end."""
        return f"http://{HOST}:{self.process.port}"

    def call(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
        """The body of the answer to one request.

        Raises:
            BenchProblem: the answer is not a 2xx.
        """
        with _Exchange(self, path) as exchange:
            exchange.connection.request(method, path, body, self.headers | dict(headers or {}))
            return exchange.answer(method).read()

    def upload_s(self, path: str, size_bytes: int) -> float:
        """How long a PUT of *size_bytes* took, its answer included; a whole number of MiB."""
        with _Exchange(self, path) as exchange:
            connection = exchange.connection
            connection.putrequest("PUT", path)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(size_bytes))
            started = time.perf_counter()
            connection.endheaders()
            for _ in range(size_bytes // MIB):
                connection.sock.sendall(_BLOCK)
            exchange.answer("PUT").read()
            return time.perf_counter() - started

    def send(self, path: str, file: BinaryIO, size_bytes: int) -> None:
        """PUT what is in *file*."""
        with _Exchange(self, path) as exchange:
            headers = {**self.headers, "Content-Length": str(size_bytes)}
            exchange.connection.request("PUT", path, file, headers)
            exchange.answer("PUT").read()

    def download_s(self, path: str, size_bytes: int) -> float:
        """How long a GET of a file of *size_bytes* took."""
        buffer = bytearray(MIB)
        with _Exchange(self, path) as exchange:
            started = time.perf_counter()
            exchange.connection.request("GET", path, headers=self.headers)
            response, received_bytes = exchange.answer("GET"), 0
            while count := response.readinto(buffer):
                received_bytes += count
            took_s = time.perf_counter() - started
        if received_bytes != size_bytes:
            raise BenchProblem(f"{self.name} sent {received_bytes} of {size_bytes} bytes of {path}.")
        return took_s

    def first_byte_s(self, method: str, path: str, headers: Mapping[str, str]) -> float:
        """How long the first byte of an answer's body took, which is then read to its end."""
        with _Exchange(self, path) as exchange:
            started = time.perf_counter()
            exchange.connection.request(method, path, headers=self.headers | dict(headers))
            answer = exchange.answer(method)
            answer.read(1)
            took_s = time.perf_counter() - started
            while answer.read(MIB):
                pass
        return took_s


class _Exchange:
    """One connection for one request."""

    def __init__(self, site: Site, path: str) -> None:
        self._site, self._path = site, path
        self.connection = HTTPConnection(HOST, site.process.port, timeout=_TIMEOUT_S, blocksize=MIB)

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *problem: object) -> None:
        self.connection.close()

    def answer(self, method: str) -> HTTPResponse:
        response = self.connection.getresponse()
        if not 200 <= response.status < 300:
            said = response.read(500).decode(errors="replace")
            raise BenchProblem(f"{self._site.name}: {method} {self._path} was {response.status} {said}")
        return response
