"""Which queues and topics a stream collection has, as its properties tell.

What does not belong here: how properties are set (``dav_xml``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.errors import Refusal
from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.model.streams import StreamNames
from alveary.wire import xml

QUEUES: Final = f"queues@{PERSONIUM_NAMESPACE}"
TOPICS: Final = f"topics@{PERSONIUM_NAMESPACE}"


def parse_names(properties: Mapping[str, str], *, max_depth: int) -> StreamNames:
    """The names in the properties ``p:queues`` and ``p:topics``; a property that is no XML names nothing."""
    return StreamNames(
        _texts(properties.get(QUEUES), "queue", max_depth), _texts(properties.get(TOPICS), "topic", max_depth)
    )


def _texts(text: str | None, element: str, max_depth: int) -> frozenset[str]:
    if text is None:
        return frozenset()
    try:
        root = xml.parse(text.encode(), max_depth=max_depth)
    except (Refusal, UnicodeError):
        return frozenset()
    return frozenset("".join(map(str, each.itertext())) for each in root.iter(f"{xml.PERSONIUM}{element}"))
