"""The two privilege trees, cell level and box level, as literal tables.

A privilege includes everything below it. ``root`` of the cell stands above both trees. What does not belong here:
which call needs which privilege (``usecases``) and how privileges are spelled on the wire (``wire``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

DAV_NAMESPACE: Final = "DAV:"
PERSONIUM_NAMESPACE: Final = "urn:x-personium:xmlns"


class CellPrivilege(StrEnum):
    """What may be granted on a cell."""

    ROOT = "root"
    AUTH = "auth"
    AUTH_READ = "auth-read"
    MESSAGE = "message"
    MESSAGE_READ = "message-read"
    EVENT = "event"
    EVENT_READ = "event-read"
    LOG = "log"
    LOG_READ = "log-read"
    SOCIAL = "social"
    SOCIAL_READ = "social-read"
    BOX = "box"
    BOX_READ = "box-read"
    BOX_INSTALL = "box-install"
    ACL = "acl"
    ACL_READ = "acl-read"
    PROPFIND = "propfind"
    RULE = "rule"
    RULE_READ = "rule-read"
    SIGN = "sign"


class BoxPrivilege(StrEnum):
    """What may be granted on a box and on the resources in it; on a cell too, for all of its boxes."""

    ALL = "all"
    READ = "read"
    READ_PROPERTIES = "read-properties"
    READ_ACL = "read-acl"
    WRITE = "write"
    WRITE_PROPERTIES = "write-properties"
    WRITE_CONTENT = "write-content"
    BIND = "bind"
    UNBIND = "unbind"
    WRITE_ACL = "write-acl"
    EXEC = "exec"
    ALTER_SCHEMA = "alter-schema"
    STREAM_SEND = "stream-send"
    STREAM_RECEIVE = "stream-receive"


Privilege = CellPrivilege | BoxPrivilege

PARENT: Final[dict[Privilege, Privilege | None]] = {
    CellPrivilege.ROOT: None,
    CellPrivilege.AUTH: CellPrivilege.ROOT,
    CellPrivilege.AUTH_READ: CellPrivilege.AUTH,
    CellPrivilege.MESSAGE: CellPrivilege.ROOT,
    CellPrivilege.MESSAGE_READ: CellPrivilege.MESSAGE,
    CellPrivilege.EVENT: CellPrivilege.ROOT,
    CellPrivilege.EVENT_READ: CellPrivilege.EVENT,
    CellPrivilege.LOG: CellPrivilege.ROOT,
    CellPrivilege.LOG_READ: CellPrivilege.LOG,
    CellPrivilege.SOCIAL: CellPrivilege.ROOT,
    CellPrivilege.SOCIAL_READ: CellPrivilege.SOCIAL,
    CellPrivilege.BOX: CellPrivilege.ROOT,
    CellPrivilege.BOX_READ: CellPrivilege.BOX,
    CellPrivilege.BOX_INSTALL: CellPrivilege.BOX,
    CellPrivilege.ACL: CellPrivilege.ROOT,
    CellPrivilege.ACL_READ: CellPrivilege.ACL,
    CellPrivilege.PROPFIND: CellPrivilege.ROOT,
    CellPrivilege.RULE: CellPrivilege.ROOT,
    CellPrivilege.RULE_READ: CellPrivilege.RULE,
    CellPrivilege.SIGN: CellPrivilege.ROOT,
    BoxPrivilege.ALL: CellPrivilege.ROOT,
    BoxPrivilege.READ: BoxPrivilege.ALL,
    BoxPrivilege.READ_PROPERTIES: BoxPrivilege.READ,
    BoxPrivilege.READ_ACL: BoxPrivilege.ALL,
    BoxPrivilege.WRITE: BoxPrivilege.ALL,
    BoxPrivilege.WRITE_PROPERTIES: BoxPrivilege.WRITE,
    BoxPrivilege.WRITE_CONTENT: BoxPrivilege.WRITE,
    BoxPrivilege.BIND: BoxPrivilege.WRITE,
    BoxPrivilege.UNBIND: BoxPrivilege.WRITE,
    BoxPrivilege.WRITE_ACL: BoxPrivilege.ALL,
    BoxPrivilege.EXEC: BoxPrivilege.ALL,
    BoxPrivilege.ALTER_SCHEMA: BoxPrivilege.ALL,
    BoxPrivilege.STREAM_SEND: BoxPrivilege.ALL,
    BoxPrivilege.STREAM_RECEIVE: BoxPrivilege.ALL,
}
"""Each privilege and the one directly above it."""

NAMESPACE: Final[dict[Privilege, str]] = {
    **dict.fromkeys(CellPrivilege, PERSONIUM_NAMESPACE),
    **dict.fromkeys(BoxPrivilege, DAV_NAMESPACE),
    BoxPrivilege.EXEC: PERSONIUM_NAMESPACE,
    BoxPrivilege.STREAM_SEND: PERSONIUM_NAMESPACE,
    BoxPrivilege.STREAM_RECEIVE: PERSONIUM_NAMESPACE,
}
"""The XML namespace in which each privilege is written."""

READING: Final[frozenset[Privilege]] = frozenset(
    {
        CellPrivilege.AUTH_READ,
        CellPrivilege.MESSAGE_READ,
        CellPrivilege.EVENT_READ,
        CellPrivilege.LOG_READ,
        CellPrivilege.SOCIAL_READ,
        CellPrivilege.BOX_READ,
        CellPrivilege.ACL_READ,
        CellPrivilege.PROPFIND,
        CellPrivilege.RULE_READ,
        BoxPrivilege.READ,
        BoxPrivilege.READ_PROPERTIES,
        BoxPrivilege.READ_ACL,
        BoxPrivilege.STREAM_RECEIVE,
    }
)
"""What a unit user with the role CellContentsReader may do."""


def _with_ancestors(privilege: Privilege) -> frozenset[Privilege]:
    found: set[Privilege] = set()
    above: Privilege | None = privilege
    while above is not None:
        found.add(above)
        above = PARENT[above]
    return frozenset(found)


GRANTED_BY: Final[dict[Privilege, frozenset[Privilege]]] = {each: _with_ancestors(each) for each in PARENT}
"""Each privilege and all whose grant includes it, itself among them."""
