"""Who asks: every kind of subject, what it holds, and how it comes by its credentials."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, product
from typing import Any, Protocol
from urllib.parse import quote

from tests.authorization.privileges import BOX_PRIVILEGES, CELL_PRIVILEGES
from tests.running import MASTER, Site
from tests.tokens import decoded, encoded

PASSWORD = "password-1"
APP, OTHER_APP = "app", "other-app"
"""The cells of two apps; with ``#c`` behind it, what the first is when it keeps its secret."""
USERS = "unit-users"
"""The cell whose accounts are the unit's users."""


class Who(Enum):
    """The kinds of subjects that are treated differently."""

    ANONYMOUS = auto()
    REFUSED = auto()
    """Credentials that are no good: they give what everyone has."""
    PASSWORD_CHANGE = auto()
    MEMBER = auto()
    """An account of the cell, or a visitor."""
    UNIT_USER = auto()
    UNIT_ADMIN = auto()


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal: status and code."""

    status: int
    code: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}"


NOT_KNOWN = Said(401, "PR401-AU-0001")
EXPIRED = Said(401, "PR401-AU-0002")
UNKNOWN_SCHEME = Said(401, "PR401-AU-0003")
BASIC_MALFORMED = Said(401, "PR401-AU-0004")
UNREADABLE = Said(401, "PR401-AU-0006")
BAD_SIGNATURE = Said(401, "PR401-AU-0008")
REFRESH_TOKEN = Said(401, "PR401-AU-0007")
COOKIE = Said(401, "PR401-AU-0009")
BASIC_FAILED = Said(401, "PR401-AU-0011")
PASSWORD_CHANGE_ONLY = Said(401, "PR401-AU-0012")
UNIT_USER_NEEDED = Said(403, "PR403-AU-0001")
LACKING = Said(403, "PR403-AU-0002")
NOT_OWNED = Said(403, "PR403-AU-0003")
SCHEMA_MISMATCH = Said(403, "PR403-AU-0005")
SCHEMA_LEVEL = Said(403, "PR403-AU-0006")
SCOPE = Said(403, "PR403-AU-0007")
CLIENT_MALFORMED = Said(400, "PR400-AN-0018")
CLIENT_UNPROVED = Said(400, "PR400-AN-0003")

Sent = Mapping[str, str]
"""The headers that a subject sends; ``p_cookie_peer`` among them goes into the query."""

PEER = "p_cookie_peer"

Sends = Callable[["Here", "Principal"], Sent]


@dataclass(frozen=True, slots=True)
class Principal:
    """A subject.

    ``refusal`` says why its credentials are no good, ``at_unit`` what it hears at unit level if that is not what its
    kind hears. ``resident``: it is an account of the cell. ``has_login``: its token can be ended. ``of_app`` is the
    app that its token was issued to; ``proves_app``: what it sends is the proof of an app, where one is asked for.
    ``contents`` is what a unit user may do with the contents of cells; ``owns``: the cell is theirs.
    """

    name: str
    who: Who
    sends: Sends
    refusal: Said = NOT_KNOWN
    at_unit: Said | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("root",)
    of_app: str | None = None
    basic: bool = False
    resident: bool = False
    has_login: bool = False
    proves_app: bool = False
    contents: str = "none"
    owns: bool = False

    @property
    def words(self) -> frozenset[str]:
        """Its roles, and the words by which an ACL grants to it."""
        stranger = self.who in {Who.ANONYMOUS, Who.REFUSED}
        return frozenset({*self.roles, "all", "unauthenticated" if stranger else "authenticated"})


def held(place: str, privilege: str) -> str:
    """The role that is granted *privilege* there."""
    return f"{place}-{privilege}"


ROOT = held("cell", "root")

FRIEND, PARTNER, CLINIC = "friend", "partner", "clinic"
"""Cells that every other one knows: as such, by a relation, and by a role that it has there."""


# How credentials are come by


class Here(Protocol):
    """Where credentials are for: a cell among others of a unit."""

    @property
    def site(self) -> Site: ...
    @property
    def unit_url(self) -> str: ...
    def cell(self, name: str) -> Site:
        """Another cell of the unit, which is made when it is not there."""


def account(site: Site, name: str, roles: tuple[str, ...] = ()) -> str:
    """The name of an account with those roles, made when it is not there."""
    name = name.replace(" ", "-")
    credential = {"X-Personium-Credential": PASSWORD}
    if site.call("POST", "__ctl/Account", json={"Name": name}, headers=credential).status_code == 201:
        for role in roles:
            site.call("POST", "__ctl/Role", json={"Name": role})
            link = {"uri": f"{site.url}__ctl/Role('{role}')"}
            assert site.call("POST", f"__ctl/Account('{name}')/$links/_Role", json=link).status_code == 204
    return name


def _bearer(token: object) -> Sent:
    return {"Authorization": f"Bearer {token}"}


def _basic(name: str, password: str) -> Sent:
    pair = base64.b64encode(f"{quote(name, safe='')}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _text(authorization: str) -> Sends:
    return lambda here, who: {"Authorization": authorization}


def _nothing(here: Here, who: Principal) -> Sent:
    return {}


def _granted(here: Here, who: Principal, **form: str) -> Mapping[str, Any]:
    answer = here.site.grant(account(here.site, who.name, who.roles), PASSWORD, scope=" ".join(who.scopes), **form)
    return {**answer.json(), "cookie": answer.headers.get("set-cookie", "").split(";")[0]}


def _token(here: Here, who: Principal) -> Sent:
    return _bearer(_granted(here, who)["access_token"])


def _token_of_an_app(here: Here, who: Principal) -> Sent:
    assert who.of_app is not None
    return _bearer(_granted(here, who, **_proof(here, who.of_app))["access_token"])


def _proof(here: Here, app: str) -> Mapping[str, str]:
    """What *app* shows at the cell's token endpoint."""
    name, hash_sign, _ = app.partition("#")
    site = here.cell(name)
    prover = account(site, "trusted", ("confidentialClient",)) if hash_sign else account(site, "me")
    return {"client_id": site.url, "client_secret": site.token(prover, PASSWORD, p_target=here.site.url)}


