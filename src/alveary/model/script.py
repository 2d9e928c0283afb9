"""A run of a service script as values: what it is given, what it asks for, what it answers.

What does not belong here: frames (``wire.script_frames``) and how a script is run (``adapters``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alveary.model.entities import JsonValue


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose script it is: the ids of a cell and a box. No process ever runs scripts of two tenants."""

    cell: str
    box: str


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """The HTTP request as the script sees it; its body stays with the server as stream number 0.

    ``script_name`` is the whole URL without its query, ``request_uri`` with it, ``path_info`` the path alone.
    ``headers`` have lower-case names; ``port`` is text, always there.
    """

    method: str
    scheme: str
    host: str
    port: str
    script_name: str
    path_info: str
    query_string: str
    request_uri: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScriptJob:
    """One run: whose it is, the source text, the request, and the names of the place it runs in.

    ``cell_url`` ends with a slash; ``box_schema`` is the URI of the box's app, if it has one.
    """

    tenant: Tenant
    source: str
    request: ScriptRequest
    cell_name: str
    cell_url: str
    box_name: str
    box_schema: str | None
    server_version: str


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes that stay with the server while the script passes them on by number."""

    number: int


@dataclass(frozen=True, slots=True)
class HostCall:
    """What a script asks of the server: an operation, its arguments, and the data that goes with it."""

    op: str
    args: Mapping[str, JsonValue]
    data: str | Stream | None = None


@dataclass(frozen=True, slots=True)
class ScriptAnswer:
    """The script's response: the text of its body is encoded, its streams are still with the server."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: tuple[bytes | Stream, ...]
