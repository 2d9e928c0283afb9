"""Tokens given: the password and refresh grants, the cookie, the change of one's own password.

What does not belong here: the check of a password (``logins``) and the form of a token (``wire.tokens``).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import (
    AUTH_REQUIRED,
    CLIENT_ASSERTION_UNREADABLE,
    CREDENTIAL_MISSING,
    NOT_A_REFRESH_TOKEN,
    NOT_IMPLEMENTED,
    PARAMETER_REQUIRED,
    PASSWORD_CHANGE_REQUIRED,
    PASSWORD_FORMAT,
    TOKEN_EXPIRED,
    TOKEN_UNREADABLE,
    UNKNOWN_GRANT_TYPE,
    Refusal,
)
from alveary.model.accounts import AccountStatus
from alveary.model.cell import Cell
from alveary.model.keep import LoginHistory
from alveary.model.privileges import GRANTED_BY, CellPrivilege
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases.access import Access
from alveary.usecases.authentication import find_account
from alveary.usecases.logins import log_in
from alveary.wire.tokens import COOKIE_PURPOSE, LocalToken, TokenKind

_PASSWORD_CHARS: Final = range(1, 257)
_PASSWORD_CHANGE_S: Final = 3600
_CLIENT_PARAMETERS: Final = ("client_id", "client_secret", "client_assertion", "client_assertion_type")
_PRIVILEGES: Final = {privilege.value: privilege for privilege in CellPrivilege}

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token request gets.

    ``cookie`` and ``cookie_peer`` are there when the client asked for them; ``history`` is what was known of the
    account before, after a password grant.
    """

    access_token: str
    expires_in_s: int
    refresh_token: str
    refresh_expires_in_s: int
    scope: tuple[str, ...]
    cookie: str | None = None
    cookie_peer: str | None = None
    history: LoginHistory | None = None


async def grant(ports: Ports, cell: Cell, form: Form, *, address: str | None, client_auth: bool) -> Grant:
    """The tokens that *form* asks for; *client_auth*: the request names a client by its Authorization header.

    Raises:
        Refusal: UNKNOWN_GRANT_TYPE, PARAMETER_REQUIRED, AUTHENTICATION_FAILED, PASSWORD_CHANGE_REQUIRED,
            TOKEN_UNREADABLE, TOKEN_EXPIRED, NOT_A_REFRESH_TOKEN, CLIENT_ASSERTION_UNREADABLE, NOT_IMPLEMENTED.
    """
    if not form:
        raise Refusal(PARAMETER_REQUIRED, name="grant_type")
    lives = (
        _life_s(form, "expires_in", ports.config.auth.access_token_s),
        _life_s(form, "refresh_token_expires_in", ports.config.auth.refresh_token_s),
    )
    if client_auth or any(form.get(name) for name in _CLIENT_PARAMETERS):
        raise Refusal(CLIENT_ASSERTION_UNREADABLE)  # apps prove themselves by trans-cell tokens alone
    if form.get("p_target") or form.get("p_owner") == "true":
        raise Refusal(NOT_IMPLEMENTED)
    match form.get("grant_type"):
        case "password":
            given = await _by_password(ports, cell, form, lives, address)
        case "refresh_token":
            given = await _by_refresh(ports, cell, form, lives)
        case other:
            raise Refusal(UNKNOWN_GRANT_TYPE, value=other or "")
    if form.get("p_cookie") == "true":
        return _with_cookie(ports, given)
    return given


def _life_s(form: Form, name: str, longest_s: int) -> int:
    raw = form.get(name)
    if raw is None or raw == "":
        return longest_s
    if not re.fullmatch(r"[0-9]{1,6}", raw) or not 1 <= int(raw) <= longest_s:
        raise Refusal(PARAMETER_REQUIRED, name=name)
    return int(raw)


async def _by_password(ports: Ports, cell: Cell, form: Form, lives: tuple[int, int], address: str | None) -> Grant:
    name, password = form.get("username"), form.get("password")
    if not name or not password:
        raise Refusal(PARAMETER_REQUIRED, name="username" if not name else "password")
    login = await log_in(ports, cell, name, password, address)
    account = login.account
    if account.status is AccountStatus.PASSWORD_CHANGE_REQUIRED:
        change = LocalToken(
            TokenKind.PASSWORD_CHANGE,
            cell.id,
            cell.contents,
            account.id,
            account.name,
            ports.clock.now_ms(),
            _PASSWORD_CHANGE_S,
            None,
            (),
        )
        raise Refusal(
            PASSWORD_CHANGE_REQUIRED,
            access_token=change.render(ports.keys.seal),
            last_authenticated=login.before.last_authenticated_ms,
            failed_count=login.before.failed_count,
        )
    scope = arbitrate(form.get("scope", ""), ports.config.auth.scope_ropc)
    given = _issue(ports, cell, (account.id, account.name), lives, scope)
    return replace(given, history=login.before)