def _basic_of_an_app(here: Here, who: Principal) -> Sent:
    proof = _proof(here, APP)
    return _basic(proof["client_id"], proof["client_secret"])


def _short_token(here: Here, who: Principal) -> Sent:
    return _bearer(_granted(here, who, expires_in="1")["access_token"])


def _refresh_token(here: Here, who: Principal) -> Sent:
    return _bearer(_granted(here, who)["refresh_token"])


def _revoked_token(here: Here, who: Principal) -> Sent:
    sent = _token(here, who)
    assert here.site.call("POST", "__logout", token=None, headers=sent).status_code == 204
    return sent


def _token_of_the_deleted(here: Here, who: Principal) -> Sent:
    sent = _token(here, who)
    assert here.site.call("DELETE", f"__ctl/Account('{account(here.site, who.name)}')").status_code == 204
    return sent


def _with_status(status: str) -> Sends:
    """A token that was got before the account had *status*, or with it."""

    def send(here: Here, who: Principal) -> Sent:
        before = _token(here, who)
        path = f"__ctl/Account('{account(here.site, who.name)}')"
        assert here.site.call("MERGE", path, json={"Status": status}).status_code == 204
        return _bearer(_granted(here, who)["access_token"]) if status == "passwordChangeRequired" else before

    return send


def _token_of_another_cell(here: Here, who: Principal) -> Sent:
    site = here.cell("elsewhere")
    return _bearer(site.token(account(site, "alice"), PASSWORD))


def _cookie(here: Here, who: Principal) -> Sent:
    given = _granted(here, who, p_cookie="true")
    here.site.http.cookies.clear()
    return {"Cookie": given["cookie"], PEER: given["p_cookie_peer"]}


def _cookie_without_its_peer(here: Here, who: Principal) -> Sent:
    return {**_cookie(here, who), PEER: "another"}


