"""What an event says: the row of the outbox that is written with a change.

What does not belong here: delivery, rules, logs.
"""

from __future__ import annotations

from alveary.model.entities import JsonValue
from alveary.usecases.access import Access, BoxPath


def event(access: Access, kind: str, what: str, status: int) -> dict[str, JsonValue]:
    """An event of type *kind*, such as ``davfile.create``, about *what* (a ``personium-localcell:`` URL)."""
    return {
        "RequestKey": access.request_key,
        "External": False,
        "Schema": access.schema,
        "Subject": access.subject,
        "Type": kind,
        "Object": what,
        "Info": str(status),
    }


def local_url(path: BoxPath) -> str:
    """The ``personium-localcell:`` URL of what *path* leads to."""
    return "personium-localcell:/" + "/".join((path.box, *path.segments))
