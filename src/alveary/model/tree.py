"""The WebDAV tree of a cell as values: nodes, the bytes of files, and what a path leads to.

What does not belong here: XML, HTTP, and where bytes are stored.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field
from enum import StrEnum
from hashlib import sha256
from typing import Final

from alveary.model import acl as acls
from alveary.model.acl import Acl
from alveary.model.values import frozen

SOURCE_COLLECTION: Final = "__src"
"""The collection under a service collection that holds its scripts."""


class NodeKind(StrEnum):
    """What a node is, in the words of a snapshot's metadata."""

    CELL = "Cell"
    BOX = "col.box"
    COLLECTION = "col.webdav"
    ODATA = "col.odata"
    SERVICE = "col.svc"
    STREAM = "col.stream"
    FILE = "dav.file"


@frozen
class Content:
    """The bytes of a file: held in the row when small (``inline``), else in a blob of that id.

    ``key`` names the key under which they are encrypted at rest, None when they are not; size and digest are those of
    the plain bytes, and ``inline`` is plain.
    """

    size_bytes: int
    sha256: bytes
    inline: bytes | None = None
    blob: str | None = None
    key: str | None = None


NO_BYTES: Final = Content(0, sha256(b"").digest(), b"")
"""What is in an empty file."""


@frozen
class Node:
    """One resource of the tree.

    ``properties`` are the dead properties: ``localName@namespace`` to the XML text of the whole element.
    ``parent`` is the id of the node above, empty for the cell's own node. A box's node is named by the box's id.
    ``content`` is there for files only.
    """

    id: str
    parent: str
    name: str
    kind: NodeKind
    version: int
    published_ms: int
    updated_ms: int
    acl: Acl = acls.EMPTY
    properties: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None
    content: Content | None = None

    def holding(self, content: Content, media_type: str, updated_ms: int) -> Node:
        """The next version of the same file, with other bytes."""
        place = self.id, self.parent, self.name, self.kind
        times = self.published_ms, updated_ms
        return Node(*place, self.version + 1, *times, self.acl, self.properties, media_type, content)


@frozen
class Box:
    """A box: its entity's id and name (the main box: the cell's id and ``__``), and the URI of its app, if any."""

    id: str
    name: str
    schema: str | None
    published_ms: int
    updated_ms: int
    version: int


def takes_basic(box: Box | None) -> bool:
    """Whether Basic authentication will do in *box*: where it is and belongs to no app.

    One that is missing is as one of an app, so that nobody learns by it which apps there are.
    """
    return box is not None and box.schema is None


@frozen
class Place:
    """What a path leads to: the nodes found from the cell's own downwards, and the segments that lead nowhere.

    ``box`` is None when the path names a box that does not exist; then the chain holds the cell's node alone, and
    ``rest`` begins with the box's name. ``segments`` are the names asked for below the box. By ``stamp`` its store
    tells whether collections, their ACLs, or locks have changed since.
    """

    box: Box | None
    chain: tuple[Node, ...]
    rest: tuple[str, ...]
    segments: tuple[str, ...]
    stamp: Hashable = field(default=None, compare=False, repr=False)

    @property
    def node(self) -> Node | None:
        """The resource itself, None when something on the way is missing."""
        return None if self.rest else self.chain[-1]

    @property
    def nearest(self) -> Node:
        """The deepest node that exists on the way."""
        return self.chain[-1]
