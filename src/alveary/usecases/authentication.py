"""From the credentials of a request to an :class:`Access`.

Credentials that are not accepted refuse nothing here: their owner has what everyone has, and where that is not
enough, hears why. What does not belong here: the check of a password (``logins``), and what may be done (``access``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from alveary.errors import (
    ACCESS_TOKEN_EXPIRED,
    ACCESS_TOKEN_SIGNATURE,
    ACCESS_TOKEN_UNREADABLE,
    AUTH_REQUIRED,
    BASIC_AUTH_FAILED,
    BASIC_MALFORMED,
    COOKIE_AUTH_FAILED,
    REFRESH_TOKEN_AS_ACCESS,
    UNKNOWN_AUTH_SCHEME,
    Kind,
    Refusal,
)
from alveary.model import acl as acls
from alveary.model.accounts import AccountStatus, Epoch
from alveary.model.acl import Acl
from alveary.model.cell import Cell
from alveary.model.entities import Entity
from alveary.ports import Ports
from alveary.ports.store import ReadTx, RegistryReadTx
from alveary.usecases import assertions, families
from alveary.usecases.access import EVERYONE, Access, ContentsRole, Who
from alveary.usecases.assertions import Assertion, Fault
from alveary.usecases.cell_settings import representatives
from alveary.usecases.logins import log_in
from alveary.usecases.roles import ROLE_PATH, of_visitor, speaks_for_itself
from alveary.usecases.scopes import covers
from alveary.wire.tokens import (
    REFRESHING,
    LocalToken,
    Owner,
    Resident,
    TokenKind,
    Visitor,
    open_cookie,
)

_KNOWN: Final = frozenset({acls.ALL, acls.AUTHENTICATED})
_ROOT_SCOPE: Final = frozenset({"root"})
_LONG_TOKEN_CHARS: Final = 512
_FAULTS: Final[Mapping[Fault, Kind]] = {
    Fault.UNREADABLE: ACCESS_TOKEN_UNREADABLE,
    Fault.SIGNATURE: ACCESS_TOKEN_SIGNATURE,
    Fault.EXPIRED: ACCESS_TOKEN_EXPIRED,
    Fault.AUDIENCE: ACCESS_TOKEN_UNREADABLE,
}
_WHO: Final[Mapping[TokenKind, Who]] = {
    TokenKind.ACCESS: Who.ACCOUNT,
    TokenKind.VISITOR_ACCESS: Who.VISITOR,
    TokenKind.PASSWORD_CHANGE: Who.PASSWORD_CHANGE,
    TokenKind.UNIT_USER: Who.UNIT_USER,
}
"""Whom a local token makes of who holds it; tokens of other kinds give no access."""

_OF_THE_UNIT: Final = frozenset({Who.UNIT_USER, Who.UNIT_ADMIN})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought: headers, the cookie and its peer value from the query, the client's address."""

    authorization: str | None = None
    cookie: str | None = None
    cookie_peer: str | None = None
    unit_user: str | None = None
    address: str | None = None


async def authenticate(ports: Ports, cell: Cell | None, credentials: Credentials) -> Access:
    """Who sent *credentials*, as the cell (None: the unit) knows them."""
    authorization = credentials.authorization
    if authorization is None:
        if credentials.cookie_peer is None:
            return await _everyone(ports, cell, credentials)
        token = _token_of_cookie(ports, credentials)
        if token is None:
            return await _everyone(ports, cell, credentials, COOKIE_AUTH_FAILED)
        return await _bearer(ports, cell, credentials, token)
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return await _bearer(ports, cell, credentials, value.strip())
        case "basic":
            return await _basic(ports, cell, credentials, value.strip())
        case _:
            return await _everyone(ports, cell, credentials, UNKNOWN_AUTH_SCHEME)


async def _everyone(ports: Ports, cell: Cell | None, credentials: Credentials, refusal: Kind | None = None) -> Access:
    return Access(
        cell,
        Who.ANONYMOUS if refusal is None else Who.REFUSED,
        EVERYONE,
        await _cell_acl(ports, cell),
        refusal=refusal,
    )


