"""What the handlers of this face share: bodies read into values, and rows described as answers.

What does not belong here: which use case is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

from alveary.errors import METHOD_NOT_ALLOWED, Refusal
from alveary.http.call import Call
from alveary.http.conditional import is_unchanged
from alveary.http.response import Response
from alveary.model.edm import Row
from alveary.model.entities import JsonValue
from alveary.model.values import frozen
from alveary.usecases.entities import Given
from alveary.usecases.lists import Page
from alveary.usecases.services import Service
from alveary.wire import odata_atom, odata_json
from alveary.wire.odata_json import V2, View, etag_of
from alveary.wire.odata_options import Answer, Format, Query, answer_format, answer_shape

_VERSION: Final = {"dataserviceversion": "2.0"}
_JSON: Final = {**_VERSION, "content-type": "application/json"}
_JSON_LIST: Final = {**_VERSION, "content-type": "application/json;charset=utf-8"}
_ENTRY: Final = {**_VERSION, "content-type": "application/atom+xml;type=entry;charset=utf-8"}
_FEED: Final = {**_VERSION, "content-type": "application/atom+xml;type=feed;charset=utf-8"}
_TEXT: Final = {**_VERSION, "content-type": "text/plain;charset=utf-8"}

_AT_ONCE: Final = 500
"""How many entities or properties are rendered on the event loop's thread, which takes some milliseconds."""

NO_CONTENT: Final = Response(204, _VERSION)


@frozen
class Site:
    """A service as it is addressed: itself, and the URL below which its sets are, which ends in ``/``."""

    service: Service
    url: str


def wanted(call: Call, query: Query, *, posted: bool = False) -> Answer:
    """How the client is to be answered; what was *posted* is told in JSON unless ``$format`` says otherwise.

    Raises:
        Refusal: FORMAT_UNKNOWN, NOT_ACCEPTABLE_ODATA.
    """
    accept = call.request.headers.get("accept", "")
    if posted and "json" not in accept:
        accept = ""
    return answer_format(query, accept, call.ports.config.odata.shape)


def view(call: Call, site: Site, answer: Answer, select: frozenset[str] | None = None) -> View:
    """How entities are shown to the client."""
    return View(site.url, answer.shape, select, call.urls.to_http)


def given(call: Call) -> Given:
    """What reads an entity from the body."""

    async def read() -> dict[str, JsonValue]:
        members = odata_json.parse_entity(await call.request.read(call.ports.config.limits.json_bytes))
        shape = answer_shape(call.request.headers.get("accept", ""), call.ports.config.odata.shape)
        return odata_json.without_annotations(members) if shape == V2 else members

    return read


def created(call: Call, site: Site, row: Row, answer: Answer) -> Response:
    """201 with the new entity."""
    how = View(
        site.url,
        answer.shape,
        None,
        call.urls.to_http,
        hide_absent_dynamic=True,
        with_navigations=not row.entity_set.is_open,
    )
    head = {"location": odata_json.entity_url(site.url, row, call.urls.to_http), "etag": str(etag_of(row))}
    if answer.format is Format.ATOM:
        return Response(201, {**_ENTRY, **head}, odata_atom.render_entry(row, how))
    return Response(201, {**_JSON, **head}, odata_json.render_entity(row, how))


async def one(call: Call, row: Row, how: View, answer: Answer) -> Response:
    """200 with one entity, 304 when the client has it already."""
    etag = etag_of(row)
    if is_unchanged(call.request.headers, etag):
        return Response(304, {"etag": str(etag)})
    atom = answer.format is Format.ATOM
    render = odata_atom.render_entry if atom else odata_json.render_entity
    body = render(row, how) if not row.related else await rendered(_size(row), partial(render, row, how))
    return Response(200, {**(_ENTRY if atom else _JSON), "etag": str(etag)}, body)


async def many(call: Call, title: str, page: Page, how: View, answer: Answer, path: str) -> Response:
    """200 with a list of entities; *path* is what the list's URL has below that of the service."""
    rows, count = page.rows, page.count
    next_url = None if page.next_token is None else _next(call, how.service_url + path, page.next_token)

    def feed() -> bytes:
        return odata_atom.render_feed(rows, how, title, count=count, next_url=next_url, path=path)

    def results() -> bytes:
        return odata_json.render_entities(rows, how, count=count, next_url=next_url)

    if answer.format is Format.ATOM:
        return Response(200, _FEED, await rendered(_count(rows), feed))
    return Response(200, _JSON_LIST, await rendered(_count(rows), results))


async def rendered(count: int, render: Callable[[], bytes]) -> bytes:
    """What *render* makes of *count* entities or properties: beside other requests where they are many."""
    return render() if count <= _AT_ONCE else await asyncio.to_thread(render)


def _count(rows: Sequence[Row]) -> int:
    """How many entities *rows* are with all that is expanded of them."""
    return sum(map(_size, rows))


def _size(row: Row) -> int:
    return 1 + sum(_size(each) for related in row.related.values() for each in related) if row.related else 1


def _next(call: Call, url: str, token: str) -> str:
    """The URL of the next page: the same query, going on behind the last entity of this one."""
    gone = {"$skip", "$skiptoken", "p_cookie_peer"}
    query = [(name, value) for name, value in call.query.items() if name not in gone]
    return f"{url}?{urlencode([*query, ('$skiptoken', token)], safe='$')}"


def changed(row: Row) -> Response:
    """204 with the new ETag."""
    return Response(204, {**_VERSION, "etag": str(etag_of(row))})


async def uris(page: Page, how: View, *, to_one: bool) -> Response:
    """200 with the URLs of a list of entities."""
    render = partial(odata_json.render_links, page.rows, how, page.count, to_one=to_one)
    return Response(200, _JSON_LIST, await rendered(len(page.rows), render))


def text(body: bytes) -> Response:
    """200 with a text."""
    return Response(200, _TEXT, body)


def json(body: bytes) -> Response:
    """200 with JSON that is no list of entities."""
    return Response(200, _JSON, body)


def not_among(methods: Mapping[str, object]) -> Refusal:
    """The refusal of a method that is none of *methods*."""
    return Refusal(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(methods)})
