"""Media types as headers write them."""

from __future__ import annotations


def essence(content_type: str | None) -> str:
    """Type and subtype in lower case, without parameters; empty when there is no header."""
    return (content_type or "").partition(";")[0].strip().lower()