async def _cell_acl(ports: Ports, cell: Cell | None) -> Acl:
    if cell is None:
        return acls.EMPTY

    async def find(tx: ReadTx) -> Acl:
        return (await tx.nodes.root()).acl

    return await ports.store.contents(cell).read(find)


class KnownTokens:
    """Tokens that were read before, with what they give, as long as nothing that decides it has changed."""

    def __init__(self, bound: int = 4096) -> None:
        """Remember at most *bound* tokens."""
        self._bound = bound
        self._known: dict[tuple[str, str | bytes], tuple[Cell, object, int, Access]] = {}

    def find(self, ports: Ports, cell: Cell, authorization: str) -> Access | None:
        """What *authorization* gives in *cell*, if that is known and still so."""
        key = cell.id, _shortened(authorization)
        found = self._known.get(key)
        if found is None:
            return None
        known_cell, stamp, until_ms, access = found
        if known_cell is cell and until_ms > ports.clock.now_ms() and stamp == ports.store.access_stamp(cell):
            return access
        del self._known[key]
        return None

    async def learn(self, ports: Ports, cell: Cell, authorization: str, credentials: Credentials) -> Access:
        """Who sent *credentials*, *authorization* among them, which is remembered."""
        stamp = ports.store.access_stamp(cell)
        access = await authenticate(ports, cell, credentials)
        self._remember(ports, cell, authorization, access, stamp)
        return access

    def _remember(self, ports: Ports, cell: Cell, authorization: str, access: Access, stamp: object) -> None:
        """Remember *access*, found after *stamp* was taken, when a token of limited life gave it.

        What the unit's own users may do depends on more than their token.
        """
        if access.until_ms is None or access.who in _OF_THE_UNIT:
            return
        if len(self._known) >= self._bound:
            self._known.clear()
        self._known[cell.id, _shortened(authorization)] = cell, stamp, access.until_ms, access


def _shortened(authorization: str) -> str | bytes:
    """*authorization*, or what stands for it: trans-cell tokens have thousands of characters."""
    if len(authorization) <= _LONG_TOKEN_CHARS:
        return authorization
    return hashlib.sha256(authorization.encode()).digest()


# Bearer


async def _bearer(ports: Ports, cell: Cell | None, credentials: Credentials, raw: str) -> Access:
    token = LocalToken.parse(raw, ports.keys.unseal)
    if token is not None:
        return await _local(ports, cell, credentials, token)
    if ports.keys.is_master_token(raw) or ports.keys.is_operator_token(raw):
        if credentials.unit_user is None:
            return await _of_the_unit(ports, cell, Who.UNIT_ADMIN, contents_role=ContentsRole.ADMIN)
        return await _of_the_unit(ports, cell, Who.UNIT_USER, ports.urls.to_local(credentials.unit_user))
    return await _trans_cell(ports, cell, credentials, raw)


async def _local(ports: Ports, cell: Cell | None, credentials: Credentials, token: LocalToken) -> Access:
    refusal = await _refusal_of(ports, cell, token)
    if refusal is not None:
        return await _everyone(ports, cell, credentials, refusal)
    holder = token.holder
    if isinstance(holder, Owner):
        return await _of_the_unit(ports, cell, Who.UNIT_USER, holder.subject)
    if cell is None:
        return Access(None, _WHO[token.kind], _KNOWN, acls.EMPTY)
    if isinstance(holder, Visitor):
        found = await _visiting(ports, cell, holder, token.scope, token.schema, token.until_ms)
        return replace(found, family=token.family)
    return await _residing(ports, cell, credentials, token, holder)


async def _refusal_of(ports: Ports, cell: Cell | None, token: LocalToken) -> Kind | None:
    """Why *token* gives nothing here; None when it does."""
    if token.kind in REFRESHING:
        return REFRESH_TOKEN_AS_ACCESS
    holder = token.holder
    if token.kind not in _WHO or (isinstance(holder, Owner) and not ports.config.auth.owner_representatives):
        return ACCESS_TOKEN_UNREADABLE
    if token.expired(ports.clock.now_ms()):
        return ACCESS_TOKEN_EXPIRED
    if isinstance(holder, Owner):
        return None if await _represents(ports, token, holder) else ACCESS_TOKEN_EXPIRED
    if cell is None:
        return None
    if token.cell_id != cell.id:
        return ACCESS_TOKEN_UNREADABLE
    return ACCESS_TOKEN_EXPIRED if await families.is_revoked(ports, cell, token.family) else None


