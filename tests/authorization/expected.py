"""What the specification answers: who may do what, told by the tables alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.authorization.principals import (
    BASIC_FAILED,
    BASIC_MALFORMED,
    CLIENT_MALFORMED,
    CLIENT_UNPROVED,
    LACKING,
    NOT_KNOWN,
    NOT_OWNED,
    PASSWORD_CHANGE_ONLY,
    SCHEMA_LEVEL,
    SCHEMA_MISMATCH,
    SCOPE,
    UNIT_USER_NEEDED,
    Principal,
    Said,
    Who,
)
from tests.authorization.privileges import READING, covers
from tests.authorization.rows import Chain, Either, OnBox, OnCell, Right, Row, Special

ALLOWED = None
Verdict = Said | None

Granted = Mapping[str, Mapping[str, tuple[str, ...]]]
"""By place and by role, or word for everyone, the privileges that are granted there."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The ACLs of a cell: what is granted, the app authentication that is asked for by place, the app of the box."""

    granted: Granted
    levels: Mapping[str, str]
    app: str | None = None


STRANGERS = {Who.ANONYMOUS, Who.REFUSED}
OF_THE_UNIT = {Who.UNIT_USER, Who.UNIT_ADMIN}


def verdict(row: Row, who: Principal, rules: Rules, sent: Mapping[str, str]) -> Verdict:
    """The answer to *row*."""
    if row.method == "OPTIONS" and "Authorization" not in sent:
        return ALLOWED  # a browser's question, answered to anyone
    if isinstance(row.need, Special):
        return _SPECIAL[row.need](who, rules)
    refusals = [_right(right, who, rules) for right in row.need.rights]
    if isinstance(row.need, Either):
        return ALLOWED if ALLOWED in refusals else refusals[0]
    return next((each for each in refusals if each is not ALLOWED), ALLOWED)


def challenges(said: Verdict, row: Row, rules: Rules, realm: str) -> tuple[str, ...]:
    """What comes with *said*: how to do better, where it is a matter of who asks."""
    if said is ALLOWED or said.status != 401:
        return ()
    takes_basic = row.path.startswith("{box}") and rules.app is None
    schemes = ("Bearer", "Basic") if takes_basic else ("Bearer",)
    return tuple(f'{scheme} realm="{realm}"' for scheme in schemes)


# Rights


def _right(right: Right, who: Principal, rules: Rules) -> Verdict:
    if _contents_are_open(who, right.privilege):
        return ALLOWED
    if who.who is Who.PASSWORD_CHANGE:
        return PASSWORD_CHANGE_ONLY
    return _on_cell(right, who, rules) if isinstance(right, OnCell) else _on_box(right, who, rules)


def _contents_are_open(who: Principal, privilege: str) -> bool:
    """To whom the unit itself opens them."""
    return who.owns and (who.contents == "admin" or (who.contents == "reader" and privilege in READING))


def _on_cell(right: OnCell, who: Principal, rules: Rules) -> Verdict:
    if not _granted(right.privilege, ("cell",), _unless_basic(who), rules):
        return _refusal(_unless_basic(who))
    bounded = who.who is Who.MEMBER and not who.basic
    if bounded and not any(covers(scope, right.privilege) for scope in who.scopes):
        return SCOPE
    return ALLOWED


def _on_box(right: OnBox, who: Principal, rules: Rules) -> Verdict:
    level = next((rules.levels[place] for place in reversed(right.chain) if place in rules.levels), "none")
    app = rules.app if "box" in right.chain else None
    refusal = _app_refusal(level, who, app)
    if refusal is not ALLOWED:
        return refusal
    known = _unless_basic(who) if app is not None or "nowhere" in right.chain else who
    return ALLOWED if _granted(right.privilege, right.chain, known, rules) else _refusal(known)


def _app_refusal(level: str, who: Principal, app: str | None) -> Verdict:
    """What the app authentication that a box asks for makes of *who*."""
    if level == "none" or who.owns:
        return ALLOWED
    if who.who in STRANGERS:
        return who.refusal
    own = who.of_app
    if app is not None and (own is None or own.removesuffix("#c") != app):
        return SCHEMA_MISMATCH
    if own is None or (level == "confidential" and not own.endswith("#c")):
        return SCHEMA_LEVEL
    return ALLOWED


