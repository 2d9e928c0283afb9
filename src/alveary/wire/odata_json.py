"""Entities, links and single values as OData JSON, and what bodies in JSON say of them.

Personium's shape has results below ``d``, one entity alone an object, and lists along every expanded navigation
property; the shape ``v2`` is what OData V2 says where the two differ. What does not belong here: the keys in URLs
(``odata_keys``), Atom (``odata_atom``), and whether a property may hold what a body says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import unquote

import orjson

from alveary.errors import BODY_NOT_JSON, FIELD_FORMAT, Refusal
from alveary.model.edm import PUBLISHED, SERVER_SET, UPDATED, ComplexType, EntityKey, EntitySet, Property, Row
from alveary.model.edm_values import EdmType
from alveary.model.entities import JsonValue
from alveary.model.user_edm import ID
from alveary.model.values import frozen
from alveary.wire.etags import ETag
from alveary.wire.odata_keys import encode_key, parse_key, split_segment

PERSONIUM: Final = "personium"
V2: Final = "v2"


@frozen
class View:
    """How entities are shown.

    ``service_url`` is the URL below which their sets are, with a ``/`` at its end; ``shape`` is PERSONIUM or V2.
    ``select`` names the properties that are shown, None for all; key, times and navigation properties stay.
    ``to_http`` makes of a URL in its local form the one that clients know. ``hide_absent_dynamic`` leaves out what
    nobody declared and the entity has no value of.
    """

    service_url: str
    shape: str
    select: frozenset[str] | None
    to_http: Callable[[str], str]
    with_navigations: bool = True
    hide_absent_dynamic: bool = False

    def whole(self) -> View:
        """The same of all properties, as entities along expanded navigation properties are shown."""
        return self if self.select is None else replace(self, select=None)


def etag_of(row: Row) -> ETag:
    """The tag of *row*, which is weak: its JSON may be spelt in many ways."""
    return ETag(row.version, row.updated_ms, weak=True)


def entity_url(service_url: str, row: Row, to_http: Callable[[str], str] | None = None) -> str:
    """The URL of *row* below *service_url*, which ends in ``/``.

    A URL that is its key stands in it as stored, or as *to_http* makes it.
    """
    entity_set, key = row.entity_set, row.key
    if to_http is not None and entity_set.has_url_key:
        for at, name in enumerate(entity_set.key):
            value = key.values[at]
            if value is not None and entity_set.by_name[name].url:
                key = EntityKey((*key.values[:at], to_http(value), *key.values[at + 1 :]))
    return f"{service_url}{entity_set.name}{encode_key(entity_set, key)}"


def in_order(entity_set: EntitySet) -> tuple[tuple[Property, ...], tuple[Property, ...]]:
    """The properties of *entity_set* that are shown before its two times, and those after them."""
    if entity_set.key[0] != ID:
        return entity_set.properties, ()
    rest = tuple(each for each in entity_set.properties if each.name != ID)
    return (entity_set.by_name[ID],), rest


# What is remembered of a set

Plan = TypeVar("Plan")


class _Same:
    """An entity set that equals itself only: comparing all that it holds would take longer than any plan saves."""

    __slots__ = ("entity_set",)

    def __init__(self, entity_set: EntitySet) -> None:
        self.entity_set = entity_set

    def __hash__(self) -> int:
        return id(self.entity_set)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.entity_set is other.entity_set


def once_per_set(make: Callable[[EntitySet], Plan]) -> Callable[[EntitySet], Plan]:
    """*make*, its answers remembered for the sets that were last asked for."""

    @lru_cache(maxsize=512)
    def remembered(same: _Same) -> Plan:
        return make(same.entity_set)

    return lambda entity_set: remembered(_Same(entity_set))


Show = Callable[[JsonValue, View], JsonValue]
"""What makes of a stored value, not null, the one that is shown."""


@dataclass(frozen=True, slots=True)
class _Member:
    """How a property is shown, ``show`` None: as it is stored. ``column`` None: its values are part of a key."""

    name: str
    column: str | None
    show: Show | None
    is_declared: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """How the entities of a set are shown."""

    type: str
    before: tuple[_Member, ...]
    after: tuple[_Member, ...]
    navigations: tuple[tuple[str, bool], ...]


def _make_plan(entity_set: EntitySet) -> _Plan:
    owned = {*entity_set.key, *(entity_set.owner.names if entity_set.owner else ())}

    def member(each: Property) -> _Member:
        column = None if each.name in owned else each.column
        return _Member(each.name, column, _show(each, entity_set.namespace), each.is_declared)

    before, after = in_order(entity_set)
    return _Plan(
        f"{entity_set.namespace}.{entity_set.name}",
        tuple(member(each) for each in before),
        tuple(member(each) for each in after),
        tuple((each.name, each.to_one) for each in entity_set.navigations),
    )


_plan: Final = once_per_set(_make_plan)


# Values


def _show(prop: Property, namespace: str) -> Show | None:
    kind = prop.type
    if isinstance(kind, ComplexType):
        one: Show | None = _show_complex(kind, namespace)
    else:
        one = _show_url if prop.url else _SHOWN.get(kind)
    return one if one is None or not prop.is_list else _show_list(one)


def _show_list(one: Show) -> Show:
    def show(value: JsonValue, view: View) -> JsonValue:
        if not isinstance(value, list):
            return value
        return [None if each is None else one(each, view) for each in value]

    return show


def _show_complex(kind: ComplexType, namespace: str) -> Show:
    members = tuple((each.name, each.column, _show(each, namespace)) for each in kind.properties)
    type_name = f"{namespace}.{kind.name}"

    def show(value: JsonValue, view: View) -> JsonValue:
        if not isinstance(value, dict):
            return value
        shown: dict[str, JsonValue] = {"__metadata": {"type": type_name}} if view.shape == V2 else {}
        for name, column, one in members:
            inner = value.get(column)
            shown[name] = inner if one is None or inner is None else one(inner, view)
        return shown

    return show


def _show_url(value: JsonValue, view: View) -> JsonValue:
    return view.to_http(value) if isinstance(value, str) else value


def _show_float(value: JsonValue, _: View) -> JsonValue:
    return _plain(value)


def _plain(value: JsonValue) -> JsonValue:
    """*value*, if it is a whole number that a double tells from its neighbours, without a fraction or a sign of 0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _show_datetime(value: JsonValue, _: View) -> JsonValue:
    return f"/Date({value})/" if type(value) is int else value


