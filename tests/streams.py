"""Stream collections for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.running import MASTER, Site

_DECLARED = 'xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"'
STREAM = (
    f"<D:mkcol {_DECLARED}><D:set><D:prop><D:resourcetype><D:collection/><p:stream/></D:resourcetype></D:prop>"
    "</D:set></D:mkcol>"
)


def make_stream(
    cell: Site, path: str = "__/stream", *, queues: Iterable[str] = ("q",), topics: Iterable[str] = ("t",)
) -> str:
    """A new stream collection at *path* with those queues and topics; its path."""
    made = cell.call("MKCOL", path, content=STREAM)
    assert made.status_code == 201, made.text
    name_streams(cell, path, queues=queues, topics=topics)
    return path


def name_streams(cell: Site, path: str, *, queues: Iterable[str] = (), topics: Iterable[str] = ()) -> None:
    """Have the collection at *path* have those queues and topics, and no others."""
    listed = {"queue": queues, "topic": topics}
    properties = "".join(
        f"<p:{kind}s>{''.join(f'<p:{kind}>{escape(name)}</p:{kind}>' for name in names)}</p:{kind}s>"
        for kind, names in listed.items()
    )
    update = f"<D:propertyupdate {_DECLARED}><D:set><D:prop>{properties}</D:prop></D:set></D:propertyupdate>"
    assert cell.call("PROPPATCH", path, content=update).status_code == 207


PATIENCE_S = 20.0
"""Far more than anything takes: it only ends tests that would hang."""


@dataclass(slots=True)
class Socket:
    """A client's WebSocket, spoken in JSON."""

    connection: ClientConnection

    def say(self, message: object) -> None:
        self.connection.send(json.dumps(message))

    def hear(self) -> Any:
        return json.loads(self.connection.recv(PATIENCE_S))

    def show(self, token: str = MASTER) -> Any:
        """Send *token*; the answer."""
        self.say({"AccessToken": token})
        return self.hear()

    def closed(self) -> int:
        """The code with which the unit closes, which it does without another word."""
        try:
            said = self.connection.recv(PATIENCE_S)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code
        raise AssertionError(f"the unit said {said!r}")


@contextmanager
def socket_to(cell: Site, path: str = "__/stream.topic.t", **options: Any) -> Iterator[Socket]:
    """A WebSocket to a topic of *cell*, by the path below ``__topic``."""
    url = f"ws{cell.url.removeprefix('http')}__topic/{path}"
    with connect(url, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S, proxy=None, **options) as connection:
        yield Socket(connection)
