"""Requests below a service collection run its scripts.

What does not belong here: the collection itself and its sources, which are WebDAV's.
"""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

from alveary.errors import METHOD_NOT_ALLOWED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.script import ScriptRequest
from alveary.usecases import scripts
from alveary.usecases.access import BoxPath

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_PORTS: Final = {"http": "80", "https": "443"}
_LEVELS: Final = {"debug": logging.DEBUG, "warn": logging.WARNING, "error": logging.ERROR}
_HIDDEN: Final = frozenset({"x-personium-unit-user"})
"""Request headers that a script has no business with."""


async def serve(call: Call, path: BoxPath) -> Response:
    """GET, HEAD, POST, PUT and DELETE {cell}/{box}/{service}/{path}: what the script answers.

    Source: API reference 383 and the guide to service scripts.
    """
    if call.request.method not in METHODS:
        await call.access.require_at(call.ports, path, scripts.EXECUTE)
        raise Refusal(METHOD_NOT_ALLOWED)
    reply = await scripts.execute(
        call.ports, call.access, path, _request(call, path), call.request.body, _console(call)
    )
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in reply.headers:
        lower = name.lower()
        headers[lower] = (*headers.get(lower, ()), value)
    return Response(reply.status, headers, reply.body)


def _request(call: Call, path: BoxPath) -> ScriptRequest:
    request = call.request
    url = call.urls.resource_url(call.here.name, path.box, path.segments)
    here = urlsplit(url)
    query = request.query_string
    return ScriptRequest(
        method=request.method,
        scheme=here.scheme,
        host=here.hostname or "",
        port=str(here.port) if here.port else _PORTS[here.scheme],
        script_name=url,
        path_info=here.path,
        query_string=query,
        request_uri=f"{url}?{query}" if query else url,
        headers={name: value for name, value in request.headers.items() if name not in _HIDDEN},
    )


def _console(call: Call) -> scripts.Console:
    cell, key = call.here.name, call.access.request_key

    def say(level: str, text: str) -> None:
        call.ports.log.log(_LEVELS.get(level, logging.INFO), "script", cell=str(cell), request_key=key, text=text)

    return say
