"""What the token endpoint gives: tokens for a password, a refresh token, an assertion, a code, or a plug-in's word.

What does not belong here: the check of a password (``logins``), the app that asks (``clients``), the forms of tokens
(``wire``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from alveary.errors import (
    BAD_TARGET,
    CELL_WITHOUT_OWNER,
    CLIENT_AUTH_REQUIRED,
    CLIENT_MISMATCH,
    CODE_INVALID,
    NOT_A_REFRESH_TOKEN,
    OWNER_GRANT_REFUSED,
    OWNER_NOT_REPRESENTED,
    PARAMETER_REQUIRED,
    PASSWORD_CHANGE_REQUIRED,
    TOKEN_EXPIRED,
    TOKEN_SIGNATURE,
    TOKEN_TARGET,
    TOKEN_UNREADABLE,
    UNKNOWN_GRANT_TYPE,
    Kind,
    Refusal,
)
from alveary.model.accounts import Account, AccountStatus, Epoch
from alveary.model.apps import app_of
from alveary.model.cell import Cell
from alveary.model.keep import LoginHistory
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases import assertions, families
from alveary.usecases.assertions import Fault
from alveary.usecases.authentication import find_account
from alveary.usecases.cell_settings import representatives
from alveary.usecases.clients import ClientClaim, authenticate_client
from alveary.usecases.logins import Login, log_in
from alveary.usecases.plugin_logins import log_in_by_plugin
from alveary.usecases.roles import class_urls, of_visitor, speaks_for_itself
from alveary.usecases.scopes import OPENID, arbitrate, narrowed
from alveary.usecases.signing import id_token
from alveary.wire import pkce
from alveary.wire.tokens import (
    REFRESHING,
    CodeBinding,
    Holder,
    LocalToken,
    Owner,
    Resident,
    TokenKind,
    Visitor,
    seal_cookie,
)

_PASSWORD_CHANGE_S: Final = 3600
_FAULTS: Final[Mapping[Fault, Kind]] = {
    Fault.UNREADABLE: TOKEN_UNREADABLE,
    Fault.SIGNATURE: TOKEN_SIGNATURE,
    Fault.EXPIRED: TOKEN_EXPIRED,
    Fault.AUDIENCE: TOKEN_TARGET,
}

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token request gets.

    ``target`` is there when the access token is a trans-cell one, ``cookie`` and ``cookie_peer`` when the client
    asked for them, ``history``, what was known of the account before, after a login.
    """

    access_token: str
    expires_in_s: int
    scope: tuple[str, ...]
    refresh_token: str | None = None
    refresh_expires_in_s: int = 0
    id_token: str | None = None
    target: str | None = None
    cookie: str | None = None
    cookie_peer: str | None = None
    history: LoginHistory | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a token request asks for, whatever it is granted for. ``app`` is the schema that a client proved."""

    form: Form
    address: str | None
    app: str | None
    access_s: int
    refresh_s: int
    target: str | None

    @property
    def for_owner(self) -> bool:
        """Whether a token that represents the cell's owner is asked for."""
        return self.form.get("p_owner") == "true"


@dataclass(frozen=True, slots=True)
class Granted:
    """Who gets tokens, in which family, for which app and with which scopes."""

    holder: Holder
    family: str
    app: str | None
    scope: tuple[str, ...]


async def grant(ports: Ports, cell: Cell, form: Form, *, address: str | None, authorization: str | None) -> Grant:
    """The tokens that *form* asks for; *authorization* is the header by which a client may name itself.

    Raises:
        Refusal: UNKNOWN_GRANT_TYPE, PARAMETER_REQUIRED, BAD_TARGET, AUTHENTICATION_FAILED, PASSWORD_CHANGE_REQUIRED,
            TOKEN_UNREADABLE, TOKEN_EXPIRED, TOKEN_SIGNATURE, TOKEN_TARGET, NOT_A_REFRESH_TOKEN, CODE_INVALID,
            CLIENT_AUTH_REQUIRED, CLIENT_MISMATCH, ACL_ROLE_MISSING, those of clients.authenticate_client and of
            plugin_logins.log_in_by_plugin, OWNER_GRANT_REFUSED, OWNER_NOT_REPRESENTED, CELL_WITHOUT_OWNER.
    """
    if not form:
        raise Refusal(PARAMETER_REQUIRED, name="grant_type")
    asked = Asked(
        form,
        address,
        target=_target(ports, form),
        access_s=life_s(form, "expires_in", ports.config.auth.access_token_s),
        refresh_s=life_s(form, "refresh_token_expires_in", ports.config.auth.refresh_token_s),
        app=authenticate_client(ports, cell, ClientClaim.of(form, authorization)),
    )
    grant_type = form.get("grant_type", "")
    how = _GRANTS.get(grant_type) or (_by_plugin if grant_type in ports.login_plugins else None)
    if how is None:
        raise Refusal(UNKNOWN_GRANT_TYPE, value=grant_type)
    given = await how(ports, cell, asked)
    if form.get("p_cookie") == "true" and asked.target is None:
        return _with_cookie(ports, given)
    return given


