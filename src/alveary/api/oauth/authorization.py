"""The authorization endpoint and its error page, as browsers see them.

What does not belong here: who is logged in and what an app gets.
"""

from __future__ import annotations

from typing import Final

from alveary.api.oauth.forms import fields_of, form_of, require_method
from alveary.api.oauth.senders import is_foreign, means_cookie
from alveary.api.oauth.token import COOKIE
from alveary.errors import (
    AUTHORIZATION_PARAMETER,
    METHOD_NOT_ALLOWED,
    NO_SUCH_URI,
    PARAMETER_REQUIRED,
    Refusal,
    catalogue,
)
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.usecases import authorization
from alveary.usecases.authorization import Answer, Attempt, OwnPage, Redirect
from alveary.wire.authorization import SCREENS
from alveary.wire.login_page import Page, error_page, login_page

_GUARDED: Final = {"cache-control": "no-store", "pragma": "no-cache", "referrer-policy": "no-referrer"}
_HTML: Final = {
    **_GUARDED,
    "content-type": "text/html; charset=UTF-8",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_OWN_POLICY: Final = "frame-ancestors 'none'"
"""What holds for a page of the cell's own choice: it may load what it likes, and be in no frame."""

_UNKNOWN_CODE: Final = "The code is not known."
_TEXTS: Final = {
    **{kind.code: text for kind in catalogue().values() if "{" not in (text := kind.text.replace(": {cause}", ""))},
    **{code: screen.text for code, screen in SCREENS.items()},
}
"""What is told of a code, where that can be said without the particulars that its own answer knew."""


async def authorize(call: Call, segments: tuple[str, ...]) -> Response:
    """GET and POST {cell}__authz: 200 with a login page, or 303 to the app, to the form again, to the error page.

    Source: API reference 292 and 292p; RFC 6749, 4.1.1 and 4.2.1. Deviation: docs/deviations.md#logins-by-a-page.
    """
    require_method(call, segments, "GET", "HEAD", "POST", "OPTIONS")
    request = call.request
    if request.method == "OPTIONS":
        return allowing(("OPTIONS", "GET", "POST"))
    posted = request.method == "POST"
    try:
        fields = await form_of(call, "client_id") if posted else fields_of(request.query_string)
    except (Refusal, ValueError) as problem:
        if isinstance(problem, Refusal) and problem.kind is not PARAMETER_REQUIRED:
            raise
        return _described(authorization.error_page(call.ports, call.here, AUTHORIZATION_PARAMETER))
    attempt = Attempt(
        fields,
        posted,
        cookie=request.cookie(COOKIE) if means_cookie(request) else None,
        foreign=posted and is_foreign(request),
        address=request.peer or None,
    )
    return _described(await authorization.authorize(call.ports, call.here, attempt))


def _described(answer: Answer) -> Response:
    match answer:
        case Redirect(url=url):
            return Response(303, {**_GUARDED, "location": url})
        case OwnPage(html=html):
            return _page(Page(html, _OWN_POLICY))
        case form:
            return _page(login_page(form))


def _page(page: Page) -> Response:
    return Response(200, {**_HTML, "content-security-policy": page.policy}, page.html)


async def html(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}__html/error?code=: 200 with a page that tells what the code means.

    Source: API reference 292.
    """
    if segments[1:] != ("error",):
        raise Refusal(NO_SUCH_URI)
    if call.request.method not in {"GET", "HEAD"}:
        raise Refusal(METHOD_NOT_ALLOWED)
    code = call.query.get("code", "")
    return _page(error_page(_TEXTS.get(code, _UNKNOWN_CODE)))
