"""The control entity sets of unit and cell as literal tables: their properties, keys, associations and privileges.

A further set is further rows here. What does not belong here: what a set and a property are (``edm``), the sets of a
schema (``schema_edm``), rules that hold between several properties (``rules``), and what a change sets in motion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from alveary.errors import EXT_CELL_URL_FORMAT, FIELD_FORMAT, SCHEMA_URI_FORMAT, Refusal
from alveary.model.accounts import AccountStatus, IPRange
from alveary.model.edm import ComplexType, EntitySet, Navigation, Owner, Property, ends_of
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.names import (
    AccountName,
    BoxName,
    CellName,
    EntityId,
    RelationName,
    RoleName,
    is_cell_url,
    is_schema_uri,
    is_uri,
)
from alveary.model.privileges import CellPrivilege

UNIT_NAMESPACE: Final = "UnitCtl"
CELL_NAMESPACE: Final = "CellCtl"


@dataclass(frozen=True, slots=True)
class Guard:
    """The privileges that reading and changing a set need."""

    read: CellPrivilege
    write: CellPrivilege


@dataclass(frozen=True, slots=True)
class Association:
    """Two sets whose entities are linked, and the multiplicity at the end of each.

    ``names`` are the navigation properties of the first and the second set, where they are not ``_`` and the name of
    the set they lead to. ``linkable``: its links are made and taken away by ``$links`` too.
    """

    first: str
    second: str
    multiplicities: tuple[str, str] = ("*", "*")
    linkable: bool = True
    names: tuple[str, str] | None = None


def navigations_of(name: str, associations: Iterable[Association]) -> tuple[Navigation, ...]:
    """The navigation properties of the set of that name, in the order of its *associations*.

    An association of a set with itself has one.
    """
    found: list[Navigation] = []
    for each in associations:
        to_second, to_first = each.names or (f"_{each.second}", f"_{each.first}")
        if each.first == name:
            found.append(_navigation(each, to_second, each.first, each.second, each.multiplicities))
        elif each.second == name:
            found.append(_navigation(each, to_first, each.second, each.first, each.multiplicities[::-1]))
    return tuple(found)


def _navigation(
    association: Association, name: str, source: str, target: str, multiplicities: tuple[str, str]
) -> Navigation:
    return Navigation(
        name=name,
        target=target,
        ends=ends_of(*multiplicities),
        back=source,
        target_type=target,
        linkable=association.linkable,
        association=f"{association.first}-{association.second}-assoc",
        role=f"{source}-{target}",
        target_role=f"{target}-{source}",
        multiplicities=multiplicities,
    )


# The constraints

ACTIONS: Final = frozenset({"exec", "relay", "relay.data", "relay.event", "log", "log.info", "log.warn", "log.error"})
"""What a rule may do."""

REQUEST_TYPES: Final = frozenset(
    f"{what}.{how}" for what in ("relation", "role", "rule") for how in ("add", "remove")
)
"""What the sender of a request asks for."""

MESSAGE_TYPES: Final = frozenset({"message", "request"})
MESSAGE_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "message": frozenset({"unread", "read"}),
    "request": frozenset({"none", "approved", "rejected"}),
}
"""What may become of a received message, by its type."""

MAX_TITLE_CHARS: Final = 256
MAX_BODY_BYTES: Final = 65_536
PRIORITIES: Final = range(1, 6)

_MESSAGE_ID: Final = re.compile(r".{32}")
_TITLE: Final = re.compile(rf".{{0,{MAX_TITLE_CHARS}}}")
_EVENT_TYPE: Final = re.compile(r"[a-zA-Z0-9\-_+:.]{0,127}")
_ADDRESSES: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/[1-9][0-9]*)?")


def matching(field: str, pattern: re.Pattern[str]) -> Callable[[str], None]:
    """The constraint that passes what *pattern* matches from end to end."""

    def check(text: str) -> None:
        if not pattern.fullmatch(text):
            raise Refusal(FIELD_FORMAT, field=field)

    return check


def one_of(field: str, words: Iterable[str]) -> Callable[[str], None]:
    """The constraint that passes one of *words*."""
    allowed = frozenset(words)

    def check(text: str) -> None:
        if text not in allowed:
            raise Refusal(FIELD_FORMAT, field=field)

    return check


def _uri(field: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not is_uri(text):
            raise Refusal(FIELD_FORMAT, field=field)

    return check


def _cell_url(field: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not is_cell_url(text):
            raise Refusal(EXT_CELL_URL_FORMAT, field=field)

    return check


def _cell_urls(field: str) -> Callable[[str], None]:
    """The constraint that passes URLs of cells with commas between them."""

    def check(text: str) -> None:
        if not all(is_cell_url(each) for each in text.split(",")):
            raise Refusal(FIELD_FORMAT, field=field)

    return check


def _schema_uri(text: str) -> None:
    if not is_schema_uri(text):
        raise Refusal(SCHEMA_URI_FORMAT, field="Schema")


def _account_types(text: str) -> None:
    """Pass different words with a blank between them; which words there are depends on the login plug-ins."""
    words = text.split(" ")
    if len(set(words)) < len(words) or "" in words:
        raise Refusal(FIELD_FORMAT, field="Type")


def _address_range(text: str) -> None:
    """Pass addresses, and networks by the length of their prefix.

    Netmasks and scopes, which accounts from before this check may have, are read by ``IPRange`` as they were.
    """
    if text and not all(_ADDRESSES.fullmatch(each) for each in text.split(",")):
        raise Refusal(FIELD_FORMAT, field="IPAddressRange")
    IPRange.parse(text)


def _priority(number: int) -> None:
    if number not in PRIORITIES:
        raise Refusal(FIELD_FORMAT, field="Priority")


# The associations of a cell

_MANY: Final = ("0..1", "*")

CELL_ASSOCIATIONS: Final = (
    Association("Box", "Role", _MANY),
    Association("Box", "Relation", _MANY),
    Association("Account", "Role"),
    Association("ExtCell", "Role"),
    Association("ExtCell", "Relation"),
    Association("ExtRole", "Role"),
    Association("ExtRole", "Relation", ("*", "1"), linkable=False),
    Association("Relation", "Role"),
    Association("Box", "ReceivedMessage", _MANY),
    Association("Box", "SentMessage", _MANY),
    Association("Account", "ReceivedMessage", names=("_ReceivedMessageRead", "_AccountRead")),
    Association("Box", "Rule", _MANY),
)
"""What may be linked in a cell."""


# The sets

_BOX_NAME: Final = Property("_Box.Name", nullable=True, constraint=matching("_Box.Name", BoxName.PATTERN))
_BOUND: Final = Owner(EntityKind.BOX, ("_Box.Name",), required=False)

CELL: Final = EntitySet(
    "Cell",
    UNIT_NAMESPACE,
    EntityKind.CELL,
    key=("Name",),
    properties=(Property("Name", constraint=CellName.parse),),
)
"""The one set of the unit."""

ROLE: Final = EntitySet(
    "Role",
    CELL_NAMESPACE,
    EntityKind.ROLE,
    key=("Name", "_Box.Name"),
    properties=(Property("Name", constraint=RoleName.parse), _BOX_NAME),
    owner=_BOUND,
    navigations=navigations_of("Role", CELL_ASSOCIATIONS),
)

BOX: Final = EntitySet(
    "Box",
    CELL_NAMESPACE,
    EntityKind.BOX,
    key=("Name",),
    properties=(
        Property("Name", constraint=BoxName.parse),
        Property("Schema", nullable=True, constraint=_schema_uri, unique=True, url=True),
    ),
    navigations=navigations_of("Box", CELL_ASSOCIATIONS),
)

ACCOUNT: Final = EntitySet(
    "Account",
    CELL_NAMESPACE,
    EntityKind.ACCOUNT,
    key=("Name",),
    properties=(
        Property("Name", constraint=AccountName.parse),
        Property("Type", default="basic", constraint=_account_types),
        Property("Cell", nullable=True, url=True),
        Property("IPAddressRange", nullable=True, constraint=_address_range),
        Property(
            "Status", nullable=True, default=AccountStatus.ACTIVE.value, constraint=one_of("Status", AccountStatus)
        ),
    ),
    navigations=navigations_of("Account", CELL_ASSOCIATIONS),
)

EXT_CELL: Final = EntitySet(
    "ExtCell",
    CELL_NAMESPACE,
    EntityKind.EXT_CELL,
    key=("Url",),
    properties=(Property("Url", constraint=_cell_url("Url"), url=True),),
    navigations=navigations_of("ExtCell", CELL_ASSOCIATIONS),
)

EXT_ROLE: Final = EntitySet(
    "ExtRole",
    CELL_NAMESPACE,
    EntityKind.EXT_ROLE,
    key=("ExtRole", "_Relation.Name", "_Relation._Box.Name"),
    properties=(
        Property("ExtRole", constraint=_uri("ExtRole"), url=True),
        Property("_Relation.Name", constraint=matching("_Relation.Name", RelationName.PATTERN)),
        Property("_Relation._Box.Name", nullable=True, constraint=matching("_Relation._Box.Name", BoxName.PATTERN)),
    ),
    owner=Owner(EntityKind.RELATION, ("_Relation.Name", "_Relation._Box.Name"), required=True),
    navigations=navigations_of("ExtRole", CELL_ASSOCIATIONS),
)

RELATION: Final = EntitySet(
    "Relation",
    CELL_NAMESPACE,
    EntityKind.RELATION,
    key=("Name", "_Box.Name"),
    properties=(Property("Name", constraint=RelationName.parse), _BOX_NAME),
    owner=_BOUND,
    navigations=navigations_of("Relation", CELL_ASSOCIATIONS),
)

# A rule's event and its action are what a request for a rule names too.
_EVENT: Final = (
    Property("EventSubject", nullable=True, constraint=_uri("EventSubject")),
    Property("EventType", nullable=True, constraint=matching("EventType", _EVENT_TYPE)),
    Property("EventObject", nullable=True),
    Property("EventInfo", nullable=True),
    Property("Action", nullable=True, constraint=one_of("Action", ACTIONS)),
)

REQUEST_OBJECT: Final = ComplexType(
    "Message_Request_Object",
    (
        Property("RequestType", constraint=one_of("RequestType", REQUEST_TYPES)),
        Property("Name", nullable=True),
        Property("TargetUrl", nullable=True),
        Property("ClassUrl", nullable=True),
        *_EVENT,
    ),
)
"""What one object of a request asks for; what its properties must be together depends on its RequestType."""

SENT_RESULT: Final = ComplexType(
    "Sent_Message_Result",
    (
        Property("To", nullable=True, constraint=_cell_url("To"), url=True),
        Property("Code", nullable=True),
        Property("Reason", nullable=True),
    ),
)
"""What one receiver of a message answered."""

_IN_REPLY_TO: Final = Property("InReplyTo", nullable=True, constraint=matching("InReplyTo", _MESSAGE_ID))
_MESSAGE: Final = (
    Property("Type", nullable=True, default="message", constraint=one_of("Type", MESSAGE_TYPES)),
    Property("Title", nullable=True, default="", constraint=matching("Title", _TITLE)),
    Property("Body", nullable=True, default="", max_bytes=MAX_BODY_BYTES),
    Property("Priority", EdmType.INT32, nullable=True, default=3, constraint=_priority),
)
_REQUEST_OBJECTS: Final = Property("RequestObjects", REQUEST_OBJECT, nullable=True, is_list=True)

RECEIVED_MESSAGE: Final = EntitySet(
    "ReceivedMessage",
    CELL_NAMESPACE,
    EntityKind.RECEIVED_MESSAGE,
    key=("__id",),
    properties=(
        Property("__id", generated=True, constraint=matching("__id", _MESSAGE_ID)),
        _BOX_NAME,
        _IN_REPLY_TO,
        Property("From", constraint=_cell_url("From"), url=True),
        Property("MulticastTo", nullable=True, constraint=_cell_urls("MulticastTo")),
        *_MESSAGE,
        Property("Status", constraint=one_of("Status", frozenset().union(*MESSAGE_STATUSES.values()))),
        _REQUEST_OBJECTS,
    ),
    owner=_BOUND,
    navigations=navigations_of("ReceivedMessage", CELL_ASSOCIATIONS),
)

SENT_MESSAGE: Final = EntitySet(
    "SentMessage",
    CELL_NAMESPACE,
    EntityKind.SENT_MESSAGE,
    key=("__id",),
    properties=(
        Property("__id", generated=True, constraint=matching("__id", _MESSAGE_ID)),
        _BOX_NAME,
        _IN_REPLY_TO,
        Property("To", nullable=True, constraint=_cell_urls("To")),
        Property("ToRelation", nullable=True, constraint=matching("ToRelation", RelationName.PATTERN)),
        *_MESSAGE,
        _REQUEST_OBJECTS,
        Property("Result", SENT_RESULT, nullable=True, is_list=True),
    ),
    owner=_BOUND,
    navigations=navigations_of("SentMessage", CELL_ASSOCIATIONS),
)

RULE: Final = EntitySet(
    "Rule",
    CELL_NAMESPACE,
    EntityKind.RULE,
    key=("Name", "_Box.Name"),
    properties=(
        Property("Name", nullable=True, generated=True, constraint=matching("Name", EntityId.PATTERN)),
        _BOX_NAME,
        Property("EventExternal", EdmType.BOOLEAN, nullable=True, default=False),
        *_EVENT,
        Property("TargetUrl", nullable=True),
    ),
    owner=_BOUND,
    navigations=navigations_of("Rule", CELL_ASSOCIATIONS),
)
"""What holds between a rule's properties is checked by ``rules.check_rule``."""