def _own_basic(here: Here, who: Principal) -> Sent:
    return _basic(account(here.site, who.name, who.roles), PASSWORD)


# Credentials of other cells, and of the unit's users


def _vouched(here: Here, home: str, name: str, target: str, **form: str) -> str:
    """A token by which the cell *home* vouches for its account at *target*."""
    site = here.cell(home)
    return site.token(account(site, name, ("doctor",) if name == "doctor" else ()), PASSWORD, p_target=target, **form)


def _visiting(home: str, name: str = "alice", **form: str) -> Sends:
    return lambda here, who: _bearer(_vouched(here, home, name, here.site.url, **form))


def _visiting_in_two_hops(here: Here, who: Principal) -> Sent:
    between = here.cell("elsewhere")
    form = {"assertion": _vouched(here, FRIEND, "alice", between.url), "p_target": here.site.url}
    return _bearer(_by_assertion(between, form)["access_token"])


def _staying(home: str, name: str = "alice", *, app: str | None = None) -> Sends:
    """A visitor's token of the cell itself."""

    def send(here: Here, who: Principal) -> Sent:
        form = {"assertion": _vouched(here, home, name, here.site.url), **(_proof(here, app) if app else {})}
        return _bearer(_by_assertion(here.site, form)["access_token"])

    return send


