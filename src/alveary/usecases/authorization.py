"""The authorization endpoint: who logs in by a page, and what the app that sent them there gets.

An answer goes only where the app's own URL leads. What does not belong here: the check of a password (``logins``),
the making of tokens (``grants``), the form of requests and pages (``wire``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from alveary.errors import (
    ACL_ROLE_MISSING,
    AUTHENTICATION_FAILED,
    AUTHORIZATION_PARAMETER,
    CLIENT_ID_INVALID,
    EXPIRES_IN_INVALID,
    LOGIN_CANCELLED,
    LOGIN_REQUIRED,
    PASSWORD_FORMAT,
    RESPONSE_TYPE_MISSING,
    RESPONSE_TYPE_UNSUPPORTED,
    Kind,
    Refusal,
)
from alveary.model.accounts import Account, AccountStatus
from alveary.model.apps import app_of
from alveary.model.cell import Cell
from alveary.model.keep import LoginHistory
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases import boxes, families, grants
from alveary.usecases.authentication import find_account
from alveary.usecases.grants import Granted, resident
from alveary.usecases.login_pages import own_page
from alveary.usecases.logins import log_in
from alveary.usecases.passwords import PasswordChange, check_password, set_password
from alveary.usecases.scopes import OPENID, arbitrate, narrowed
from alveary.usecases.signing import id_token
from alveary.wire.authorization import (
    BAD_NEW_PASSWORD,
    CHANGE_FAILED,
    CODE,
    ID_TOKEN,
    LOG_IN_AGAIN,
    MUST_CHANGE,
    NO_NEW_PASSWORD,
    NOTHING_ENTERED,
    REQUEST_FIELDS,
    SCREENS,
    TOKEN,
    TOO_LATE,
    WRONG_PASSWORD,
    AuthorizationRequest,
    Destination,
    Fields,
    Screen,
    encoded,
)
from alveary.wire.login_page import LoginForm
from alveary.wire.tokens import CodeBinding, LocalToken, Resident, TokenKind, open_cookie
from alveary.wire.urls import LOCAL_UNIT

_YES: Final = "true"
_CHANGE_REQUIRED: Final = "password_change_required"  # nosec B105 - the name of a field

_ERRORS: Final[Mapping[Kind, str]] = {
    RESPONSE_TYPE_MISSING: "invalid_request",
    EXPIRES_IN_INVALID: "invalid_request",
    AUTHORIZATION_PARAMETER: "invalid_request",
    RESPONSE_TYPE_UNSUPPORTED: "unsupported_response_type",
    ACL_ROLE_MISSING: "invalid_scope",
    LOGIN_CANCELLED: "unauthorized_client",  # Personium's word; RFC 6749 has access_denied
    LOGIN_REQUIRED: "login_required",
}
"""The refusals that are told to the app, and what OAuth calls them."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to the endpoint.

    ``cookie`` is that of a session, where the request proves that the user's own browser meant to send it here;
    ``foreign``: another site's page sent the form.
    """

    fields: Fields
    posted: bool
    cookie: str | None = None
    foreign: bool = False
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer is at a URL."""

    url: str


@dataclass(frozen=True, slots=True)
class OwnPage:
    """The answer is a page of the cell's own choice."""

    html: bytes