def life_s(form: Form, name: str, longest_s: int) -> int:
    """The life that *form* asks for, the longest when it asks for none.

    Raises:
        Refusal: PARAMETER_REQUIRED.
    """
    raw = form.get(name)
    if raw is None or raw == "":
        return longest_s
    if not re.fullmatch(r"[0-9]{1,6}", raw) or not 1 <= int(raw) <= longest_s:
        raise Refusal(PARAMETER_REQUIRED, name=name)
    return int(raw)


def _target(ports: Ports, form: Form) -> str | None:
    raw = form.get("p_target")
    if not raw:
        return None
    url = ports.urls.to_http(raw)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Refusal(BAD_TARGET) from None
    if parts.scheme not in {"http", "https"} or not parts.netloc or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise Refusal(BAD_TARGET)
    return url if url.endswith("/") else f"{url}/"


# The grants


async def _by_password(ports: Ports, cell: Cell, asked: Asked) -> Grant:
    name, password = asked.form.get("username"), asked.form.get("password")
    if not name or not password:
        raise Refusal(PARAMETER_REQUIRED, name="username" if not name else "password")
    login = await log_in(ports, cell, name, password, asked.address)
    return await _after_login(ports, cell, asked, login)


async def _by_plugin(ports: Ports, cell: Cell, asked: Asked) -> Grant:
    login = await log_in_by_plugin(ports, cell, asked.form["grant_type"], asked.form, asked.address)
    return await _after_login(ports, cell, asked, login)


async def _after_login(ports: Ports, cell: Cell, asked: Asked, login: Login) -> Grant:
    if login.account.status is AccountStatus.PASSWORD_CHANGE_REQUIRED:
        raise Refusal(
            PASSWORD_CHANGE_REQUIRED,
            access_token=password_change_token(ports, cell, login.account),
            last_authenticated=login.before.last_authenticated_ms,
            failed_count=login.before.failed_count,
        )
    holder = resident(cell, login.account)
    if asked.for_owner:
        return await _for_owner(ports, cell, asked, holder, ports.ids.new())
    requested = asked.form.get("scope", "").split()
    scope = await arbitrate(ports, cell, requested, ports.config.auth.scope_ropc)
    given = await _give(ports, cell, asked, Granted(holder, ports.ids.new(), asked.app, scope))
    return replace(given, history=login.before)


async def _by_refresh(ports: Ports, cell: Cell, asked: Asked) -> Grant:
    token = LocalToken.parse(asked.form.get("refresh_token", ""), ports.keys.unseal)
    if token is None or token.cell_id != cell.id:
        raise Refusal(TOKEN_UNREADABLE)
    if token.kind not in REFRESHING:
        raise Refusal(NOT_A_REFRESH_TOKEN)
    if token.expired(ports.clock.now_ms()):
        raise Refusal(TOKEN_EXPIRED)
    if asked.app != token.schema:
        raise Refusal(CLIENT_AUTH_REQUIRED if asked.app is None else CLIENT_MISMATCH)
    if await families.is_revoked(ports, cell, token.family):
        raise Refusal(TOKEN_UNREADABLE)
    holder = token.holder
    if isinstance(holder, Resident):
        holder = await _still_here(ports, cell, holder, token.family, TOKEN_UNREADABLE)
    if asked.for_owner:
        return await _for_owner(ports, cell, asked, holder, token.family)
    scope = narrowed(token.scope, asked.form.get("scope", ""))
    return await _give(ports, cell, asked, Granted(holder, token.family, token.schema, scope))