def _by_assertion(site: Site, form: Mapping[str, str]) -> Mapping[str, Any]:
    fields = {"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", **form}
    answer = site.call("POST", "__token", token=None, data=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _changed(here: Here, who: Principal) -> Sent:
    token = decoded(_vouched(here, FRIEND, "alice", here.site.url))
    return _bearer(encoded(token.replace(b"#alice", b"#malice")))


def _for_another_cell(here: Here, who: Principal) -> Sent:
    return _bearer(_vouched(here, FRIEND, "alice", here.cell("elsewhere").url))


def _for_the_unit(here: Here, who: Principal) -> Sent:
    return _bearer(_vouched(here, FRIEND, "alice", here.unit_url))


def subject(here: Here, name: str) -> str:
    """The unit user of that name."""
    return f"{here.cell(USERS).url}#{name}"


def _as_unit_user(name: str) -> Sends:
    return lambda here, who: {**_bearer(MASTER), "X-Personium-Unit-User": subject(here, name)}


def _unit_user(name: str, *roles: str, acting_as: str | None = None) -> Sends:
    """A token of the unit user *name* while it has those roles in the cell of the unit's users."""

    def send(here: Here, who: Principal) -> Sent:
        users = here.cell(USERS)
        users.call("DELETE", f"__ctl/Account('{name}')")
        account(users, name, roles)
        sent = _bearer(users.token(name, PASSWORD, p_target=here.unit_url))
        return {**sent, "X-Personium-Unit-User": subject(here, acting_as)} if acting_as else sent

    return send


# The subjects


def _refused(name: str, sends: Sends, why: Said, at_unit: Said | None = None) -> Principal:
    return Principal(name, Who.REFUSED, sends, why, at_unit)


STRANGERS = (
    Principal("nobody", Who.ANONYMOUS, _nothing),
    _refused("garbage", _text("Bearer garbage"), UNREADABLE),
    _refused("garbage with a prefix", _text("Bearer AR~garbage"), UNREADABLE),
    _refused("another scheme", _text("Digest x"), UNKNOWN_SCHEME),
    _refused("malformed Basic", _text("Basic bm9jb2xvbg=="), BASIC_MALFORMED),
    _refused("wrong Basic", _text("Basic bm9ib2R5Ong="), BASIC_FAILED),
    _refused("refresh token", _refresh_token, REFRESH_TOKEN),
    _refused("expired token", _short_token, EXPIRED),
    _refused("revoked token", _revoked_token, EXPIRED, UNIT_USER_NEEDED),
    _refused("token of the deleted", _token_of_the_deleted, NOT_KNOWN, UNIT_USER_NEEDED),
    _refused("token of the deactivated", _with_status("deactivated"), NOT_KNOWN, UNIT_USER_NEEDED),
    _refused("token of another cell", _token_of_another_cell, UNREADABLE, UNIT_USER_NEEDED),
    _refused("cookie without its peer", _cookie_without_its_peer, COOKIE),
    Principal(
        "password change token", Who.PASSWORD_CHANGE, _with_status("passwordChangeRequired"), PASSWORD_CHANGE_ONLY
    ),
)
"""Those who are let in where everyone is, or not even there."""


def member(name: str, *roles: str, scopes: tuple[str, ...] = ("root",)) -> Principal:
    """An account with those roles, and a token of those scopes."""
    return Principal(name, Who.MEMBER, _token, roles=roles, scopes=scopes, resident=True, has_login=True)


MEMBERS = (
    member("no roles"),
    member("root", ROOT),
    member("root in the scope of auth-read", ROOT, scopes=("auth-read",)),
    member("root in the scope of message and box", ROOT, scopes=("message", "box")),
    member("root in the scope of openid", ROOT, scopes=("openid",)),
    Principal("cookie of root", Who.MEMBER, _cookie, roles=(ROOT,), resident=True, has_login=True),
    Principal("Basic without roles", Who.MEMBER, _own_basic, basic=True, at_unit=BASIC_FAILED),
    Principal("Basic of root", Who.MEMBER, _own_basic, roles=(ROOT,), basic=True, at_unit=BASIC_FAILED),
)


def _app(name: str, app: str, *roles: str) -> Principal:
    return Principal(name, Who.MEMBER, _token_of_an_app, roles=roles, of_app=app, resident=True, has_login=True)


OTHERS = (
    Principal("visitor by its cell", Who.MEMBER, _staying(FRIEND), roles=(ROOT,), has_login=True),
    _app("app of root", APP, ROOT),
    Principal("master", Who.UNIT_ADMIN, _text(f"Bearer {MASTER}"), contents="admin", owns=True),
    Principal("master as the owner", Who.UNIT_USER, _as_unit_user("owner"), owns=True),
    Principal("master as a stranger", Who.UNIT_USER, _as_unit_user("stranger")),
)

KINDS = (*STRANGERS, *MEMBERS, *OTHERS)
"""A subject of every kind."""


def _visitor(name: str, sends: Sends, *roles: str, scopes: tuple[str, ...] = ("root",)) -> Principal:
    return Principal(name, Who.MEMBER, sends, roles=roles, scopes=scopes)


def _user(name: str, sends: Sends, contents: str, *, owns: bool, admin: bool = False) -> Principal:
    who = Who.UNIT_ADMIN if admin else Who.UNIT_USER
    return Principal(name, who, sends, contents=contents, owns=owns)


READER, KEEPER, ADMIN = "CellContentsReader", "CellContentsAdmin", "UnitAdmin"

VISITORS = (
    _visitor("guest by its cell", _visiting(FRIEND), ROOT),
    _visitor("guest in the scope of auth-read", _visiting(FRIEND, scope="auth-read"), ROOT, scopes=("auth-read",)),
    _visitor("guest by a relation", _visiting(PARTNER), ROOT),
    _visitor("guest by a role of its cell", _visiting(CLINIC, "doctor"), ROOT),
    _visitor("guest without that role", _visiting(CLINIC, "clerk")),
    _visitor("guest of a cell that is not known", _visiting("elsewhere")),
    _visitor("guest in two hops", _visiting_in_two_hops),
    Principal("visitor by a relation", Who.MEMBER, _staying(PARTNER), roles=(ROOT,), has_login=True),
    Principal("visitor by a role of its cell", Who.MEMBER, _staying(CLINIC, "doctor"), roles=(ROOT,), has_login=True),
    Principal("visitor without that role", Who.MEMBER, _staying(CLINIC, "clerk"), has_login=True),
    Principal("app of a visitor", Who.MEMBER, _staying(FRIEND, app=APP), roles=(ROOT,), of_app=APP, has_login=True),
    _refused("changed guest", _changed, BAD_SIGNATURE),
    _refused("guest of another cell", _for_another_cell, UNREADABLE, UNIT_USER_NEEDED),
    _refused("guest of the unit", _for_the_unit, UNREADABLE, UNIT_USER_NEEDED),
    _refused("expired guest", _visiting(FRIEND, expires_in="1"), EXPIRED),
)
"""Those whom other cells vouch for."""

APPS = (
    _app("app without roles", APP),
    _app("confidential app of root", f"{APP}#c", ROOT),
    _app("another app of root", OTHER_APP, ROOT),
    _app("another confidential app of root", f"{OTHER_APP}#c", ROOT),
    Principal("Basic of an app", Who.REFUSED, _basic_of_an_app, BASIC_FAILED, proves_app=True),
)

UNIT_USERS = (
    _user("the owner", _unit_user("owner"), "none", owns=True),
    _user("the owner as reader", _unit_user("owner", READER), "reader", owns=True),
    _user("the owner as keeper", _unit_user("owner", KEEPER), "admin", owns=True),
    _user("the owner as both", _unit_user("owner", READER, KEEPER), "admin", owns=True),
    _user("a stranger as keeper", _unit_user("stranger", KEEPER), "admin", owns=False),
    _user(
        "a stranger who would be the owner", _unit_user("stranger", KEEPER, acting_as="owner"), "admin", owns=False
    ),
    _user("an administrator", _unit_user("chief", ADMIN), "none", owns=True, admin=True),
    _user("an administrator as reader", _unit_user("chief", ADMIN, READER), "reader", owns=True, admin=True),
    _user("an administrator as keeper", _unit_user("chief", ADMIN, KEEPER), "admin", owns=True, admin=True),
    _user("an administrator as the owner", _unit_user("chief", ADMIN, acting_as="owner"), "none", owns=True),
    _user("a keeper as the owner", _unit_user("chief", ADMIN, KEEPER, acting_as="owner"), "admin", owns=True),
    _user("a keeper as a stranger", _unit_user("chief", ADMIN, KEEPER, acting_as="stranger"), "admin", owns=False),
)
"""The unit's users and administrators, by tokens of the cell that has their accounts."""

FURTHER = (*VISITORS, *APPS, *UNIT_USERS)
"""More of the same kinds, by other ways."""


def told_apart(subjects: Iterable[Principal]) -> tuple[Principal, ...]:
    """One of each that an ACL of a box can tell from the others."""

    def seen(who: Principal) -> tuple[object, ...]:
        return who.who, who.basic, who.roles, who.of_app, who.contents, who.owns

    return tuple({seen(who): who for who in reversed(tuple(subjects))}.values())


def holders(place: str, privileges: Iterable[str]) -> Iterator[Principal]:
    """An account for each of *privileges* there."""
    return (member(f"{privilege} on {place}", held(place, privilege)) for privilege in privileges)


ENDS = (
    ("box", "auth"),
    ("box", "social"),
    ("box", "rule"),
    ("box", "message"),
    ("auth", "social"),
    ("auth", "message"),
)
"""The privileges of the two ends of links, where they are two."""


def _of_both_ends() -> Iterator[Principal]:
    """Accounts that hold what the ends of links need, whole or in part."""
    for one, other in ENDS:
        for both in product((one, f"{one}-read"), (other, f"{other}-read")):
            yield member(" and ".join(both), *(held("cell", each) for each in both))


ON_CELL = tuple(holders("cell", (*CELL_PRIVILEGES, "all")))
OF_ENDS = (
    *(member(f"{each} alone", held("cell", each)) for each in dict.fromkeys(chain(*ENDS))),
    *_of_both_ends(),
)
IN_COLLECTIONS = (*holders("cell", BOX_PRIVILEGES), *holders("own", BOX_PRIVILEGES))
IN_BOXES = (
    *IN_COLLECTIONS,
    *holders("box", BOX_PRIVILEGES),
    *holders("collection", BOX_PRIVILEGES),
    member("leaves the collection", held("collection", "unbind"), held("box", "bind")),
    member(
        "leaves the collection and replaces", held("collection", "unbind"), held("box", "bind"), held("box", "unbind")
    ),
)