def arbitrate(requested: str, most: str) -> tuple[str, ...]:
    """The scopes given to one who asks for *requested*: what *most* covers, or *most* when nothing is asked for."""
    if not requested.strip():
        return tuple(most.split())
    bound = frozenset(most.split())
    return tuple(
        word
        for word in dict.fromkeys(requested.split())
        if word in _PRIVILEGES and not bound.isdisjoint(GRANTED_BY[_PRIVILEGES[word]])
    )


def _issue(
    ports: Ports, cell: Cell, account: tuple[str, str], lives: tuple[int, int], scope: tuple[str, ...]
) -> Grant:
    def token(kind: TokenKind, life_s: int) -> str:
        fresh = LocalToken(
            kind, cell.id, cell.contents, *account, ports.clock.now_ms(), life_s, schema=None, scope=scope
        )
        return fresh.render(ports.keys.seal)

    access_s, refresh_s = lives
    return Grant(
        access_token=token(TokenKind.ACCESS, access_s),
        expires_in_s=access_s,
        refresh_token=token(TokenKind.REFRESH, refresh_s),
        refresh_expires_in_s=refresh_s,
        scope=scope,
    )


async def _by_refresh(ports: Ports, cell: Cell, form: Form, lives: tuple[int, int]) -> Grant:
    raw = form.get("refresh_token")
    if not raw:
        raise Refusal(TOKEN_UNREADABLE)
    token = LocalToken.parse(raw, ports.keys.unseal)
    if token is None or token.cell_id != cell.id:
        raise Refusal(TOKEN_UNREADABLE)
    if token.kind is not TokenKind.REFRESH:
        raise Refusal(NOT_A_REFRESH_TOKEN)
    if token.expired(ports.clock.now_ms()):
        raise Refusal(TOKEN_EXPIRED)

    async def find(tx: ReadTx) -> tuple[str, str] | None:
        account = await find_account(tx, cell, token)
        if account is None or account.values.get("Status") not in {None, AccountStatus.ACTIVE}:
            return None
        return account.id, account.key

    account = await ports.store.contents(cell).read(find)
    if account is None:
        raise Refusal(TOKEN_UNREADABLE)
    return _issue(ports, cell, account, lives, token.scope)


def _with_cookie(ports: Ports, given: Grant) -> Grant:
    peer = ports.ids.hex()
    sealed = ports.keys.seal(COOKIE_PURPOSE, f"{peer}\t{given.access_token}".encode())
    cookie = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    return replace(given, cookie=cookie, cookie_peer=peer)


def check_password(ports: Ports, password: str) -> None:
    """Return when *password* may be one: 1 to 256 characters of the configured form.

    Raises:
        Refusal: PASSWORD_FORMAT.
    """
    if len(password) not in _PASSWORD_CHARS or not re.fullmatch(ports.config.auth.password_regex, password):
        raise Refusal(PASSWORD_FORMAT)


async def change_own_password(ports: Ports, access: Access, password: str | None) -> None:
    """Give the account that is asking a new password; one that had to change it is active again.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, SCOPE_TOO_SMALL, CREDENTIAL_MISSING, PASSWORD_FORMAT.
    """
    cell, account_id = access.require_account(CellPrivilege.AUTH)
    if password is None:
        raise Refusal(CREDENTIAL_MISSING)
    check_password(ports, password)
    credential = await ports.passwords.hash(password)

    async def save(tx: WriteTx) -> None:
        entity = await tx.entities.get(account_id)
        if entity is None:
            raise Refusal(AUTH_REQUIRED)
        values = dict(entity.values)
        if values.get("Status") == AccountStatus.PASSWORD_CHANGE_REQUIRED:
            values["Status"] = AccountStatus.ACTIVE.value
        changed = replace(
            entity,
            version=entity.version + 1,
            updated_ms=tx.now_ms,
            values=values,
            hidden={**entity.hidden, **credential.as_hidden()},
        )
        await tx.entities.save(changed)

    await ports.store.contents(cell).write(save)
