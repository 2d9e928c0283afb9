"""A unit whose names are made up: every host name leads to the one port it is at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.running import MASTER, RunningUnit, Site, running


class Local(httpx.HTTPTransport):
    """Every name leads to one port of this machine; the Host header still says the name."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


@dataclass(frozen=True, slots=True)
class Named:
    """A unit at ``http://unit.example/``, whatever port it is really at."""

    unit: RunningUnit
    http: httpx.Client
    port: int

    def cell(self, name: str) -> Site:
        made = self.http.post("http://unit.example/__ctl/Cell", json={"Name": name}, headers=as_master())
        assert made.status_code == 201, made.text
        return Site(self.http, name, f"http://{name}.unit.example/")

    def says(self, text: str) -> bytes:
        """The whole answer to *text* on a connection of its own."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as connection:
            connection.sendall(text.encode())
            return b"".join(iter(lambda: connection.recv(65_536), b""))


def as_master(**headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {MASTER}", **headers}


@contextmanager
def named(data: Path, **options: object) -> Iterator[Named]:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = {"base_url": "http://unit.example/", "bind": f"127.0.0.1:{port}", **options}
    with running(data, **settings) as unit, httpx.Client(transport=Local(port), timeout=30) as http:
        yield Named(unit, http, port)