async def _by_assertion(ports: Ports, cell: Cell, asked: Asked) -> Grant:
    if asked.for_owner:
        raise Refusal(OWNER_GRANT_REFUSED)
    assertion = assertions.judge(ports, asked.form.get("assertion", ""), (ports.urls.cell_url(cell.name),))
    if isinstance(assertion, Fault):
        raise Refusal(_FAULTS[assertion])
    holder = Visitor(assertion.subject, assertion.issuer, assertion.roles)
    here = [word for word in assertion.scopes if ":" not in word]  # roles of another cell bound nothing here
    # A token that is bound to such roles alone brings no scope, not the one of a token that is bound to nothing.
    bound_elsewhere = bool(assertion.scopes) and not here
    scope = () if bound_elsewhere else await arbitrate(ports, cell, here, ports.config.auth.scope_assertion)
    return await _give(ports, cell, asked, Granted(holder, ports.ids.new(), asked.app, scope))


async def _by_code(ports: Ports, cell: Cell, asked: Asked) -> Grant:
    raw = asked.form.get("code")
    if not raw:
        raise Refusal(CODE_INVALID)
    if asked.app is None:
        raise Refusal(CLIENT_AUTH_REQUIRED)
    if asked.for_owner:
        raise Refusal(OWNER_GRANT_REFUSED)
    code = LocalToken.parse(raw, ports.keys.unseal)
    if code is None or code.kind is not TokenKind.CODE or code.cell_id != cell.id or code.binding is None:
        raise Refusal(CODE_INVALID)
    if code.expired(ports.clock.now_ms()):
        raise Refusal(TOKEN_EXPIRED)
    if app_of(asked.app) != code.schema:
        raise Refusal(CLIENT_MISMATCH)
    _check_binding(code.binding, asked.form)
    if not await families.redeem(ports, cell, code.family):
        raise Refusal(CODE_INVALID)
    assert isinstance(code.holder, Resident)
    holder = await _still_here(ports, cell, code.holder, code.family, CODE_INVALID)
    given = await _give(ports, cell, asked, Granted(holder, code.family, asked.app, code.scope))
    if OPENID not in code.scope:
        return given
    client = ports.urls.to_http(app_of(asked.app))
    return replace(given, id_token=await id_token(ports, cell, holder.name, client, code.binding.nonce))


def _check_binding(binding: CodeBinding, form: Form) -> None:
    """Return when the code is redeemed by who asked for it, as far as that can be told.

    Personium's clients do not repeat the redirect_uri: one that is given must be the same.
    """
    if form.get("redirect_uri") not in {None, "", binding.redirect_uri}:
        raise Refusal(CODE_INVALID)
    verifier = form.get("code_verifier") or None
    if (verifier is None) != (binding.challenge is None):
        raise Refusal(CODE_INVALID)
    if verifier is not None and binding.challenge is not None and not pkce.proves(verifier, binding.challenge):
        raise Refusal(CODE_INVALID)


_GRANTS: Final[Mapping[str, Callable[[Ports, Cell, Asked], Awaitable[Grant]]]] = {
    "password": _by_password,
    "refresh_token": _by_refresh,
    "authorization_code": _by_code,
    "urn:ietf:params:oauth:grant-type:saml2-bearer": _by_assertion,
}


def grant_types(ports: Ports) -> list[str]:
    """The grant types that the token endpoint knows."""
    return [*_GRANTS, *ports.login_plugins]


# Tokens


def resident(cell: Cell, account: Account) -> Resident:
    """*account* as tokens name it."""
    return Resident(account.id, account.name, cell.contents, account.epoch.name)


async def _still_here(ports: Ports, cell: Cell, holder: Resident, family: str, refusal: Kind) -> Resident:
    """The account of *holder* as it is now, if it may have tokens for one of *family*.

    Raises:
        Refusal: *refusal*.
    """

    async def find(tx: ReadTx) -> Resident | None:
        entity = await find_account(tx, cell, holder)
        if entity is None or entity.values.get("Status") not in {None, AccountStatus.ACTIVE}:
            return None
        epoch = Epoch.of(entity.hidden)
        if not epoch.counts(holder.epoch, family):
            return None
        return Resident(entity.id, entity.key, cell.contents, epoch.name)

    found = await ports.store.contents(cell).read(find)
    if found is None:
        raise Refusal(refusal)
    return found


