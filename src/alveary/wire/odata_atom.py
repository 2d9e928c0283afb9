"""Entities as OData V2 Atom: a feed of entries, or one entry alone.

They are put together as text, for speed: every value that came from outside goes through :func:`_text`. What does
not belong here: JSON and the order of properties (``odata_json``), service documents (``odata_service``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from alveary.model.edm import PUBLISHED, UPDATED, ComplexType, EntitySet, Property, Row
from alveary.model.edm_values import EdmType
from alveary.model.entities import JsonValue
from alveary.model.user_edm import ID
from alveary.wire import xml
from alveary.wire.odata_json import (
    View,
    entity_url,
    etag_of,
    in_order,
    iso_time,
    once_per_set,
    scalar_text,
)

_DATA: Final = "http://schemas.microsoft.com/ado/2007/08/dataservices"
_RELATED: Final = f"{_DATA}/related/"
_SCHEME: Final = f"{_DATA}/scheme"
_DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
_NAMESPACES: Final = (
    f' xmlns="http://www.w3.org/2005/Atom" xmlns:d="{_DATA}" xmlns:m="{_DATA}/metadata"'
    ' xmlns:p="urn:x-personium:xmlns"'
)


def render_feed(
    rows: Sequence[Row], view: View, title: str, *, count: int | None, next_url: str | None, path: str | None = None
) -> bytes:
    """A list of entities; how many there are in all, and where the list goes on, when given.

    *path* is what the list's URL has below that of the service, None where that is the *title*.
    """
    url = f"{view.service_url}{quote(title) if path is None else path}"
    feed = _feed(rows, view, url, title, count, next_url, _root(view))
    return f"{_DECLARATION}{feed}".encode()


def render_entry(row: Row, view: View) -> bytes:
    """One entity."""
    return f"{_DECLARATION}{_entry(row, view, view.whole(), _root(view))}".encode()


def _root(view: View) -> str:
    """What the first element says for all below it."""
    return f'{_NAMESPACES} xml:base="{_text(view.service_url)}"'


def _feed(
    rows: Sequence[Row],
    view: View,
    url: str,
    title: str,
    count: int | None = None,
    next_url: str | None = None,
    root: str = "",
) -> str:
    updated_ms = max((row.updated_ms for row in rows), default=0)
    related = view.whole()
    parts = [
        f'<feed{root}><title type="text">{_text(title)}</title><id>{_text(url)}</id>',
        f"<updated>{iso_time(updated_ms)}Z</updated>",
        "" if rows else "<author><name/></author>",
        f'<link rel="self" title="{_text(title)}" href="{_text(url)}"/>',
        "" if count is None else f"<m:count>{count}</m:count>",
        *(_entry(row, view, related) for row in rows),
        "" if next_url is None else f'<link rel="next" href="{_text(next_url)}"/>',
        "</feed>",
    ]
    return "".join(parts)


def _entry(row: Row, view: View, related: View, root: str = "") -> str:
    plan = _plan(row.entity_set)
    url = _text(entity_url(view.service_url, row, view.to_http))
    links = [_link(row, each, url, related) for each in plan.navigations] if view.with_navigations else ()
    return (
        f'<entry{root} m:etag="{_text(str(etag_of(row)))}"><id>{url}</id><title type="text"/>'
        f"<updated>{iso_time(row.updated_ms)}Z</updated><author><name/></author>"
        f'<link rel="edit" title="{plan.name}" href="{url}"/>{"".join(links)}{plan.category}'
        f'<content type="application/xml"><m:properties>{_members(plan.before, row, view)}'
        f"{_time(PUBLISHED, row.published_ms)}{_time(UPDATED, row.updated_ms)}"
        f"{_members(plan.after, row, view)}</m:properties></content></entry>"
    )


def _link(row: Row, navigation: _Navigation, url: str, related: View) -> str:
    opened = f'{navigation.start}{url}/{navigation.name}"'
    rows = row.related.get(navigation.name)
    if rows is None:
        return f"{opened}/>"
    if navigation.to_one:
        inner = "".join(_entry(each, related, related) for each in rows[:1])
    else:
        set_url = f"{entity_url(related.service_url, row, related.to_http)}/{navigation.name}"
        inner = _feed(rows, related, set_url, navigation.name)
    return f"{opened}><m:inline>{inner}</m:inline></link>"


def _time(name: str, time_ms: int) -> str:
    return f'<d:{name} m:type="Edm.DateTime">{iso_time(time_ms)}</d:{name}>'


def _members(members: tuple[_Member, ...], row: Row, view: View) -> str:
    select, hides, values = view.select, view.hide_absent_dynamic, row.values
    shown = []
    for each in members:
        if select is not None and each.name not in select and each.name != ID:
            continue
        value = row.value(each.name) if each.column is None else values.get(each.column)
        if value is not None:
            shown.append(each.write(value, view))
        elif not hides or each.is_declared:
            shown.append(each.absent)
    return "".join(shown)


# What is remembered of a set

_Write = Callable[[JsonValue, View], str]
"""What makes of a stored value, not null, the element of its property."""


@dataclass(frozen=True, slots=True)
class _Member:
    """How a property is written, ``absent`` being its null. ``column`` None: its values are part of a key."""

    name: str
    column: str | None
    write: _Write
    absent: str
    is_declared: bool


@dataclass(frozen=True, slots=True)
class _Navigation:
    """How a navigation property is written: ``start`` is its link up to the URL of the entity."""

    name: str
    to_one: bool
    start: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the entities of a set are written."""

    name: str
    category: str
    before: tuple[_Member, ...]
    after: tuple[_Member, ...]
    navigations: tuple[_Navigation, ...]


