"""The privileges as the documentation has them: what includes what, which of them read, how they are spelled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

INCLUDES: Mapping[str, tuple[str, ...]] = {
    "root": (
        "auth",
        "message",
        "event",
        "log",
        "social",
        "box",
        "acl",
        "propfind",
        "rule",
        "sign",
        "all",
    ),
    "auth": ("auth-read",),
    "message": ("message-read",),
    "event": ("event-read",),
    "log": ("log-read",),
    "social": ("social-read",),
    "box": ("box-read", "box-install"),
    "acl": ("acl-read",),
    "rule": ("rule-read",),
    "all": (
        "read",
        "read-acl",
        "write",
        "write-acl",
        "exec",
        "alter-schema",
        "stream-send",
        "stream-receive",
    ),
    "read": ("read-properties",),
    "write": ("write-properties", "write-content", "bind", "unbind"),
}
"""What a privilege includes directly."""

CELL_PRIVILEGES = (
    "root",
    "auth",
    "auth-read",
    "message",
    "message-read",
    "event",
    "event-read",
    "log",
    "log-read",
    "social",
    "social-read",
    "box",
    "box-read",
    "box-install",
    "acl",
    "acl-read",
    "propfind",
    "rule",
    "rule-read",
    "sign",
)
BOX_PRIVILEGES = (
    "all",
    "read",
    "read-properties",
    "read-acl",
    "write",
    "write-properties",
    "write-content",
    "bind",
    "unbind",
    "write-acl",
    "exec",
    "alter-schema",
    "stream-send",
    "stream-receive",
)

READING = frozenset(
    {
        "auth-read",
        "message-read",
        "event-read",
        "log-read",
        "social-read",
        "box-read",
        "acl-read",
        "propfind",
        "rule-read",
        "read",
        "read-properties",
        "read-acl",
        "stream-receive",
    }
)
"""What a unit user with the role CellContentsReader may do."""

PERSONIUMS_OWN = frozenset({*CELL_PRIVILEGES, "exec", "stream-send", "stream-receive"})
"""The privileges in Personium's own XML namespace; the others are in that of WebDAV."""


@cache
def covers(granted: str, needed: str) -> bool:
    """Whether a grant of *granted* is one of *needed*."""
    return granted == needed or any(covers(each, needed) for each in INCLUDES.get(granted, ()))


def element(privilege: str) -> str:
    """How *privilege* is written in an ACL."""
    return f"<{'p' if privilege in PERSONIUMS_OWN else 'D'}:{privilege}/>"