async def _give(ports: Ports, cell: Cell, asked: Asked, granted: Granted) -> Grant:
    visiting = isinstance(granted.holder, Visitor)
    if asked.target is not None:
        access = await _trans_cell(ports, cell, asked, granted, asked.target)
    else:
        access = _local(
            ports, cell, granted, TokenKind.VISITOR_ACCESS if visiting else TokenKind.ACCESS, asked.access_s
        )
    return Grant(
        access_token=access,
        expires_in_s=asked.access_s,
        scope=granted.scope,
        refresh_token=_local(
            ports, cell, granted, TokenKind.VISITOR_REFRESH if visiting else TokenKind.REFRESH, asked.refresh_s
        ),
        refresh_expires_in_s=asked.refresh_s,
        target=asked.target,
    )


def _local(
    ports: Ports, cell: Cell, granted: Granted, kind: TokenKind, life_s: int, binding: CodeBinding | None = None
) -> str:
    token = LocalToken(
        kind,
        cell.id,
        granted.holder,
        granted.family,
        ports.clock.now_ms(),
        life_s,
        granted.app,
        granted.scope,
        binding,
    )
    return token.render(ports.keys.seal)


async def _trans_cell(ports: Ports, cell: Cell, asked: Asked, granted: Granted, target: str) -> str:
    holder = granted.holder
    # Nobody but the cell itself says who is one of its own: else it would vouch for what another cell made up.
    if isinstance(holder, Visitor) and speaks_for_itself(ports.urls, holder.subject, ports.urls.cell_url(cell.name)):
        raise Refusal(TOKEN_TARGET)

    async def find(tx: ReadTx) -> tuple[str, ...]:
        if isinstance(holder, Resident):
            return await class_urls(tx, ports.urls, cell, await tx.principals.roles_of(holder.id))
        assert isinstance(holder, Visitor)
        return await class_urls(tx, ports.urls, cell, await of_visitor(tx, ports.urls, holder))

    roles = await ports.store.contents(cell).read(find)
    return assertions.issue(
        ports,
        cell,
        subject=subject_url(ports, cell, holder) if isinstance(holder, Resident) else holder.subject,
        target=target,
        roles=roles,
        schema=ports.urls.to_http(granted.app) if granted.app else None,
        scopes=granted.scope,
        life_s=asked.access_s,
    )


def subject_url(ports: Ports, cell: Cell, holder: Resident) -> str:
    """What other cells call an account of *cell*."""
    return f"{ports.urls.cell_url(cell.name)}#{holder.name}"


def password_change_token(ports: Ports, cell: Cell, account: Account) -> str:
    """A token of *account* that is good for the change of its password alone."""
    granted = Granted(resident(cell, account), ports.ids.new(), None, ())
    return _local(ports, cell, granted, TokenKind.PASSWORD_CHANGE, _PASSWORD_CHANGE_S)


def authorization_code(ports: Ports, cell: Cell, granted: Granted, binding: CodeBinding) -> str:
    """A code that the app of *granted* may exchange for tokens, once."""
    return _local(ports, cell, granted, TokenKind.CODE, ports.config.auth.code_s, binding)


def implicit_token(ports: Ports, cell: Cell, granted: Granted, life_s: int) -> str:
    """An access token that is given at once, without a refresh token."""
    return _local(ports, cell, granted, TokenKind.ACCESS, life_s)


# Beyond OAuth: the owner's representative, the cookie


async def _for_owner(ports: Ports, cell: Cell, asked: Asked, holder: Holder, family: str) -> Grant:
    """A token of the cell's owner, for an account that the owner named; it ends with *family*.

    Raises:
        Refusal: OWNER_GRANT_REFUSED, OWNER_NOT_REPRESENTED, CELL_WITHOUT_OWNER.
    """
    if not isinstance(holder, Resident):
        raise Refusal(OWNER_GRANT_REFUSED)
    if not ports.config.auth.owner_representatives or holder.name not in await _representatives(ports, cell):
        raise Refusal(OWNER_NOT_REPRESENTED)
    if cell.owner is None:
        raise Refusal(CELL_WITHOUT_OWNER)
    granted = Granted(Owner.of(cell.owner, holder), family, None, ())
    return Grant(_local(ports, cell, granted, TokenKind.UNIT_USER, asked.access_s), asked.access_s, ())


async def _representatives(ports: Ports, cell: Cell) -> frozenset[str]:
    async def find(tx: ReadTx) -> frozenset[str]:
        return representatives(await tx.nodes.root())

    return await ports.store.contents(cell).read(find)


def _with_cookie(ports: Ports, given: Grant) -> Grant:
    peer = ports.ids.hex()
    return replace(given, cookie=seal_cookie(peer, given.access_token, ports.keys.seal), cookie_peer=peer)
