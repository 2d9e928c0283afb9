"""The token endpoint.

What does not belong here: what a grant gives.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import orjson

from alveary.api.oauth.forms import NO_STORE, form_of, require_method
from alveary.errors import PASSWORD_CHANGE_REQUIRED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.usecases import grants
from alveary.usecases.grants import Grant

COOKIE: Final = "p_cookie"


async def token(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__token: 200 with the tokens that the form asks for.

    Source: API reference 293; RFC 6749.
    """
    require_method(call, segments, "POST", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "POST"))
    form = await form_of(call, "grant_type")
    try:
        given = await grants.grant(
            call.ports,
            call.here,
            form,
            address=call.request.peer or None,
            authorization=call.request.headers.get("authorization"),
        )
    except Refusal as refusal:
        raise _with_url(call, refusal) from None
    return Response(200, _headers(call, given), orjson.dumps(_body(given)))


def _with_url(call: Call, refusal: Refusal) -> Refusal:
    """*refusal*, with where to change the password when that is what it asks for."""
    if refusal.kind is not PASSWORD_CHANGE_REQUIRED:
        return refusal
    url = f"{call.urls.cell_url(call.here.name)}__mypassword"
    return Refusal(refusal.kind, extra={**refusal.params, "url": url})


def _headers(call: Call, given: Grant) -> dict[str, str]:
    headers = dict(NO_STORE)
    if given.cookie is not None:
        headers["set-cookie"] = f"{COOKIE}={given.cookie}; {cookie_attributes(call)}"
    if given.target is not None:
        headers["location"] = f"{given.target}__token"
    return headers


def cookie_attributes(call: Call) -> str:
    """What goes with the cookie of the cell, whatever its value."""
    cell = urlsplit(call.urls.cell_url(call.here.name))
    site = "SameSite=None; Secure" if cell.scheme == "https" else "SameSite=Lax"
    return f"Path={cell.path}; HttpOnly; {site}"


def _body(given: Grant) -> dict[str, object]:
    body: dict[str, object] = {
        "access_token": given.access_token,
        "token_type": "Bearer",  # nosec B105 - a kind of token
        "expires_in": given.expires_in_s,
    }
    if given.refresh_token is not None:
        body["refresh_token"] = given.refresh_token
        body["refresh_token_expires_in"] = given.refresh_expires_in_s
    if given.scope:
        body["scope"] = " ".join(given.scope)
    if given.id_token is not None:
        body["id_token"] = given.id_token
    if given.target is not None:
        body["p_target"] = given.target
    if given.cookie_peer is not None:
        body["p_cookie_peer"] = given.cookie_peer
    if given.history is not None:
        body["last_authenticated"] = given.history.last_authenticated_ms
        body["failed_count"] = given.history.failed_count
    return body