async def _represents(ports: Ports, token: LocalToken, owner: Owner) -> bool:
    """Whether the account that got *token* may still act as *owner*, by what its own cell says now."""

    async def get(tx: RegistryReadTx) -> Cell | None:
        return await tx.cells.get(token.cell_id)

    cell = await ports.registry.read(get)
    if cell is None or await families.is_revoked(ports, cell, token.family):
        return False

    async def ask(tx: ReadTx) -> bool:
        account = await find_account(tx, cell, owner.account)
        if account is None or account.values.get("Status") not in {None, AccountStatus.ACTIVE}:
            return False
        counts = Epoch.of(account.hidden).counts(token.epoch, token.family)
        return counts and account.key in representatives(await tx.nodes.root())

    return await ports.store.contents(cell).read(ask)


async def _residing(
    ports: Ports, cell: Cell, credentials: Credentials, token: LocalToken, holder: Resident
) -> Access:
    async def resolve(tx: ReadTx) -> tuple[Entity | None, frozenset[str], Acl]:
        account = await find_account(tx, cell, holder)
        roles = await tx.principals.roles_of(account.id) if account is not None else frozenset()
        return account, roles, (await tx.nodes.root()).acl

    account, roles, cell_acl = await ports.store.contents(cell).read(resolve)
    if account is None or account.values.get("Status") == AccountStatus.DEACTIVATED:
        return await _everyone(ports, cell, credentials, AUTH_REQUIRED)
    if not Epoch.of(account.hidden).counts(token.epoch, token.family):
        return await _everyone(ports, cell, credentials, ACCESS_TOKEN_EXPIRED)
    return Access(
        cell,
        _WHO[token.kind],
        roles | _KNOWN,
        cell_acl,
        subject=account.key,
        account_id=account.id,
        schema=token.schema,
        scopes=frozenset(token.scope),
        until_ms=token.until_ms,
        family=token.family,
        epoch=token.epoch,
    )


async def find_account(tx: ReadTx, cell: Cell, holder: Resident) -> Entity | None:
    """The account that *holder* was: by id, or by name when the cell was imported since."""
    account = await tx.principals.account(holder.id)
    if account is None and holder.contents != cell.contents:
        return await tx.principals.account_named(holder.name)
    return account


async def _visiting(
    ports: Ports, cell: Cell, visitor: Visitor, scopes: tuple[str, ...], schema: str | None, until_ms: int
) -> Access:
    async def resolve(tx: ReadTx) -> tuple[frozenset[str], Acl]:
        return await of_visitor(tx, ports.urls, visitor), (await tx.nodes.root()).acl

    roles, cell_acl = await ports.store.contents(cell).read(resolve)
    return Access(
        cell,
        Who.VISITOR,
        roles | _KNOWN,
        cell_acl,
        subject=visitor.subject,
        schema=schema,
        scopes=frozenset(scopes),
        until_ms=until_ms,
    )


# Tokens of other cells, and of the unit's users


async def _trans_cell(ports: Ports, cell: Cell | None, credentials: Credentials, raw: str) -> Access:
    """What a trans-cell token gives: it is good in the cell, or at the unit, that it is meant for."""
    unit_url = ports.urls.unit_url
    here = () if cell is None else (ports.urls.cell_url(cell.name),)
    assertion = assertions.judge(ports, raw, (unit_url, *here))
    if isinstance(assertion, Fault):
        if assertion is Fault.AUDIENCE and cell is None:
            return Access(None, Who.VISITOR, _KNOWN, acls.EMPTY)
        return await _everyone(ports, cell, credentials, _FAULTS[assertion])
    if assertion.audience.rstrip("/") == unit_url.rstrip("/"):
        if _makes_unit_users(ports, assertion):
            return await _unit_user(ports, cell, credentials, assertion)
        if cell is None:
            return Access(None, Who.VISITOR, _KNOWN, acls.EMPTY)
        return await _everyone(ports, cell, credentials, ACCESS_TOKEN_UNREADABLE)
    assert cell is not None
    most = frozenset(ports.config.auth.scope_assertion.split())
    scopes = tuple(word for word in assertion.scopes if covers(most, word))
    schema = ports.urls.to_local(assertion.schema) if assertion.schema else None
    visitor = Visitor(assertion.subject, assertion.issuer, assertion.roles)
    return await _visiting(ports, cell, visitor, scopes, schema, assertion.expires_ms)


