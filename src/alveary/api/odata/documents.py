"""Service documents and ``$metadata``: what a service has, for programs that ask it.

What does not belong here: entities.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from alveary.api.odata.bodies import Site, rendered
from alveary.errors import FORMAT_UNKNOWN, METHOD_NOT_ALLOWED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.model.control_edm import CELL, UNIT_NAMESPACE
from alveary.model.schema_edm import SCHEMA_NAMESPACE, SCHEMA_SETS
from alveary.usecases.access import Doing
from alveary.usecases.services import CONTROL, CONTROL_HOME, Home
from alveary.wire.odata_edmx import render_edmx
from alveary.wire.odata_json import V2
from alveary.wire.odata_options import Format, answer_format, answer_shape
from alveary.wire.odata_service import atom_service, json_service

_XML: Final = {"content-type": "application/xml;charset=utf-8", "dataserviceversion": "1.0"}
_ATOM_SERVICE: Final = {"content-type": "application/atomsvc+xml;charset=utf-8", "dataserviceversion": "1.0"}
_JSON: Final = {"content-type": "application/json;charset=utf-8", "dataserviceversion": "1.0"}

UNIT_HOME: Final = Home({CELL.name: CELL}, UNIT_NAMESPACE)
SCHEMA_HOME: Final = Home(SCHEMA_SETS, SCHEMA_NAMESPACE)
_READING: Final = {"GET": None, "HEAD": None, "OPTIONS": None}


async def service_document(call: Call, site: Site) -> Response:
    """GET {service}: 200 with the names of its entity sets, AtomPub unless JSON is asked for.

    Source: API reference 107, 275, 317; Personium answers AtomPub whatever Accept says, JSON for ``$format=json``.
    """
    home = await call.access.require_any(call.ports, site.service, Doing.READ)
    return service_answer(call, site.url, home)


def service_answer(call: Call, url: str, home: Home) -> Response:
    """The service document of what *home* has, in the format that the client wants.

    Raises:
        Refusal: FORMAT_UNKNOWN, METHOD_NOT_ALLOWED.
    """
    if call.request.method == "OPTIONS":
        return allowing(_READING)
    if call.request.method not in _READING:
        raise Refusal(METHOD_NOT_ALLOWED)
    wanted = call.query.get("$format")
    accepts_json = "json" in call.request.headers.get("accept", "") and wanted is None
    if accepts_json or (wanted is not None and answer_format(call.query, "", V2).format is Format.JSON):
        return Response(200, _JSON, json_service(home.sets))
    return Response(200, _XML, atom_service(url, home.sets))


async def metadata(call: Call, site: Site) -> Response:
    """GET {service}/$metadata: 200 with its EDMX; for user data also the service document of its schema.

    Source: API reference 276, 316; a cell's and a unit's are told to anyone, as Personium does.
    """
    if site.service is CONTROL:
        return await metadata_answer(call, CONTROL_HOME)
    home = await call.access.require_any(call.ports, site.service, Doing.READ)
    wanted = call.query.get("$format")
    if wanted == "atomsvc" or "application/atomsvc+xml" in call.request.headers.get("accept", ""):
        return Response(200, _ATOM_SERVICE, atom_service(f"{site.url}$metadata/", SCHEMA_SETS))
    if wanted is not None and wanted.lower() != "xml":
        raise Refusal(FORMAT_UNKNOWN, value=wanted)
    return await metadata_answer(call, home)


async def schema_metadata(call: Call, site: Site) -> Response:
    """GET {collection}/$metadata/$metadata: 200 with the EDMX of schemas.

    Source: Personium, undocumented.
    """
    await call.access.require_any(call.ports, site.service, Doing.READ)
    return await metadata_answer(call, SCHEMA_HOME)


async def metadata_answer(call: Call, home: Home) -> Response:
    """The EDMX of what *home* has.

    Raises:
        Refusal: METHOD_NOT_ALLOWED.
    """
    if call.request.method == "OPTIONS":
        return allowing(_READING)
    if call.request.method not in _READING:
        raise Refusal(METHOD_NOT_ALLOWED)
    is_open = home.node is not None
    shape = answer_shape(call.request.headers.get("accept", ""), call.ports.config.odata.shape)
    sets, complex_types = list(home.sets.values()), list(home.complex_types.values())
    render = partial(
        render_edmx, home.namespace, home.namespace, sets, complex_types, open_types=is_open, plain_names=shape == V2
    )
    return Response(200, _XML, await rendered(sum(len(each.properties) for each in sets), render))