def _make_plan(entity_set: EntitySet) -> _Plan:
    owned = {*entity_set.key, *(entity_set.owner.names if entity_set.owner else ())}

    def member(each: Property) -> _Member:
        column = None if each.name in owned else each.column
        write = _write(each, entity_set.namespace, _prefix(each))
        return _Member(each.name, column, write, _absent(each, entity_set.namespace), each.is_declared)

    before, after = in_order(entity_set)
    return _Plan(
        _text(entity_set.name),
        f'<category term="{_text(f"{entity_set.namespace}.{entity_set.name}")}" scheme="{_SCHEME}"/>',
        tuple(member(each) for each in before),
        tuple(member(each) for each in after),
        tuple(
            _Navigation(each.name, each.to_one, _link_start(each.name, each.to_one))
            for each in entity_set.navigations
        ),
    )


_plan: Final = once_per_set(_make_plan)


def _link_start(name: str, to_one: bool) -> str:
    kind = "entry" if to_one else "feed"
    name = _text(name)
    return f'<link rel="{_RELATED}{name}" type="application/atom+xml;type={kind}" title="{name}" href="'


# Properties


def _prefix(prop: Property) -> str:
    """The namespace of a property's element.

    OData V2 has no lists, and its readers stop at one among the properties they know. In another namespace it stands
    where they pass over it.
    """
    return "p" if _holds_list(prop) else "d"


def _holds_list(prop: Property) -> bool:
    inner = prop.type.properties if isinstance(prop.type, ComplexType) else ()
    return prop.is_list or any(_holds_list(each) for each in inner)


def _type_name(prop: Property, namespace: str) -> str:
    """What ``m:type`` says, empty for a text."""
    kind = prop.type
    if isinstance(kind, ComplexType):
        return f"{namespace}.{kind.name}"
    return "" if kind is EdmType.STRING else kind.value


def _opened(prop: Property, namespace: str, prefix: str) -> str:
    name = _type_name(prop, namespace)
    if prop.is_list:
        name = f"Bag({name or EdmType.STRING.value})"
    return f"<{prefix}:{element_name(prop.name)}" + (f' m:type="{_text(name)}"' if name else "")


def _absent(prop: Property, namespace: str) -> str:
    return f'{_opened(prop, namespace, _prefix(prop))} m:null="true"/>'


def _write(prop: Property, namespace: str, prefix: str) -> _Write:
    start = f"{_opened(prop, namespace, prefix)}>"
    end = f"</{prefix}:{element_name(prop.name)}>"
    inner = _content(prop, namespace)
    if not prop.is_list:
        return lambda value, view: f"{start}{inner(value, view)}{end}"
    kind = _type_name(prop, namespace)
    one = f'<d:element m:type="{_text(kind)}">' if kind else "<d:element>"

    def write(value: JsonValue, view: View) -> str:
        elements = [
            '<d:element m:null="true"/>' if each is None else f"{one}{inner(each, view)}</d:element>"
            for each in (value if isinstance(value, list) else [value])
        ]
        return f"{start}{''.join(elements)}{end}"

    return write


def _content(prop: Property, namespace: str) -> _Write:
    """What makes of one value the content of its element."""
    kind = prop.type
    if isinstance(kind, ComplexType):
        return _complex_content(kind, namespace)
    if prop.url:
        return lambda value, view: _text(view.to_http(value) if isinstance(value, str) else scalar_text(kind, value))
    return lambda value, _: _text(scalar_text(kind, value))


def _complex_content(kind: ComplexType, namespace: str) -> _Write:
    members = tuple(
        (each.column, _write(each, namespace, _prefix(each)), _absent(each, namespace)) for each in kind.properties
    )

    def content(value: JsonValue, view: View) -> str:
        if not isinstance(value, dict):
            return _text(scalar_text(kind, value))
        inner = ((value.get(column), write, absent) for column, write, absent in members)
        return "".join(absent if each is None else write(each, view) for each, write, absent in inner)

    return content


# XML


def _text(text: str) -> str:
    """*text* for elements and attributes; a carriage return as a reference, lest it be read as a line feed."""
    escaped = xml.escape(text)
    return escaped.replace("\r", "&#13;") if "\r" in escaped else escaped


def element_name(name: str) -> str:
    """*name* as the name of an element; what XML does not allow there as ``_x0030_``, the code of the character."""
    if _NAME.fullmatch(name):
        return name
    return _NO_START.sub(_code, _NOT_IN_NAME.sub(_code, name), count=1)


def _code(found: re.Match[str]) -> str:
    return f"_x{ord(found[0]):04X}_"


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NO_START: Final = re.compile(r"\A[0-9.-]")
