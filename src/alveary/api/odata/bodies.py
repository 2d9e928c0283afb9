"""What the handlers of this face share: bodies read into values, and rows described as answers.

What does not belong here: which use case is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from alveary.errors import METHOD_NOT_ALLOWED, Refusal
from alveary.http.call import Call
from alveary.http.conditional import is_unchanged
from alveary.http.response import Response
from alveary.model.edm import EntitySet, Row
from alveary.model.entities import JsonValue
from alveary.usecases.entities import Given
from alveary.usecases.rows import Page
from alveary.wire import odata_json
from alveary.wire.odata_json import etag_of

_VERSION: Final = {"dataserviceversion": "2.0"}
_ONE: Final = {**_VERSION, "content-type": "application/json"}
_MANY: Final = {**_VERSION, "content-type": "application/json;charset=utf-8"}

NO_CONTENT: Final = Response(204, _VERSION)


def service_url(call: Call) -> str:
    """The URL below which the entity sets of the cell are, or of the unit."""
    urls = call.urls
    return f"{urls.unit_url if call.cell is None else urls.cell_url(call.cell.name)}__ctl/"


def given(call: Call, entity_set: EntitySet) -> Given:
    """What reads an entity of *entity_set* from the body, its URLs as they are stored."""

    async def read() -> Mapping[str, JsonValue]:
        members = odata_json.parse_entity(await call.request.read(call.ports.config.limits.json_bytes))
        for field in entity_set.fields:
            value = members.get(field.name)
            if field.url and isinstance(value, str):
                members[field.name] = call.urls.to_local(value)
        return members

    return read


def created(call: Call, row: Row) -> Response:
    """201 with the new entity."""
    url = service_url(call)
    head = {**_ONE, "location": odata_json.entity_url(url, row), "etag": str(etag_of(row))}
    return Response(201, head, odata_json.render_entity(_shown(call, row), url))


def one(call: Call, row: Row) -> Response:
    """200 with one entity, 304 when the client has it already."""
    etag = etag_of(row)
    if is_unchanged(call.request.headers, etag):
        return Response(304, {"etag": str(etag)})
    body = odata_json.render_entity(_shown(call, row), service_url(call))
    return Response(200, {**_ONE, "etag": str(etag)}, body)


def many(call: Call, page: Page) -> Response:
    """200 with a list of entities."""
    rows = [_shown(call, row) for row in page.rows]
    return Response(200, _MANY, odata_json.render_entities(rows, service_url(call), page.count))


def changed(row: Row) -> Response:
    """204 with the new ETag."""
    return Response(204, {**_VERSION, "etag": str(etag_of(row))})


def uris(call: Call, page: Page) -> Response:
    """200 with the URLs of a list of entities."""
    return Response(200, _MANY, odata_json.render_links(page.rows, service_url(call), page.count))


def allowing(methods: Mapping[str, object]) -> Response:
    """200 with the *methods* that are served here."""
    allowed = ", ".join(methods)
    return Response(200, {"allow": allowed, "access-control-allow-methods": allowed})


def not_among(methods: Mapping[str, object]) -> Refusal:
    """The refusal of a method that is none of *methods*."""
    return Refusal(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(methods)})


def _shown(call: Call, row: Row) -> Row:
    """*row* with its URLs as clients see them."""
    urls = {
        field.name: call.urls.to_http(value)
        for field in row.entity_set.fields
        if field.url and (value := row.values[field.name]) is not None
    }
    return replace(row, values={**row.values, **urls}) if urls else row
