"""Requests to a running unit: one connection each, bodies as streams, refusals as sentences.

What does not belong here: what is asked for.
"""

from __future__ import annotations

import functools
import json
import os
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import click

from alveary.adapters.machine import SystemClock
from alveary.cli import options
from alveary.cli.tokens import operator_key
from alveary.cli.unit_url import TOKEN_VARIABLE, URL_VARIABLE, find_url
from alveary.config import Url
from alveary.wire.urls import Urls

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S: Final = 120.0
CHUNK_BYTES: Final = 256 * 1024

Moved = Callable[[int], None]
"""Hears how many bytes have gone over the line so far."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the unit answered."""

    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A running unit at *url*, asked under what *token* gives at each request."""

    url: str
    token: Callable[[], str] = field(repr=False)

    @cached_property
    def urls(self) -> Urls:
        """How the unit spells its URLs, as it says itself."""
        unit = self._answer("GET", self.url).json["unit"]
        return Urls.parse(unit["url"], path_style=unit["path_based_cellurl_enabled"])

    def unit(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """What the unit answers about *path* below its own URL; *body* goes out as JSON.

        Names of *headers* have ``_`` for ``-``. A refusal ends the command with its sentence.
        """
        return self._answer(method, self.urls.unit_url + path, _to_json(body), headers)

    def cell(self, method: str, cell: str, path: str, body: object = None, **headers: str) -> Answer:
        """The same about *path* below the URL of *cell*."""
        return self._answer(method, self.urls.cell_url(cell) + path, _to_json(body), headers)

    def has(self, cell: str, path: str) -> bool:
        """Whether something is at *path* below the URL of *cell*."""
        with self._exchange("HEAD", self.urls.cell_url(cell) + path) as response:
            if response.status != 404:
                _require_success(response)
            return response.status != 404

    def upload(self, cell: str, path: str, file: IO[bytes], moved: Moved) -> None:
        """PUT the whole of *file* at *path* below the URL of *cell*."""
        size_bytes = os.fstat(file.fileno()).st_size
        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/zip"}
        self._answer("PUT", self.urls.cell_url(cell) + path, _pieces(file, moved), headers)

    @contextmanager
    def download(self, cell: str, path: str) -> Iterator[tuple[int, Callable[[IO[bytes], Moved], None]]]:
        """The size in bytes of what is at *path* below the URL of *cell*, and what copies it into a file."""
        with self._exchange("GET", self.urls.cell_url(cell) + path) as response:
            _require_success(response)
            size_bytes = int(response.headers["content-length"])

            def copy(file: IO[bytes], moved: Moved) -> None:
                done = 0
                while done < size_bytes:
                    with self._on_the_line():
                        piece = response.read(CHUNK_BYTES)
                        if not piece:
                            raise HTTPException(f"{done} of {size_bytes} bytes came")
                    file.write(piece)
                    done += len(piece)
                    moved(done)

            yield size_bytes, copy

    def _answer(
        self, method: str, url: str, body: bytes | Iterator[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        with self._exchange(method, url, body, headers) as response:
            _require_success(response)
            with self._on_the_line():
                return Answer(response.read())

    @contextmanager
    def _exchange(
        self, method: str, url: str, body: bytes | Iterator[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> Iterator[HTTPResponse]:
        # A cell's own authority need not lead anywhere from here: the unit's address does, for every Host.
        asked = urlsplit(url)
        sent = {"Host": asked.netloc, "Authorization": f"Bearer {self.token()}", "Accept": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = _connect(self.url)
        try:
            with self._on_the_line():
                # A unit that refuses a body answers before its end and closes: its answer says more than the pipe.
                with suppress(BrokenPipeError, ConnectionResetError):
                    target = asked.path + (f"?{asked.query}" if asked.query else "")
                    connection.request(method, target, body, sent, encode_chunked=False)
                response = connection.getresponse()
            yield response
        finally:
            connection.close()

    @contextmanager
    def _on_the_line(self) -> Iterator[None]:
        """Within the block, what fails is the connection."""
        try:
            yield
        except (OSError, HTTPException) as problem:
            cause = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
            raise click.ClickException(f"The unit at {self.url} cannot be asked: {cause}.") from None


def _connect(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=context)
    return HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)


def _to_json(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _pieces(file: IO[bytes], moved: Moved) -> Iterator[bytes]:
    done = 0
    while piece := file.read(CHUNK_BYTES):
        yield piece
        done += len(piece)
        moved(done)


def _require_success(response: HTTPResponse) -> None:
    if response.status >= 300:
        raise click.ClickException(_sentence_in(response))


def _sentence_in(response: HTTPResponse) -> str:
    try:
        return sentence(json.loads(response.read()))
    except (ValueError, KeyError, TypeError):
        return f"The unit answered {response.status} and did not say why."


def sentence(error: Mapping[str, Any]) -> str:
    """What *error*, as a unit describes one, says to people, and its code."""
    return f"{error['message']['value']} ({error['code']})"


# From the options of a command to the unit


def on_unit(command: Callable[Concatenate[Client, P], T]) -> Callable[P, T]:
    """*command* with the options that lead to a running unit, which it gets as its first argument."""

    @click.option(
        "--url",
        metavar="URL",
        envvar=URL_VARIABLE,
        show_envvar=True,
        help="The unit; else the one on the data folder.",
    )
    @options.data
    @click.option(
        "--token-stdin",
        is_flag=True,
        help=f"Read a token from the first line of standard input; else {TOKEN_VARIABLE}, else the operator's key.",
    )
    @functools.wraps(command)
    def reached(*args: P.args, **kwargs: P.kwargs) -> T:
        given: dict[str, Any] = kwargs
        client = _client(given.pop("url"), given.pop("data"), token_stdin=given.pop("token_stdin"))
        return command(client, *args, **kwargs)

    return reached


def _client(url: str | None, data: Path, *, token_stdin: bool) -> Client:
    token = sys.stdin.readline().strip() if token_stdin else os.environ.get(TOKEN_VARIABLE, "")
    found = url or find_url(data)
    if found is None:
        raise click.ClickException(
            f"No unit answers on the data folder {data}: run alveary serve --data {data}, or name another by --url."
        )
    try:
        unit = Url.parse(found)
    except ValueError as problem:
        raise click.BadParameter(f"{problem}.", param_hint="--url") from None
    if token:
        return Client(unit, lambda: token)
    key, clock = operator_key(data), SystemClock()
    return Client(unit, lambda: key.mint(clock.now_ms()))
