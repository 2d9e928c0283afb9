"""Entities and links as OData JSON, in Personium's shape: results below ``d``, one entity alone an object.

What does not belong here: the keys in URLs (``odata_keys``), and whether a field may hold what a body says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from urllib.parse import unquote

import orjson

from alveary.errors import BODY_NOT_JSON, FIELD_FORMAT, Refusal
from alveary.model.edm import EntityKey, EntitySet, Row
from alveary.model.entities import JsonValue
from alveary.wire.etags import ETag
from alveary.wire.odata_keys import encode_key, parse_key, split_segment


def etag_of(row: Row) -> ETag:
    """The tag of *row*, which is weak: its JSON may be spelt in many ways."""
    return ETag(row.version, row.updated_ms, weak=True)


def entity_url(service_url: str, row: Row) -> str:
    """The URL of *row* below *service_url*, which ends in ``/``."""
    return f"{service_url}{row.entity_set.name}{encode_key(row.entity_set, row.key)}"


# What is answered


def render_entity(row: Row, service_url: str) -> bytes:
    """One entity of the service at *service_url*."""
    return _render(_entity(row, service_url))


def render_entities(rows: Sequence[Row], service_url: str, count: int | None) -> bytes:
    """A list of entities, and how many there are in all when *count* is given."""
    return _render([_entity(row, service_url) for row in rows], count)


def render_links(rows: Iterable[Row], service_url: str, count: int | None) -> bytes:
    """The URLs of linked entities, a list whatever the multiplicity, and how many there are in all."""
    return _render([{"uri": entity_url(service_url, row)} for row in rows], count)


def _entity(row: Row, service_url: str) -> JsonValue:
    url = entity_url(service_url, row)
    metadata: dict[str, JsonValue] = {
        "uri": url,
        "etag": str(etag_of(row)),
        "type": f"{row.entity_set.namespace}.{row.entity_set.name}",
    }
    entity: dict[str, JsonValue] = {"__metadata": metadata}
    entity |= {field.name: row.values.get(field.name) for field in row.entity_set.fields}
    entity |= {"__published": _date(row.published_ms), "__updated": _date(row.updated_ms)}
    entity |= {each.name: {"__deferred": {"uri": f"{url}/{each.name}"}} for each in row.entity_set.navigations}
    return entity


def _date(time_ms: int) -> str:
    return f"/Date({time_ms})/"


def _render(results: JsonValue, count: int | None = None) -> bytes:
    d: dict[str, JsonValue] = {"results": results}
    if count is not None:
        d["__count"] = str(count)
    # OData V2 knows dates from texts by their escaped slashes; to JSON they are the same.
    return orjson.dumps({"d": d}).replace(b'"/Date(', b'"\\/Date(').replace(b')/"', b')\\/"')


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


def parse_link(body: bytes, service_url: str, target: EntitySet, canonical: Callable[[str], str]) -> EntityKey:
    """The key of the entity of *target* whose URL is the ``uri`` in *body*.

    The URL may be relative to *service_url*; its key may be percent-encoded or not.

    Raises:
        Refusal: BODY_NOT_JSON, FIELD_FORMAT.
    """
    uri = parse_entity(body).get("uri")
    if isinstance(uri, str):
        uri = canonical(uri)
        if uri.lower().startswith(service_url.lower()):
            uri = uri[len(service_url) :]
        with suppress(Refusal):
            name, raw_key = split_segment(unquote(uri))
            if name == target.name and raw_key is not None:
                return parse_key(target, raw_key)
    raise Refusal(FIELD_FORMAT, field="uri")
