"""The token endpoint, and the change of one's own password.

What does not belong here: what a grant gives.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from alveary.errors import METHOD_NOT_ALLOWED, PARAMETER_REQUIRED, PASSWORD_CHANGE_REQUIRED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.usecases import tokens
from alveary.usecases.tokens import Grant

_MAX_FIELDS: Final = 64


async def token(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__token: 200 with the tokens that the form asks for.

    Source: API reference 293; RFC 6749.
    """
    if len(segments) != 1 or call.request.method != "POST":
        raise Refusal(METHOD_NOT_ALLOWED)
    form = _form(await call.request.read(call.ports.config.limits.form_bytes))
    try:
        given = await tokens.grant(
            call.ports,
            call.here,
            form,
            address=call.request.peer or None,
            client_auth="authorization" in call.request.headers,
        )
    except Refusal as refusal:
        raise _with_url(call, refusal) from None
    return Response(200, _headers(call, given), orjson.dumps(_body(given)))


def _form(text: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refusal(PARAMETER_REQUIRED, name="grant_type") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:  # RFC 6749, 3.2: parameters must not be included more than once
            raise Refusal(PARAMETER_REQUIRED, name=name)
        form[name] = value
    return form


def _with_url(call: Call, refusal: Refusal) -> Refusal:
    """*refusal*, with where to change the password when that is what it asks for."""
    if refusal.kind is not PASSWORD_CHANGE_REQUIRED:
        return refusal
    url = f"{call.urls.cell_url(call.here.name)}__mypassword"
    return Refusal(refusal.kind, extra={**refusal.params, "url": url})


def _headers(call: Call, given: Grant) -> dict[str, str]:
    headers = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
    if given.cookie is not None:
        cell = urlsplit(call.urls.cell_url(call.here.name))
        site = "; SameSite=None; Secure" if cell.scheme == "https" else "; SameSite=Lax"
        headers["set-cookie"] = f"p_cookie={given.cookie}; Path={cell.path}; HttpOnly{site}"
    return headers


def _body(given: Grant) -> dict[str, object]:
    body: dict[str, object] = {
        "access_token": given.access_token,
        "token_type": "Bearer",  # nosec B105 - a kind of token
        "expires_in": given.expires_in_s,
        "refresh_token": given.refresh_token,
        "refresh_token_expires_in": given.refresh_expires_in_s,
    }
    if given.scope:
        body["scope"] = " ".join(given.scope)
    if given.cookie_peer is not None:
        body["p_cookie_peer"] = given.cookie_peer
    if given.history is not None:
        body["last_authenticated"] = given.history.last_authenticated_ms
        body["failed_count"] = given.history.failed_count
    return body


async def mypassword(call: Call, segments: tuple[str, ...]) -> Response:
    """PUT {cell}__mypassword with X-Personium-Credential: 204, and the account has a new password.

    Source: API reference 294.
    """
    if len(segments) != 1 or call.request.method != "PUT":
        raise Refusal(METHOD_NOT_ALLOWED)
    password = call.request.headers.get("x-personium-credential")
    await tokens.change_own_password(call.ports, call.access, password)
    return Response(204)
