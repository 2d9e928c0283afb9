"""The lines of a snapshot: one entity or one link as one JSON object, in the envelope of Personium's index.

What does not belong here: what the values of a kind mean (``values`` knows those of user data).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from alveary.model.entities import EntityKind, JsonValue, Link
from alveary.wire.snapshot.fields import Fields, to_bytes
from alveary.wire.snapshot.layout import SnapshotProblem

CELL_TYPE: Final = "Cell"
LINK_TYPE: Final = "link"

_CHUNK_BYTES: Final = 256 * 1024


class Readable(Protocol):
    """Bytes to read from front to back."""

    def read(self, max_bytes: int, /) -> bytes:
        """At most *max_bytes* more; empty at the end."""


def lines(stream: Readable, entry: str, max_line_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The lines of *entry* but the blank ones, each with its number (from 1) and without its end.

    Raises:
        SnapshotProblem: a line is longer than *max_line_bytes*.
    """
    number, rest = 0, b""
    while chunk := stream.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            _check_length(line, entry, number, max_line_bytes)
            if line.strip():
                yield number, line
        _check_length(rest, entry, number + 1, max_line_bytes)
    if rest.strip():
        yield number + 1, rest


def _check_length(line: bytes, entry: str, number: int, max_line_bytes: int) -> None:
    if len(line) > max_line_bytes:
        raise SnapshotProblem(entry, number, f"longer than {max_line_bytes} bytes")


@dataclass(frozen=True, slots=True)
class EntityLine:
    """One entity of a cell, or the cell itself (``type`` is ``Cell``, ``cell_id`` None).

    ``box_id`` and ``node_id`` place what belongs to an OData collection; ``type_id`` is the entity type of
    user data. ``links`` are the N:1 links: pairs of the other end's kind, or entity type's id, and its id.
    """

    type: str
    id: str
    cell_id: str | None
    published_ms: int
    updated_ms: int
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    hidden: Mapping[str, JsonValue] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    box_id: str | None = None
    node_id: str | None = None
    type_id: str | None = None

    @classmethod
    def parse(cls, raw: bytes, expected: str, entry: str, line_number: int = 0) -> EntityLine:
        """The entity of type *expected* in *raw*, whichever further members it has.

        Raises:
            SnapshotProblem: it is of another type, lacks something or holds something of a wrong shape.
        """
        envelope, source = _open(raw, expected, entry, line_number)
        user_data = expected == EntityKind.USER_DATA
        return cls(
            type=expected,
            id=envelope.id("_id"),
            cell_id=None if expected == CELL_TYPE else source.id("c"),
            published_ms=source.number("p"),
            updated_ms=source.number("u"),
            values=source.object("s"),
            hidden=source.object("h"),
            links=_parse_user_links(source) if user_data else _parse_links(source),
            box_id=source.optional_id("b"),
            node_id=source.optional_id("n"),
            type_id=source.id("t") if user_data else None,
        )

    def render(self) -> bytes:
        """The line, its end included."""
        source: dict[str, JsonValue] = {
            "p": self.published_ms,
            "u": self.updated_ms,
            "s": dict(self.values),
            "h": dict(self.hidden),
            **_present(c=self.cell_id, b=self.box_id, n=self.node_id, t=self.type_id),
        }
        if self.type == EntityKind.USER_DATA:
            source["ll"] = [f"{type_id}:{target}" for type_id, target in self.links]
        else:
            source["l"] = dict(self.links)
        if self.type == CELL_TYPE:
            source |= {"a": {}, "d": {}}
        return _seal(self.type, self.id, source)


def parse_link(raw: bytes, entry: str, line_number: int = 0) -> Link:
    """The link in *raw*. The line's own id is not looked at: Personium gives it a random one when it imports.

    Raises:
        SnapshotProblem: it is no link, lacks something or holds something of a wrong shape.
    """
    _, source = _open(raw, LINK_TYPE, entry, line_number)
    first, second = sorted(((source.id("t1"), source.id("k1")), (source.id("t2"), source.id("k2"))))
    return Link(
        *first,
        *second,
        published_ms=source.number("p"),
        updated_ms=source.number("u"),
        box=source.optional_id("b"),
        node=source.optional_id("n"),
    )


def render_link(link: Link, cell_id: str) -> bytes:
    """The line of a link within the cell of that id, its end included."""
    source: dict[str, JsonValue] = {
        "p": link.published_ms,
        "u": link.updated_ms,
        "t1": link.type1,
        "k1": link.id1,
        "t2": link.type2,
        "k2": link.id2,
        **_present(c=cell_id, b=link.box, n=link.node),
    }
    return _seal(LINK_TYPE, f"{link.id1}-{link.id2}", source)


def _open(raw: bytes, expected: str, entry: str, line_number: int) -> tuple[Fields, Fields]:
    """The envelope in *raw*, which must be of type *expected*, and the source in it."""
    envelope = Fields.parse(raw, entry, line_number)
    if envelope.members.get("_type") != expected:
        envelope.refuse(f"_type is not {expected}")
    return envelope, Fields(envelope.object("_source"), entry, line_number)


def _seal(type_name: str, entity_id: str, source: dict[str, JsonValue]) -> bytes:
    source["type"] = type_name
    index = f"u0_anon.{type_name.lower()}"
    return to_bytes({"_index": index, "_type": type_name, "_id": entity_id, "_source": source}) + b"\n"


def _present(**members: str | None) -> dict[str, JsonValue]:
    return {key: value for key, value in members.items() if value is not None}


def _parse_links(source: Fields) -> tuple[tuple[str, str], ...]:
    return tuple((kind, source.check_id(f"l.{kind}", target)) for kind, target in source.texts("l").items())


def _parse_user_links(source: Fields) -> tuple[tuple[str, str], ...]:
    held = source.members.get("ll")
    if held is None:
        return ()
    if not isinstance(held, list):
        source.refuse("ll is no list")
    return tuple(_parse_user_link(source, each) for each in held)


def _parse_user_link(source: Fields, text: JsonValue) -> tuple[str, str]:
    type_id, colon, target = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon:
        source.refuse("ll holds something that is no link")
    return source.check_id("ll", type_id), source.check_id("ll", target)
