"""Whose page sent a browser here: what the browser itself says of it.

Clients that are no browsers say nothing, nor do browsers of before 2023 on every request. What does not belong here:
what follows from it.

Source: Fetch Metadata Request Headers (W3C); RFC 6454, 7.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from alveary.http.request import Request


def is_foreign(request: Request) -> bool:
    """Whether the browser says that another site's page sent the request."""
    return _from_own_page(request) is False


def means_cookie(request: Request) -> bool:
    """Whether the session cookie of *request* counts.

    That of a form does when a page of this origin sent it. That of a link does when the browser goes there: a script
    that fetches it could read the URL of the answer.
    """
    if request.method == "POST":
        return _from_own_page(request) is True
    return "origin" not in request.headers and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def _from_own_page(request: Request) -> bool | None:
    """Whether a page of this origin sent the request; None when that is not told.

    A page with the Referrer-Policy no-referrer, as the login page is, has ``null`` for its origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return None if site == "none" else site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return None
    return urlsplit(origin).netloc.lower() == (request.authority or "").lower()