CELL_SETS: Final[Mapping[str, EntitySet]] = {
    each.name: each
    for each in (ROLE, BOX, ACCOUNT, EXT_CELL, EXT_ROLE, RELATION, RECEIVED_MESSAGE, SENT_MESSAGE, RULE)
}
"""The control entity sets of a cell by name."""

CELL_COMPLEX_TYPES: Final = (SENT_RESULT, REQUEST_OBJECT)
"""The complex types that the properties of those sets have."""

_AUTH: Final = Guard(CellPrivilege.AUTH_READ, CellPrivilege.AUTH)
_SOCIAL: Final = Guard(CellPrivilege.SOCIAL_READ, CellPrivilege.SOCIAL)
_MESSAGES: Final = Guard(CellPrivilege.MESSAGE_READ, CellPrivilege.MESSAGE)

GUARDS: Final[Mapping[str, Guard]] = {
    "Box": Guard(CellPrivilege.BOX_READ, CellPrivilege.BOX),
    "Account": _AUTH,
    "Role": _AUTH,
    "ExtRole": _AUTH,
    "Relation": _SOCIAL,
    "ExtCell": _SOCIAL,
    "ReceivedMessage": _MESSAGES,
    "SentMessage": _MESSAGES,
    "Rule": Guard(CellPrivilege.RULE_READ, CellPrivilege.RULE),
}
"""What the sets of a cell need, by their names."""

_READ_MARKS: Final = frozenset({"_ReceivedMessageRead", "_AccountRead"})
LINK_GUARDS: Final[Mapping[str, Guard]] = dict.fromkeys(_READ_MARKS, _MESSAGES)
"""What links along these navigation properties need, in place of what their two sets do."""

BLOCKING: Final[Mapping[EntityKind, tuple[EntityKind, ...]]] = {
    EntityKind.BOX: (
        EntityKind.ROLE,
        EntityKind.RELATION,
        EntityKind.RULE,
        EntityKind.RECEIVED_MESSAGE,
        EntityKind.SENT_MESSAGE,
    ),
    EntityKind.RELATION: (EntityKind.EXT_ROLE,),
}
"""The kinds whose entities keep one of the first kind from being deleted while they refer to it."""

_READ_AND_DELETE: Final = frozenset({"POST", "PUT", "MERGE", "PATCH"})

UNSERVED: Final[Mapping[str, frozenset[str]]] = {
    "Rule": frozenset({"MERGE", "PATCH"}),
    "ReceivedMessage": _READ_AND_DELETE,
    "SentMessage": _READ_AND_DELETE,
}
"""The methods that a set, or an entity of it, does not take, by the set's name."""