Answer = Redirect | LoginForm | OwnPage


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that may be answered: by which app (as schemas are stored), whether it is installed, which scopes."""

    attempt: Attempt
    request: AuthorizationRequest
    app: str
    installed: bool
    scope: tuple[str, ...]

    @property
    def fields(self) -> Fields:
        return self.attempt.fields


async def authorize(ports: Ports, cell: Cell, attempt: Attempt) -> Answer:
    """What the browser is to do: show a form, or go on to the app, to the form again, or to the error page.

    Source: API reference 292 and 292p. Deviation: docs/deviations.md#logins-by-a-page.
    """
    try:
        destination, app = _destination(ports, cell, attempt.fields)
    except Refusal as refusal:
        return error_page(ports, cell, refusal.kind)
    try:
        return await _decide(ports, cell, await _asked(ports, cell, attempt, destination, app))
    except Refusal as refusal:
        error = _ERRORS.get(refusal.kind)
        if error is None:
            raise
        return _failed(ports, cell, destination, error, refusal.kind.code, refusal.text)


def error_page(ports: Ports, cell: Cell, kind: Kind) -> Redirect:
    """Where *kind* is told to one who cannot be sent back to an app."""
    return Redirect(f"{ports.urls.cell_url(cell.name)}__html/error?{encoded({'code': kind.code})}")


def _failed(ports: Ports, cell: Cell, destination: Destination, error: str, code: str, text: str) -> Redirect:
    told = {"error": error, "error_description": text, "code": code, "iss": ports.urls.cell_url(cell.name)}
    return Redirect(destination.url(told))


def _destination(ports: Ports, cell: Cell, fields: Fields) -> tuple[Destination, str]:
    """Where the answer goes, and the app as its schema is stored.

    Raises:
        Refusal: CLIENT_ID_INVALID, REDIRECT_URI_INVALID.
    """
    destination = Destination.parse(fields)
    app = ports.urls.to_local(destination.client_id)
    if not _may_be_app(ports, cell, app):
        raise Refusal(CLIENT_ID_INVALID)
    return destination, app


def _may_be_app(ports: Ports, cell: Cell, url: str) -> bool:
    """Whether *url*, in its stored form, may be an app's: of this unit, only another cell may.

    What lies under the unit itself, or within a cell, belongs to more than one.
    """
    if not url.startswith(LOCAL_UNIT):
        return not url.startswith(ports.urls.unit_url)
    name, _, below = url.removeprefix(LOCAL_UNIT).partition(":/")
    return name != cell.name and not below


async def _asked(ports: Ports, cell: Cell, attempt: Attempt, destination: Destination, app: str) -> _Asked:
    """What is asked for, once it can be answered.

    Raises:
        Refusal: those of AuthorizationRequest.parse; ACL_ROLE_MISSING, RESPONSE_TYPE_UNSUPPORTED, LOGIN_CANCELLED.
    """
    auth = ports.config.auth
    request = AuthorizationRequest.parse(attempt.fields, destination, auth.access_token_s)
    scope = await arbitrate(ports, cell, request.scope, auth.scope_grant_code)
    known = request.response_type in _GIVEN
    if not known or (request.response_type == ID_TOKEN and OPENID not in scope):
        raise Refusal(RESPONSE_TYPE_UNSUPPORTED)
    if attempt.fields.get("cancel_flg", "").lower() == _YES:
        raise Refusal(LOGIN_CANCELLED)
    return _Asked(attempt, request, app, await boxes.is_installed(ports, cell, app), scope)


async def _decide(ports: Ports, cell: Cell, asked: _Asked) -> Answer:
    fields = asked.fields
    if not asked.attempt.posted:
        return await _shown(ports, cell, asked)
    if asked.attempt.foreign:
        return _again(ports, cell, asked, LOG_IN_AGAIN)
    if fields.get("access_token"):
        return await _with_new_password(ports, cell, asked, fields["access_token"], fields.get("password", ""))
    if "username" in fields or "password" in fields:
        return await _with_password(ports, cell, asked, fields.get("username", ""), fields.get("password", ""))
    if asked.attempt.cookie is None:
        return _again(ports, cell, asked, NOTHING_ENTERED)
    session = await _session(ports, cell, asked)
    if isinstance(session, Screen):
        return _again(ports, cell, asked, session)
    return await _granted(ports, cell, asked, session)


# The form


async def _shown(ports: Ports, cell: Cell, asked: _Asked) -> Answer:
    """The form, unless it is known already who is there.

    Raises:
        Refusal: LOGIN_REQUIRED when the app wants no form.
    """
    changing = asked.fields.get(_CHANGE_REQUIRED) == _YES
    # A form that comes back with an error is for one who tries to log in, maybe under another name.
    if asked.request.takes_session and not changing and "error" not in asked.fields:
        session = await _session(ports, cell, asked)
        if not isinstance(session, Screen):
            return await _granted(ports, cell, asked, session)
    if asked.request.silent:
        raise Refusal(LOGIN_REQUIRED)
    html = await own_page(ports, cell, changing=changing)
    return _form(ports, cell, asked, changing=changing) if html is None else OwnPage(html)


def _form(ports: Ports, cell: Cell, asked: _Asked, *, changing: bool) -> LoginForm:
    url = ports.urls.cell_url(cell.name)
    # The sentence is found by its code: a text in the URL could be anyone's.
    screen = SCREENS.get(asked.fields.get("code", ""), MUST_CHANGE if changing else None)
    carried = (*REQUEST_FIELDS, "access_token", _CHANGE_REQUIRED) if changing else REQUEST_FIELDS
    return LoginForm(
        action=f"{urlsplit(url).path}__authz",
        cell=url,
        app=asked.request.destination.client_id,
        hidden=_carried(asked.fields, carried),
        target_origin=asked.request.destination.origin,
        screen=screen,
        changing=changing,
    )


def _again(ports: Ports, cell: Cell, asked: _Asked, screen: Screen, change_token: str | None = None) -> Redirect:
    """Back to the form, which tells *screen*; with *change_token* to the one for a new password."""
    change = {} if change_token is None else {"access_token": change_token, _CHANGE_REQUIRED: _YES}
    told = {"error": screen.error, "error_description": screen.text, "code": screen.code}
    query = encoded({**_carried(asked.fields, REQUEST_FIELDS), **change, **told})
    return Redirect(f"{ports.urls.cell_url(cell.name)}__authz?{query}")


def _carried(fields: Fields, names: tuple[str, ...]) -> dict[str, str]:
    return {name: fields[name] for name in names if fields.get(name)}


# Who is there


async def _with_password(ports: Ports, cell: Cell, asked: _Asked, name: str, password: str) -> Redirect:
    if not name or not password:
        return _again(ports, cell, asked, NOTHING_ENTERED)
    try:
        login = await log_in(ports, cell, name, password, asked.attempt.address)
    except Refusal as refusal:
        if refusal.kind is not AUTHENTICATION_FAILED:
            raise
        return _again(ports, cell, asked, WRONG_PASSWORD)
    if login.account.status is AccountStatus.PASSWORD_CHANGE_REQUIRED:
        return _again(ports, cell, asked, MUST_CHANGE, grants.password_change_token(ports, cell, login.account))
    granted = Granted(resident(cell, login.account), ports.ids.new(), asked.app, asked.scope)
    return await _granted(ports, cell, asked, granted, login.before)


async def _with_new_password(ports: Ports, cell: Cell, asked: _Asked, raw: str, password: str) -> Redirect:
    """The login of one who had to change the password, after the change; the token *raw* is good for one."""
    if not password:
        return _again(ports, cell, asked, NO_NEW_PASSWORD, raw)
    token = _token(ports, cell, raw, TokenKind.PASSWORD_CHANGE)
    if token is None:
        return _again(ports, cell, asked, LOG_IN_AGAIN)
    if token.expired(ports.clock.now_ms()):
        return _again(ports, cell, asked, TOO_LATE)
    account = await _account(ports, cell, token)
    if account is None or account.status is not AccountStatus.PASSWORD_CHANGE_REQUIRED:
        return _again(ports, cell, asked, WRONG_PASSWORD)
    try:
        check_password(ports, password)
        counts = account.epoch.counts(token.epoch, token.family)
        if not counts or not await families.redeem(ports, cell, token.family):
            return _again(ports, cell, asked, LOG_IN_AGAIN)
        change = PasswordChange(account.id, token.epoch, token.family, due=True)
        await set_password(ports, cell, change, password)
        await families.revoke(ports, cell, token.family)
    except Refusal as refusal:
        if refusal.kind is PASSWORD_FORMAT:
            return _again(ports, cell, asked, BAD_NEW_PASSWORD, raw)
        screen = CHANGE_FAILED
        return _failed(ports, cell, asked.request.destination, screen.error, screen.code, screen.text)
    return await _with_password(ports, cell, asked, account.name, password)


async def _session(ports: Ports, cell: Cell, asked: _Asked) -> Granted | Screen:
    """What the session of the cookie is worth to the app; if nothing, what to tell.

    The user is not asked, so it is worth something only to an app that is installed in the cell. The session of one
    app is worth nothing to another, and never more than the token that it is of.
    """
    token = _token_of_cookie(ports, cell, asked.attempt.cookie or "")
    if token is None or not asked.installed:
        return LOG_IN_AGAIN
    if token.schema is not None and app_of(token.schema) != asked.app:
        return LOG_IN_AGAIN
    if token.expired(ports.clock.now_ms()) or await families.is_revoked(ports, cell, token.family):
        return TOO_LATE
    account = await _account(ports, cell, token)
    if account is None or account.status is not AccountStatus.ACTIVE:
        return LOG_IN_AGAIN
    if not account.epoch.counts(token.epoch, token.family):
        return TOO_LATE
    scope = narrowed((*token.scope, OPENID), " ".join(asked.scope)) if asked.scope else ()
    return Granted(resident(cell, account), ports.ids.new(), asked.app, scope)


def _token_of_cookie(ports: Ports, cell: Cell, cookie: str) -> LocalToken | None:
    opened = open_cookie(cookie, ports.keys.unseal)
    return None if opened is None else _token(ports, cell, opened[1], TokenKind.ACCESS)


def _token(ports: Ports, cell: Cell, raw: str, kind: TokenKind) -> LocalToken | None:
    """The token *raw*, when it is one of that kind and of *cell*."""
    token = LocalToken.parse(raw, ports.keys.unseal)
    return token if token is not None and token.kind is kind and token.cell_id == cell.id else None


async def _account(ports: Ports, cell: Cell, token: LocalToken) -> Account | None:
    holder = token.holder
    assert isinstance(holder, Resident)

    async def find(tx: ReadTx) -> Account | None:
        entity = await find_account(tx, cell, holder)
        return None if entity is None else Account.of(entity)

    return await ports.store.contents(cell).read(find)


# What the app gets


async def _granted(
    ports: Ports, cell: Cell, asked: _Asked, granted: Granted, before: LoginHistory | None = None
) -> Redirect:
    """To the app, with what it asked for; *before* is what was known of an account that just logged in."""
    members = await _GIVEN[asked.request.response_type](ports, cell, asked, granted)
    if before is not None:
        last_ms = before.last_authenticated_ms
        members["last_authenticated"] = "null" if last_ms is None else str(last_ms)
        members["failed_count"] = str(before.failed_count)
    if not asked.installed:
        members["box_not_installed"] = _YES
    members["iss"] = ports.urls.cell_url(cell.name)
    return Redirect(asked.request.destination.url(members))


async def _code(ports: Ports, cell: Cell, asked: _Asked, granted: Granted) -> dict[str, str]:
    request = asked.request
    binding = CodeBinding(request.destination.redirect_uri, request.challenge, request.nonce)
    return {"code": grants.authorization_code(ports, cell, granted, binding)}


async def _access_token(ports: Ports, cell: Cell, asked: _Asked, granted: Granted) -> dict[str, str]:
    life_s = asked.request.life_s
    return {
        "access_token": grants.implicit_token(ports, cell, granted, life_s),
        "token_type": "Bearer",  # nosec B105 - a kind of token
        "expires_in": str(life_s),
        **({"scope": " ".join(granted.scope)} if granted.scope else {}),
    }


async def _id_token(ports: Ports, cell: Cell, asked: _Asked, granted: Granted) -> dict[str, str]:
    holder = granted.holder
    assert isinstance(holder, Resident)
    client_id = ports.urls.to_http(asked.app)
    return {"id_token": await id_token(ports, cell, holder.name, client_id, asked.request.nonce)}


_GIVEN: Final[Mapping[str, Callable[[Ports, Cell, _Asked, Granted], Awaitable[dict[str, str]]]]] = {
    CODE: _code,
    TOKEN: _access_token,
    ID_TOKEN: _id_token,
}
"""What is given for a response type."""