def _unless_basic(who: Principal) -> Principal:
    """What is left of *who* where Basic authentication is not taken."""
    return Principal(who.name, Who.REFUSED, who.sends, NOT_KNOWN) if who.basic else who


def _granted(privilege: str, chain: Chain, who: Principal, rules: Rules) -> bool:
    return any(
        covers(each, privilege)
        for place in chain
        for word in who.words
        for each in rules.granted.get(place, {}).get(word, ())
    )


def _refusal(who: Principal) -> Said:
    return who.refusal if who.who in STRANGERS else LACKING


# What is no matter of an ACL


def _unit(who: Principal, rules: Rules) -> Verdict:
    if who.who in OF_THE_UNIT:
        return ALLOWED
    if who.at_unit is not None:
        return who.at_unit
    return UNIT_USER_NEEDED if who.who is Who.MEMBER else who.refusal


def _admin(who: Principal, rules: Rules) -> Verdict:
    refusal = _unit(who, rules)
    return LACKING if refusal is ALLOWED and who.who is not Who.UNIT_ADMIN else refusal


def _known(who: Principal, rules: Rules) -> Verdict:
    if who.who is Who.PASSWORD_CHANGE:
        return PASSWORD_CHANGE_ONLY
    if who.basic:
        return NOT_KNOWN
    return who.refusal if who.who in STRANGERS else ALLOWED


def _owned_cell(who: Principal, rules: Rules) -> Verdict:
    refusal = _unit(who, rules)
    return NOT_OWNED if refusal is ALLOWED and not who.owns else refusal


def _here(who: Principal, unowned: Said) -> Verdict:
    """What is for the cell's owner, at the cell's own URL."""
    if who.who in OF_THE_UNIT:
        return ALLOWED if who.owns else unowned
    if who.basic:
        return NOT_KNOWN
    return UNIT_USER_NEEDED if who.who is Who.MEMBER else who.refusal


def _own_account(who: Principal, rules: Rules) -> Verdict:
    if who.who is Who.PASSWORD_CHANGE:
        return ALLOWED
    if who.basic:
        return NOT_KNOWN
    if who.who is not Who.MEMBER:
        return _refusal(who)
    if not who.resident:
        return LACKING
    return ALLOWED if any(covers(scope, "auth") for scope in who.scopes) else SCOPE


def _login(who: Principal, rules: Rules) -> Verdict:
    if who.basic or who.who is Who.PASSWORD_CHANGE or who.who in STRANGERS:
        return NOT_KNOWN if who.basic else who.refusal
    return ALLOWED if who.has_login else LACKING


_AS_CLIENT = {BASIC_FAILED: CLIENT_UNPROVED, BASIC_MALFORMED: CLIENT_MALFORMED}


def _introspection(who: Principal, rules: Rules) -> Verdict:
    if who.proves_app:
        return ALLOWED
    if who.basic or who.refusal in _AS_CLIENT:  # Basic there names an app
        return _AS_CLIENT.get(who.refusal, CLIENT_UNPROVED)
    if who.who is Who.PASSWORD_CHANGE or who.who in STRANGERS:
        return who.refusal
    return ALLOWED if who.owns or who.of_app is not None else LACKING


def _box_of_app(who: Principal, rules: Rules) -> Verdict:
    if rules.app is None:
        return _no_such_box(who, rules)
    if who.of_app is not None and who.of_app.removesuffix("#c") == rules.app:
        return ALLOWED
    return _right(OnBox("read", ("cell", "box")), who, rules)


def _no_such_box(who: Principal, rules: Rules) -> Verdict:
    if who.basic:
        return NOT_KNOWN
    return who.refusal if who.who is Who.PASSWORD_CHANGE else _refusal(who)


_SPECIAL: Mapping[Special, Callable[[Principal, Rules], Verdict]] = {
    Special.NOTHING: lambda who, rules: ALLOWED,
    Special.UNIT: _unit,
    Special.ADMIN: _admin,
    Special.KNOWN: _known,
    Special.OWNED_CELL: _owned_cell,
    Special.OWNED_HERE: lambda who, rules: _here(who, NOT_OWNED),
    Special.UNIT_USER_HERE: lambda who, rules: _here(who, UNIT_USER_NEEDED),
    Special.OWN_ACCOUNT: _own_account,
    Special.LOGIN: _login,
    Special.INTROSPECTION: _introspection,
    Special.BOX_OF_APP: _box_of_app,
    Special.NO_SUCH_BOX: _no_such_box,
}