def _makes_unit_users(ports: Ports, assertion: Assertion) -> bool:
    """Whether its issuer does, and of an account of its own: what it hands on of its visitors makes none."""
    listed = {ports.urls.to_local(each) for each in ports.config.unit_user_issuers}
    own = speaks_for_itself(ports.urls, assertion.subject, assertion.issuer)
    return own and ports.urls.to_local(assertion.issuer) in listed


async def _unit_user(ports: Ports, cell: Cell | None, credentials: Credentials, assertion: Assertion) -> Access:
    named = {
        role.removeprefix(f"{assertion.issuer}{ROLE_PATH}")
        for role in assertion.roles
        if role.startswith(f"{assertion.issuer}{ROLE_PATH}")
    }
    contents_role = next((role for name, role in _CONTENTS_ROLES if name in named), ContentsRole.NONE)
    # An administrator acts as one, or as the unit user that it names.
    subject = credentials.unit_user if "UnitAdmin" in named else assertion.subject
    if subject is None:
        return await _of_the_unit(ports, cell, Who.UNIT_ADMIN, contents_role=contents_role)
    return await _of_the_unit(ports, cell, Who.UNIT_USER, ports.urls.to_local(subject), contents_role)


_CONTENTS_ROLES: Final = (("CellContentsAdmin", ContentsRole.ADMIN), ("CellContentsReader", ContentsRole.READER))
"""Names of roles in the issuing cell, the stronger one first."""


async def _of_the_unit(
    ports: Ports,
    cell: Cell | None,
    who: Who,
    subject: str | None = None,
    contents_role: ContentsRole = ContentsRole.NONE,
) -> Access:
    may_all = who is Who.UNIT_ADMIN and contents_role is ContentsRole.ADMIN
    cell_acl = acls.EMPTY if may_all else await _cell_acl(ports, cell)
    return Access(cell, who, _KNOWN, cell_acl, subject=subject, contents_role=contents_role)


# Cookie


def _token_of_cookie(ports: Ports, credentials: Credentials) -> str | None:
    opened = open_cookie(credentials.cookie or "", ports.keys.unseal)
    if opened is None:
        return None
    peer, token = opened
    return token if hmac.compare_digest(peer.encode(), (credentials.cookie_peer or "").encode()) else None


# Basic


async def _basic(ports: Ports, cell: Cell | None, credentials: Credentials, raw: str) -> Access:
    pair = _name_and_password(raw)
    if pair is None:
        return await _everyone(ports, cell, credentials, BASIC_MALFORMED)
    if cell is None:
        return await _everyone(ports, cell, credentials, BASIC_AUTH_FAILED)
    try:
        login = await log_in(ports, cell, *pair, credentials.address)
    except Refusal:
        return await _everyone(ports, cell, credentials, BASIC_AUTH_FAILED)
    account = login.account

    async def resolve(tx: ReadTx) -> tuple[frozenset[str], Acl]:
        return await tx.principals.roles_of(account.id), (await tx.nodes.root()).acl

    roles, cell_acl = await ports.store.contents(cell).read(resolve)
    changing = account.status is AccountStatus.PASSWORD_CHANGE_REQUIRED
    return Access(
        cell,
        Who.PASSWORD_CHANGE if changing else Who.ACCOUNT,
        roles | _KNOWN,
        cell_acl,
        subject=account.name,
        account_id=account.id,
        scopes=_ROOT_SCOPE,
        basic=True,
    )


def _name_and_password(raw: str) -> tuple[str, str] | None:
    try:
        text = base64.b64decode(raw, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (unquote(name), unquote(password)) if colon else None
