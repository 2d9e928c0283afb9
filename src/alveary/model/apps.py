"""Apps by the schema that a token bears: the URL of the app, and whether it proved that it can keep a secret."""

from __future__ import annotations

from typing import Final

CONFIDENTIAL: Final = "#c"
"""What a schema ends in when the app proved by a role that it can keep a secret."""


def app_of(schema: str | None) -> str:
    """The URL of the app, however it proved itself; empty without one."""
    return (schema or "").removesuffix(CONFIDENTIAL)
