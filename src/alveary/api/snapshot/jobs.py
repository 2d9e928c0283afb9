"""Export and import of a cell: POST begins one, GET tells how it stands.

What does not belong here: the files that they leave or take (``files``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from alveary.errors import (
    JSON_KEY_MISSING,
    JSON_UNREADABLE,
    JSON_VALUE_FORMAT,
    METHOD_NOT_ALLOWED,
    NO_SUCH_URI,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.model.names import SnapshotName
from alveary.model.privileges import CellPrivilege
from alveary.usecases import exports, imports
from alveary.usecases.imports import ImportFailure

JSON: Final = "application/json"

_READY: Final = {"status": "ready"}
_PASSPHRASE_CHARS: Final = (8, 1024)


async def start_export(call: Call) -> Response:
    """POST {cell}__export: 202, and a snapshot file of that name or of one that tells cell and time will come.

    With a Passphrase it is encrypted.

    Source: API reference 501. Deviation: docs/deviations.md#encrypted-snapshots.
    """
    order = await _read_order(call, default=b"{}")
    await exports.start(call.ports, call.access, order.name, order.passphrase)
    return _accepted(call, exports.PATH)


async def show_export(call: Call) -> Response:
    """GET {cell}__export: 200 with the export that is under way, if any.

    Source: API reference 502.
    """
    job = await exports.find(call.ports, call.access)
    if job is None:
        return _json(_READY)
    return _json(
        {
            "status": "exportation in progress",
            "started_at": _moment(job.started_ms),
            "progress": f"{job.progress}%",
            "exportation_name": job.name,
        }
    )


async def start_import(call: Call) -> Response:
    """POST {cell}__import: 202, and the cell will hold what the snapshot file of that name holds.

    Source: API reference 507. Deviation: docs/deviations.md#import, docs/deviations.md#encrypted-snapshots.
    """
    order = await _read_order(call)
    if order.name is None:
        raise Refusal(JSON_KEY_MISSING, key="Name")
    await imports.start(call.ports, call.access, order.name, order.passphrase)
    return _accepted(call, imports.PATH)


async def show_import(call: Call) -> Response:
    """GET {cell}__import: 200 with the import that is under way, else with how the last one failed, if it did.

    Source: API reference 508.
    """
    found = await imports.find(call.ports, call.access)
    if found is None:
        return _json(_READY)
    status: dict[str, object] = {
        "status": "importation in progress",
        "started_at": _moment(found.started_ms),
        "progress": f"{found.progress}%",
        "importation_name": found.name,
    }
    if isinstance(found, ImportFailure):
        status["status"] = "import failed"
        status["message"] = {"code": found.code, "message": {"lang": "en", "value": found.text}}
    return _json(status)


async def acknowledge_import(call: Call) -> Response:
    """DELETE {cell}__import: 204, and a cell whose import failed is in service again with what it held before.

    Source: an extension. Deviation: docs/deviations.md#import.
    """
    await imports.acknowledge(call.ports, call.access)
    return Response(204)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a body asks for: the snapshot's name, and what it is encrypted with; None where it says nothing."""

    name: SnapshotName | None
    passphrase: str | None = field(repr=False)


async def _read_order(call: Call, *, default: bytes = b"") -> _Order:
    """What the body asks for; *default* stands for an empty one.

    The body is JSON whatever its Content-Type says.
    """
    limits = call.ports.config.limits
    text = await call.request.read(limits.json_bytes)
    try:
        body = orjson.loads(text.strip() or default)
    except orjson.JSONDecodeError as error:
        raise Refusal(JSON_UNREADABLE, cause=error.msg) from None
    if not isinstance(body, dict):
        raise Refusal(JSON_UNREADABLE, cause="it is no object")
    return _Order(
        _parse_name(body.get("Name"), limits.snapshot_name_chars), _parse_passphrase(body.get("Passphrase"))
    )


def _parse_name(raw: Any, most_chars: int) -> SnapshotName | None:
    if raw is None:
        return None
    name = SnapshotName.parse(raw)
    if len(name) > most_chars:
        raise Refusal(JSON_VALUE_FORMAT, key="Name", form=SnapshotName.FORM)
    return name


def _parse_passphrase(raw: Any) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not _PASSPHRASE_CHARS[0] <= len(raw) <= _PASSPHRASE_CHARS[1]:
        least, most = _PASSPHRASE_CHARS
        raise Refusal(JSON_VALUE_FORMAT, key="Passphrase", form=f"{least} to {most} characters")
    return raw


def _accepted(call: Call, path: str) -> Response:
    return Response(202, {"location": call.urls.cell_url(call.here.name) + path})


def _json(status: Mapping[str, object]) -> Response:
    return Response(200, {"content-type": JSON}, orjson.dumps(status))


def _moment(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


# Which handler answers what

Handlers = Mapping[str, Callable[[Call], Awaitable[Response]]]

EXPORT: Final[Handlers] = {"GET": show_export, "HEAD": show_export, "POST": start_export}
IMPORT: Final[Handlers] = {
    "GET": show_import,
    "HEAD": show_import,
    "POST": start_import,
    "DELETE": acknowledge_import,
}


async def export(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__export``."""
    return await _serve(call, segments, EXPORT)


async def import_(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__import``."""
    return await _serve(call, segments, IMPORT)


async def _serve(call: Call, segments: tuple[str, ...], handlers: Handlers) -> Response:
    call.access.require(CellPrivilege.ROOT)
    if len(segments) > 1:
        raise Refusal(NO_SUCH_URI)
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", *handlers))
    handler = handlers.get(call.request.method)
    if handler is None:
        raise Refusal(METHOD_NOT_ALLOWED)
    return await handler(call)
