"""From the credentials of a request to an :class:`Access`.

Credentials that are not accepted refuse nothing here: their owner has what everyone has, and where that is not
enough, hears why. What does not belong here: the check of a password (``logins``), and what may be done (``access``).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from alveary.errors import (
    ACCESS_TOKEN_EXPIRED,
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
from alveary.model.accounts import AccountStatus
from alveary.model.acl import Acl
from alveary.model.cell import Cell
from alveary.model.entities import Entity
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases.access import Access, ContentsRole, Who
from alveary.usecases.logins import log_in
from alveary.wire.tokens import COOKIE_PURPOSE, LocalToken, TokenKind, decode_base64url

_EVERYONE: Final = frozenset({acls.ALL, acls.UNAUTHENTICATED})
_KNOWN: Final = frozenset({acls.ALL, acls.AUTHENTICATED})
_ROOT_SCOPE: Final = frozenset({"root"})


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
        _EVERYONE,
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
        self._known: dict[tuple[str, str], tuple[Cell, object, int, Access]] = {}

    def find(self, ports: Ports, cell: Cell, authorization: str) -> Access | None:
        """What *authorization* gives in *cell*, if that is known and still so."""
        found = self._known.get((cell.id, authorization))
        if found is None:
            return None
        known_cell, stamp, until_ms, access = found
        if known_cell is cell and until_ms > ports.clock.now_ms() and stamp == ports.store.access_stamp(cell):
            return access
        del self._known[cell.id, authorization]
        return None

    def remember(self, ports: Ports, cell: Cell, authorization: str, access: Access, stamp: object) -> None:
        """Remember *access*, found after *stamp* was taken, when a token of limited life gave it."""
        if access.who is not Who.ACCOUNT or access.until_ms is None:
            return
        if len(self._known) >= self._bound:
            self._known.clear()
        self._known[cell.id, authorization] = cell, stamp, access.until_ms, access


# Bearer


async def _bearer(ports: Ports, cell: Cell | None, credentials: Credentials, raw: str) -> Access:
    token = LocalToken.parse(raw, ports.keys.unseal)
    if token is None:
        if ports.keys.is_master_token(raw) or ports.keys.is_operator_token(raw):
            return _unit(cell, credentials)
        return await _everyone(ports, cell, credentials, ACCESS_TOKEN_UNREADABLE)
    if token.kind is TokenKind.REFRESH:
        return await _everyone(ports, cell, credentials, REFRESH_TOKEN_AS_ACCESS)
    if token.expired(ports.clock.now_ms()):
        return await _everyone(ports, cell, credentials, ACCESS_TOKEN_EXPIRED)
    who = Who.ACCOUNT if token.kind is TokenKind.ACCESS else Who.PASSWORD_CHANGE
    if cell is None:
        return Access(None, who, _KNOWN, acls.EMPTY)
    if token.cell_id != cell.id:
        return await _everyone(ports, cell, credentials, ACCESS_TOKEN_UNREADABLE)

    async def resolve(tx: ReadTx) -> tuple[Entity | None, frozenset[str], Acl]:
        account = await find_account(tx, cell, token)
        roles = await tx.principals.roles_of(account.id) if account is not None else frozenset()
        return account, roles, (await tx.nodes.root()).acl

    account, roles, cell_acl = await ports.store.contents(cell).read(resolve)
    if account is None or account.values.get("Status") == AccountStatus.DEACTIVATED:
        return await _everyone(ports, cell, credentials, AUTH_REQUIRED)
    return Access(
        cell,
        who,
        roles | _KNOWN,
        cell_acl,
        subject=account.key,
        account_id=account.id,
        schema=token.schema,
        scopes=frozenset(token.scope),
        until_ms=token.issued_ms + token.life_s * 1000,
    )


async def find_account(tx: ReadTx, cell: Cell, token: LocalToken) -> Entity | None:
    """The account that *token* was issued to: by id, or by name when the cell was imported since."""
    account = await tx.principals.account(token.account_id)
    if account is None and token.contents != cell.contents:
        return await tx.principals.account_named(token.account)
    return account


def _unit(cell: Cell | None, credentials: Credentials) -> Access:
    if credentials.unit_user is not None:
        return Access(
            cell,
            Who.UNIT_USER,
            _KNOWN,
            acls.EMPTY,
            subject=credentials.unit_user,
        )
    return Access(
        cell,
        Who.UNIT_ADMIN,
        _KNOWN,
        acls.EMPTY,
        contents_role=ContentsRole.ADMIN,
    )


# Cookie


def _token_of_cookie(ports: Ports, credentials: Credentials) -> str | None:
    sealed = decode_base64url(credentials.cookie or "")
    plain = ports.keys.unseal(COOKIE_PURPOSE, sealed) if sealed else None
    if plain is None:
        return None
    peer, _, token = plain.decode().partition("\t")
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
