"""The JSON form of access control lists: as snapshots carry them and as stores keep them.

The XML form in JSON clothes: prefix ``D`` for ``DAV:``, ``p`` for Personium's own namespace, ``@`` before
attributes. A principal is a role's id or one of three words. What does not belong here: whether the role
exists, and the XML form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from alveary.model.acl import ALL, AUTHENTICATED, SCHEMA_AUTHZ_LEVELS, UNAUTHENTICATED, Ace, Acl
from alveary.model.entities import JsonValue
from alveary.model.privileges import DAV_NAMESPACE, NAMESPACE, PERSONIUM_NAMESPACE, Privilege

_PREFIX: Final = {DAV_NAMESPACE: "D", PERSONIUM_NAMESPACE: "p"}
_WORD_OF: Final[dict[Privilege, str]] = {each: f"{_PREFIX[ns]}.{each.value}" for each, ns in NAMESPACE.items()}
_PRIVILEGE_OF: Final = {word: privilege for privilege, word in _WORD_OF.items()}
_PRINCIPAL_WORDS: Final = {f"D.{word}": word for word in (ALL, AUTHENTICATED, UNAUTHENTICATED)}

_LEVEL: Final = "@p.requireSchemaAuthz"
_OLD_LEVEL: Final = "@requireSchemaAuthz"  # as Personium wrote it before 1.7.20


def parse_acl(form: object) -> Acl:
    """The list that *form* spells: a JSON object, where one entry may stand for a list of one.

    Whatever an entry says beyond principal and grant is refused: an unread ``D.deny`` would open doors.

    Raises:
        ValueError: *form* is not of that shape, or names a privilege or level that does not exist.
    """
    members = _object(form, "an ACL")
    level = members.get(_LEVEL) or members.get(_OLD_LEVEL) or None
    if level is not None and level not in SCHEMA_AUTHZ_LEVELS:
        raise ValueError(f"requireSchemaAuthz is {level!r}")
    return Acl(tuple(_parse_ace(each) for each in _each(members.get("D.ace"))), level)


def render_acl(acl: Acl) -> dict[str, JsonValue]:
    """The form of *acl* that Personium writes; an empty one is an empty object."""
    form: dict[str, JsonValue] = {}
    if acl.aces:
        form["D.ace"] = [_render_ace(ace) for ace in acl.aces]
    if acl.require_schema_authz is not None:
        form[_LEVEL] = acl.require_schema_authz
    return form


def _parse_ace(form: object) -> Ace:
    members = _object(form, "an ACE")
    if unknown := members.keys() - {"D.principal", "D.grant"}:
        raise ValueError(f"an ACE holds {min(unknown)}")
    grant = _object(members.get("D.grant"), "a grant")
    words = (word for each in _each(grant.get("D.privilege")) for word in _object(each, "a privilege"))
    return Ace(_parse_principal(members.get("D.principal")), tuple(map(_parse_privilege, words)))


def _parse_principal(form: object) -> str:
    members = _object(form, "a principal")
    if len(members) == 1:
        ((word, value),) = members.items()
        if word in _PRINCIPAL_WORDS:
            return _PRINCIPAL_WORDS[word]
        if word == "D.href" and isinstance(value, str) and value and value not in _PRINCIPAL_WORDS.values():
            return value
    raise ValueError("a principal is neither a role nor one of the known words")


def _render_ace(ace: Ace) -> JsonValue:
    principal: dict[str, JsonValue] = {"D.href": ace.principal}
    if f"D.{ace.principal}" in _PRINCIPAL_WORDS:
        principal = {f"D.{ace.principal}": ""}
    privileges: list[JsonValue] = [{_WORD_OF[each]: {}} for each in ace.privileges]
    return {"D.principal": principal, "D.grant": {"D.privilege": privileges}}


def _parse_privilege(word: str) -> Privilege:
    try:
        return _PRIVILEGE_OF[word]
    except KeyError:
        raise ValueError(f"there is no privilege {word}") from None


def _each(form: object) -> Iterator[object]:
    """The elements of a list, or the one value that stands for it; nothing for an empty text or null."""
    if isinstance(form, list):
        yield from form
    elif form not in (None, ""):
        yield form


def _object(form: object, what: str) -> Mapping[str, object]:
    """*form* as an object; an empty text or null is one without members."""
    if form in (None, ""):
        return {}
    if not isinstance(form, dict):
        raise ValueError(f"{what} is not an object")
    return form
