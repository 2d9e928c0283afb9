"""Service documents: the names of the entity sets that are below a URL.

What does not belong here: what the sets hold (``odata_edmx``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from alveary.wire import xml

_OPEN: Final = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<service xmlns="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom"'
)


def atom_service(service_url: str, names: Iterable[str]) -> bytes:
    """The sets of those *names* as an AtomPub document with one workspace."""
    collections = "".join(
        f'<collection href="{name}"><atom:title>{name}</atom:title></collection>' for name in map(xml.escape, names)
    )
    return (
        f'{_OPEN} xml:base="{xml.escape(service_url)}"><workspace><atom:title>Default</atom:title>'
        f"{collections}</workspace></service>"
    ).encode()


def json_service(names: Iterable[str]) -> bytes:
    """The *names* of the sets as JSON."""
    return orjson.dumps({"d": {"EntitySets": list(names)}})
