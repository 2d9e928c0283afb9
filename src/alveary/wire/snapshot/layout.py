"""Where things stand in a snapshot: its fixed entries, and the paths of its tree.

Also the one exception of this package. What does not belong here: what the entries hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.tree import Node, NodeKind


class SnapshotProblem(Exception):  # noqa: N818 - what is wrong with a snapshot is no error of ours
    """A snapshot that cannot be read: the entry, the line in it (0: none in particular), what is wrong."""

    def __init__(self, entry: str, line_number: int, cause: str) -> None:
        """Blame line *line_number*, counted from 1, of *entry*."""
        super().__init__(f"{entry}:{line_number}: {cause}" if line_number else f"{entry}: {cause}")
        self.entry = entry
        self.line_number = line_number
        self.cause = cause


MANIFEST: Final = "00_manifest.json"
CELL: Final = "10_odata/00_cell.json"
LINKS: Final = "10_odata/80_link.pjson"

ENTITIES: Final[dict[EntityKind, str]] = {
    EntityKind.BOX: "10_odata/10_box.pjson",
    EntityKind.ACCOUNT: "10_odata/11_account.pjson",
    EntityKind.EXT_CELL: "10_odata/12_extcell.pjson",
    EntityKind.ROLE: "10_odata/20_role.pjson",
    EntityKind.RULE: "10_odata/21_rule.pjson",
    EntityKind.RELATION: "10_odata/22_relation.pjson",
    EntityKind.SENT_MESSAGE: "10_odata/23_sentmessage.pjson",
    EntityKind.RECEIVED_MESSAGE: "10_odata/24_receivedmessage.pjson",
    EntityKind.EXT_ROLE: "10_odata/30_extrole.pjson",
    EntityKind.ENTITY_TYPE: "10_odata/40_entitytype.pjson",
    EntityKind.COMPLEX_TYPE: "10_odata/41_complextype.pjson",
    EntityKind.PROPERTY: "10_odata/50_property.pjson",
    EntityKind.COMPLEX_TYPE_PROPERTY: "10_odata/51_complextypeproperty.pjson",
    EntityKind.ASSOCIATION_END: "10_odata/60_associationend.pjson",
    EntityKind.USER_DATA: "10_odata/70_userdata.pjson",
}
"""The entry of each kind of entity, in the order in which an importer needs them."""

REQUIRED: Final = (MANIFEST, CELL, *ENTITIES.values(), LINKS)
"""The entries that every snapshot has, empty ones included."""

DIRECTORIES: Final = ("10_odata/", "20_webdav/")
"""The entries of directories that a snapshot is written with."""

TREE: Final = "20_webdav/"
META: Final = ".pmeta"
CONTENT: Final = "content"


@dataclass(frozen=True, slots=True)
class TreePath:
    """An entry of the tree: the metadata of a node, or the bytes of a file.

    ``segments`` lead from the cell's node (none) over a box's (its id, or ``__`` for the main box) downwards.
    """

    segments: tuple[str, ...]
    is_content: bool = False

    @classmethod
    def parse(cls, entry: str) -> TreePath | None:
        """What the entry of that name is in the tree; None for all that is no part of it."""
        if not entry.startswith(TREE):
            return None
        *segments, leaf = entry.removeprefix(TREE).split("/")
        if leaf == CONTENT and len(segments) > 1:
            return cls(tuple(segments), is_content=True)
        return cls(tuple(segments)) if leaf == META else None

    def render(self) -> str:
        """The entry's name."""
        return TREE + "/".join((*self.segments, CONTENT if self.is_content else META))


def segment_of(node: Node, cell_id: str) -> str:
    """The segment under which *node* stands in the tree of a snapshot of the cell of that id.

    It is the node's name, ``__`` for the main box. A name that would be misread there (a backslash, the
    metadata's own name) gives way to the node's id, and the metadata tells it.
    """
    if node.kind is NodeKind.BOX and node.name == cell_id:
        return MAIN_BOX
    return node.id if "\\" in node.name or node.name == META else node.name