_SHOWN: Final[Mapping[EdmType, Show]] = {
    EdmType.SINGLE: _show_float,
    EdmType.DOUBLE: _show_float,
    EdmType.DATETIME: _show_datetime,
}


_EPOCH: Final = datetime(1970, 1, 1)


def iso_time(time_ms: int) -> str:
    """A moment as ``2017-02-15T01:52:34.635``, in UTC; one beyond the calendar as its milliseconds."""
    try:
        return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return str(time_ms)


def scalar_text(kind: EdmType | ComplexType, value: JsonValue) -> str:
    """A stored value, not null, of a primitive type as text; what does not fit its type as JSON spells it."""
    if isinstance(value, str):
        return value
    if kind is EdmType.DATETIME and type(value) is int:
        return iso_time(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind in _FLOATS:
        value = _plain(value)
    return repr(value) if isinstance(value, int | float) else json.dumps(value)


_FLOATS: Final = frozenset({EdmType.SINGLE, EdmType.DOUBLE})


# What is answered


def render_entity(row: Row, view: View) -> bytes:
    """One entity."""
    entity = _entity(row, view, view.whole())
    return _dump({"d": entity if view.shape == V2 else {"results": entity}})


def render_entities(rows: Sequence[Row], view: View, *, count: int | None, next_url: str | None) -> bytes:
    """A list of entities; how many there are in all, and where the list goes on, when given."""
    if view.select is not None or any(row.related for row in rows):
        related = view.whole()
        texts = [_dump(_entity(row, view, related)) for row in rows]
    else:
        texts = [_spelled(row, view) for row in rows]
    return b"".join((b'{"d":{"results":[', b",".join(texts), _tail(count, next_url)))


def render_links(rows: Iterable[Row], view: View, count: int | None, *, to_one: bool = False) -> bytes:
    """The URLs of linked entities, and how many there are in all when given.

    In Personium's shape they are a list whatever the multiplicity; in that of V2 a link that is *to_one* is an
    object, or null.
    """
    links: list[JsonValue] = [{"uri": entity_url(view.service_url, row, view.to_http)} for row in rows]
    if to_one and view.shape == V2:
        return _dump({"d": links[0] if links else None})
    return _list(links, count, None)


def render_count(count: int) -> bytes:
    """The number alone, as ``$count`` answers it."""
    return str(count).encode()


def render_property(row: Row, path: Sequence[str], view: View) -> bytes:
    """One property: *path* is its name, or leads to it through complex ones. All names are known to exist."""
    prop, value = _at(row, path)
    show = _show(prop, row.entity_set.namespace)
    return _dump({"d": {prop.name: value if show is None or value is None else show(value, view)}})


def render_value(row: Row, path: Sequence[str], view: View) -> bytes | None:
    """The text of one property, as ``$value`` answers it; None for a null, a list, and a complex value."""
    prop, value = _at(row, path)
    if value is None or prop.is_list or isinstance(prop.type, ComplexType):
        return None
    if prop.url:
        value = _show_url(value, view)
    return scalar_text(prop.type, value).encode("utf-8", "replace")


def _at(row: Row, path: Sequence[str]) -> tuple[Property, JsonValue]:
    name, *inner = path
    if name in _TIMES:
        return _TIMES[name], row.published_ms if name == PUBLISHED else row.updated_ms
    prop, value = row.entity_set.by_name[name], row.value(name)
    for each in inner:
        assert isinstance(prop.type, ComplexType)
        prop = prop.type.by_name[each]
        value = value.get(prop.column) if isinstance(value, dict) else None
    return prop, value


_TIMES: Final = {name: Property(name, EdmType.DATETIME) for name in (PUBLISHED, UPDATED)}


def _entity(row: Row, view: View, related: View) -> JsonValue:
    plan = _plan(row.entity_set)
    url = entity_url(view.service_url, row, view.to_http)
    etag = f'W/"{row.version}-{row.updated_ms}"'  # as etag_of(row) is spelled
    entity: dict[str, JsonValue] = {"__metadata": {"uri": url, "etag": etag, "type": plan.type}}
    _put_members(entity, plan.before, row, view)
    entity[PUBLISHED] = f"/Date({row.published_ms})/"
    entity[UPDATED] = f"/Date({row.updated_ms})/"
    _put_members(entity, plan.after, row, view)
    if view.with_navigations:
        for name, to_one in plan.navigations:
            rows = row.related.get(name)
            if rows is None:
                entity[name] = {"__deferred": {"uri": f"{url}/{name}"}}
            else:
                entity[name] = _expanded([_entity(each, related, related) for each in rows], to_one, view.shape)
    return entity


def _put_members(entity: dict[str, JsonValue], members: tuple[_Member, ...], row: Row, view: View) -> None:
    select, hides, values = view.select, view.hide_absent_dynamic, row.values
    for each in members:
        name, column, show = each.name, each.column, each.show
        if select is not None and name not in select and name != ID:
            continue
        value = row.value(name) if column is None else values.get(column)
        if value is None and hides and not each.is_declared:
            continue
        entity[name] = value if show is None or value is None else show(value, view)


def _expanded(entities: list[JsonValue], to_one: bool, shape: str) -> JsonValue:
    if shape != V2:
        return entities
    if to_one:
        return entities[0] if entities else None
    return {"results": entities}


def _spelled(row: Row, view: View) -> bytes:
    """*row* as it stands in a list: what was spelled before, as long as it is the same version of it."""
    plan = _plan(row.entity_set)
    whose = row.id, row.version, row.updated_ms, row.key.values, row.owner_key
    what = plan, whose, view.service_url, view.shape, view.with_navigations, view.hide_absent_dynamic
    found = _SPELLED.get(what)
    if found is None:
        found = _dump(_entity(row, view, view))
        _SPELLED.put(what, found)
    return found


class _Spelled:
    """Entities in JSON, the ones that were last asked for; all go when they are too much."""

    def __init__(self) -> None:
        self._texts: dict[Hashable, bytes] = {}
        self._held_bytes = 0
        self.get = self._texts.get

    def put(self, what: Hashable, text: bytes) -> None:
        if self._held_bytes > _SPELLED_BYTES:
            self._texts.clear()
            self._held_bytes = 0
        self._texts[what] = text
        self._held_bytes += len(text) + _ENTRY_BYTES


_SPELLED_BYTES: Final = 16 * 1024 * 1024
_ENTRY_BYTES: Final = 400
_SPELLED: Final = _Spelled()


def _tail(count: int | None, next_url: str | None) -> bytes:
    """What follows the results of a list."""
    counted = b"" if count is None else b',"__count":"%d"' % count
    return b"]" + counted + (b"" if next_url is None else b',"__next":' + _dump(next_url)) + b"}}"


def _list(results: list[JsonValue], count: int | None, next_url: str | None) -> bytes:
    d: dict[str, JsonValue] = {"results": results}
    if count is not None:
        d["__count"] = str(count)
    if next_url is not None:
        d["__next"] = next_url
    return _dump({"d": d})


def _dump(value: JsonValue) -> bytes:
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:
        # A document from elsewhere may hold what orjson cannot spell: long integers, halves of surrogate pairs.
        text = json.dumps(value, separators=(",", ":")).encode()
    # OData V2 knows dates from texts by their escaped slashes; to JSON they are the same.
    return text.replace(b'"/Date(', b'"\\/Date(').replace(b')/"', b')\\/"')


# What is asked


def parse_entity(body: bytes) -> dict[str, JsonValue]:
    """The members of the object in *body*.

    Raises:
        Refusal: BODY_NOT_JSON.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(BODY_NOT_JSON) from None
    if not isinstance(value, dict):
        raise Refusal(BODY_NOT_JSON)
    return value


def without_annotations(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """*members* without what clients of V2 send back as they got it: what tells of values, and the unit's times."""
    return {
        name: _without_annotations(value)
        for name, value in members.items()
        if name not in SERVER_SET and not (isinstance(value, dict) and _DEFERRED in value)
    }


def _without_annotations(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_annotations(each) for each in value]
    return without_annotations(value) if isinstance(value, dict) else value


_DEFERRED: Final = "__deferred"


def parse_link(
    body: bytes, service_url: str, target: EntitySet, canonical: Callable[[str], str]
) -> tuple[EntityKey, ...]:
    """The key of the entity of *target* whose URL is the ``uri`` in *body*: one, or two where it can be read so.

    The URL may be relative to *service_url*. Its key comes percent-decoded, and then as it stands if that is another:
    Personium takes keys that are not encoded, and one that is a URL may hold escapes of its own.

    Raises:
        Refusal: BODY_NOT_JSON, FIELD_FORMAT.
    """
    uri = parse_entity(body).get("uri")
    keys: list[EntityKey] = []
    if isinstance(uri, str):
        relative = _relative(canonical(uri), service_url)
        for spelled in dict.fromkeys((unquote(relative), relative)):
            with suppress(Refusal):
                name, raw_key = split_segment(spelled)
                if name == target.name and raw_key is not None:
                    keys.append(parse_key(target, raw_key))
    if not keys:
        raise Refusal(FIELD_FORMAT, field="uri")
    return tuple(keys)


def _relative(uri: str, service_url: str) -> str:
    """*uri* without *service_url* before it; the case of scheme and host tells nothing apart, that of a path does."""
    start = uri[: len(service_url)]
    same_origin = _origin(start).lower() == _origin(service_url).lower()
    same_path = start[len(_origin(start)) :] == service_url[len(_origin(service_url)) :]
    return uri[len(service_url) :] if same_origin and same_path else uri


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
