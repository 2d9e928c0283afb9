"""Stream collections for tests."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from tests.running import Site

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
