"""What a token says, told to those who may know; and the end of tokens before their time.

What does not belong here: what a token gives (``authentication``).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from alveary.errors import (
    ACCESS_TOKEN_UNREADABLE,
    BASIC_AUTH_FAILED,
    CLIENT_AUTH_REQUIRED,
    CLIENT_MISMATCH,
    LACKS_PRIVILEGE,
    TOKEN_TYPE_UNSUPPORTED,
    Refusal,
)
from alveary.model.accounts import AccountStatus, Epoch
from alveary.model.apps import app_of
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases import assertions, families
from alveary.usecases.access import Access, Who
from alveary.usecases.assertions import Assertion, Fault
from alveary.usecases.authentication import find_account
from alveary.usecases.clients import ClientClaim, authenticate_client, basic_pair
from alveary.usecases.grants import subject_url
from alveary.usecases.roles import class_urls, of_visitor
from alveary.wire.tokens import LocalToken, Resident, TokenKind, Visitor

Claims = Mapping[str, object]

INACTIVE: Final[Claims] = {"active": False}
_TOLD: Final = frozenset({TokenKind.ACCESS, TokenKind.REFRESH, TokenKind.VISITOR_ACCESS, TokenKind.VISITOR_REFRESH})
EVERY_APP: Final = "*"


async def introspect(
    ports: Ports, access: Access, raw: str, authorization: str | None, *, address: str | None = None
) -> Claims:
    """What the token *raw* says, ``INACTIVE`` when it is none of this cell's that is good.

    The unit's own users and who knows the configured password hear of every token, an app of those that were issued
    to it. *authorization* is a Basic header that came, which is an app's or the configured one; *address* is that of
    the client, which must wait after failures.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, and those of clients.authenticate_client.
    """
    access.require_known(authorization)
    cell = access.here
    app = _asking(ports, access, authorization, address)
    token = LocalToken.parse(raw, ports.keys.unseal)
    if token is not None:
        return await _of_local(ports, cell, token, app)
    assertion = assertions.judge(ports, raw, None)
    return _of_assertion(ports, cell, assertion, app)


def _asking(ports: Ports, access: Access, authorization: str | None, address: str | None) -> str:
    """The schema of the app that asks; ``EVERY_APP`` of who may know all."""
    if authorization is not None:
        name, password = basic_pair(authorization)
        auth = ports.config.auth
        if auth.introspect_username and name == auth.introspect_username:
            _check_configured(ports, password, address or "")
            return EVERY_APP
        proved = authenticate_client(ports, access.here, ClientClaim(authorization=authorization))
        return app_of(proved)
    if access.who in {Who.UNIT_ADMIN, Who.UNIT_USER} and access.owns:
        return EVERY_APP
    if access.schema is None:
        raise Refusal(LACKS_PRIVILEGE)
    return app_of(access.schema)


def _check_configured(ports: Ports, password: str, address: str) -> None:
    known = ports.config.auth.introspect_password
    right = bool(known) and hmac.compare_digest(password.encode(), known.encode())
    if ports.attempts.wait_ms(address) > 0 or not right:
        ports.attempts.failed(address)
        raise Refusal(BASIC_AUTH_FAILED)
    ports.attempts.succeeded(address)


def _may_hear(app: str, schema: str | None) -> bool:
    return app == EVERY_APP or app == app_of(schema)


async def _of_local(ports: Ports, cell: Cell, token: LocalToken, app: str) -> Claims:
    if (
        token.kind not in _TOLD
        or token.cell_id != cell.id
        or token.expired(ports.clock.now_ms())
        or not _may_hear(app, token.schema)
        or await families.is_revoked(ports, cell, token.family)
    ):
        return INACTIVE

    async def resolve(tx: ReadTx) -> tuple[str, tuple[str, ...]] | None:
        holder = token.holder
        if isinstance(holder, Visitor):
            return holder.subject, await class_urls(tx, ports.urls, cell, await of_visitor(tx, ports.urls, holder))
        assert isinstance(holder, Resident)
        account = await find_account(tx, cell, holder)
        if account is None or account.values.get("Status") == AccountStatus.DEACTIVATED:
            return None
        if not Epoch.of(account.hidden).counts(token.epoch, token.family):
            return None
        now = Resident(account.id, account.key, cell.contents)
        roles = await tx.principals.roles_of(account.id)
        return subject_url(ports, cell, now), await class_urls(tx, ports.urls, cell, roles)

    found = await ports.store.contents(cell).read(resolve)
    if found is None:
        return INACTIVE
    url = ports.urls.cell_url(cell.name)
    return _claims(ports, token.schema, token.scope, *found, url, url, token.issued_ms, token.until_ms)


def _of_assertion(ports: Ports, cell: Cell, assertion: Assertion | Fault, app: str) -> Claims:
    if isinstance(assertion, Fault):
        return INACTIVE
    here = ports.urls.to_local(ports.urls.cell_url(cell.name))
    if here not in {ports.urls.to_local(assertion.issuer), ports.urls.to_local(assertion.audience)}:
        return INACTIVE
    schema = ports.urls.to_local(assertion.schema) if assertion.schema else None
    if not _may_hear(app, schema):
        return INACTIVE
    return _claims(
        ports,
        schema,
        assertion.scopes,
        assertion.subject,
        assertion.roles,
        assertion.issuer,
        assertion.audience,
        assertion.issued_ms,
        assertion.expires_ms,
    )


def _claims(  # noqa: PLR0913, PLR0917 - the members of the answer, in their order
    ports: Ports,
    schema: str | None,
    scope: Sequence[str],
    subject: str,
    roles: Sequence[str],
    issuer: str,
    audience: str,
    issued_ms: int,
    until_ms: int,
) -> Claims:
    said: dict[str, object] = {
        "active": True,
        "token_type": "Bearer",  # nosec B105 - a kind of token
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "iat": issued_ms // 1000,
        "exp": until_ms // 1000,
        "p_roles": list(roles),
    }
    if schema is not None:
        said["client_id"] = ports.urls.to_http(app_of(schema))
    if scope:
        said["scope"] = " ".join(scope)
    return said


async def revoke(ports: Ports, cell: Cell, form: Mapping[str, str], authorization: str | None) -> None:
    """End the token that *form* names, and all that came of the same login; what is no token is passed over.

    A token that was issued to an app is ended by that app alone. Source: RFC 7009.

    Raises:
        Refusal: TOKEN_TYPE_UNSUPPORTED for a trans-cell token, which other units judge by themselves;
            CLIENT_AUTH_REQUIRED, CLIENT_MISMATCH, and those of clients.authenticate_client.
    """
    app = authenticate_client(ports, cell, ClientClaim.of(form, authorization))
    raw = form.get("token", "")
    token = LocalToken.parse(raw, ports.keys.unseal)
    if token is None and isinstance(assertions.judge(ports, raw, None), Assertion):
        raise Refusal(TOKEN_TYPE_UNSUPPORTED)
    if token is None or token.cell_id != cell.id or token.expired(ports.clock.now_ms()):
        return
    owner = app_of(token.schema)
    if owner and owner != app_of(app):
        raise Refusal(CLIENT_AUTH_REQUIRED if app is None else CLIENT_MISMATCH)
    await families.revoke(ports, cell, token.family)


async def log_out(ports: Ports, access: Access) -> None:
    """End the token of this request, and all that came of the same login.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE for a subject without a login here.
    """
    access.require_known(None)
    if access.family is None:
        raise Refusal(ACCESS_TOKEN_UNREADABLE if access.refusal else LACKS_PRIVILEGE)
    await families.revoke(ports, access.here, access.family)
