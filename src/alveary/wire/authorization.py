"""Requests to the authorization endpoint, and the URLs that answer them.

What belongs here: the form of a request, where its answer may go, and what the login page may say. What does not: who
logs in and what is given (``usecases.authorization``), the page itself (``wire.login_page``).

Source: API reference 292 and 292p; RFC 6749, 3.1 and 4; RFC 7636; OpenID Connect Core, 3.1.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

from alveary.errors import (
    AUTHORIZATION_PARAMETER,
    CLIENT_ID_INVALID,
    EXPIRES_IN_INVALID,
    REDIRECT_URI_INVALID,
    RESPONSE_TYPE_MISSING,
    Refusal,
)
from alveary.wire import pkce

Fields = Mapping[str, str]
"""The fields of a query or a form, each named once."""

CODE: Final = "code"
TOKEN: Final = "token"  # nosec B105 - a response type
ID_TOKEN: Final = "id_token"  # nosec B105 - a response type

REQUEST_FIELDS: Final = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "expires_in",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
"""What an app asks, which every page and redirect on the way to the answer carries along."""

_MAX_BYTES: Final = 512
_SILENT: Final = "none"
_PROMPTS: Final = frozenset({_SILENT, "login", "consent", "select_account"})
_ANSWERED: Final = frozenset(
    {"access_token", "code", "error", "error_description", "expires_in", "id_token", "iss", "state", "token_type"}
)
"""What the answer says itself: a redirect_uri that says it first would be believed by some apps."""


# What the login page says


@dataclass(frozen=True, slots=True)
class Screen:
    """Something that the login page tells: a code, a sentence, and the error of OAuth that it comes with."""

    code: str
    text: str
    error: str


LOG_IN_AGAIN: Final = Screen("PS-AU-0002", "Log in to let the app use your data.", "unauthorized_client")
NOTHING_ENTERED: Final = Screen("PS-AU-0003", "Enter your user name and password.", "invalid_request")
WRONG_PASSWORD: Final = Screen("PS-AU-0004", "The user name or the password is wrong.", "invalid_grant")
TOO_LATE: Final = Screen("PS-AU-0005", "Your login has expired. Log in again.", "unauthorized_client")
MUST_CHANGE: Final = Screen("PS-AU-0006", "You must change your password.", "unauthorized_client")
NO_NEW_PASSWORD: Final = Screen("PS-AU-0007", "Enter a new password.", "invalid_request")
BAD_NEW_PASSWORD: Final = Screen(
    "PS-AU-0008",
    "The new password is too short, too long, or has characters that are not allowed.",
    "invalid_request",
)
CHANGE_FAILED: Final = Screen("PS-AU-0009", "The password could not be changed.", "server_error")

SCREENS: Final[Mapping[str, Screen]] = {
    each.code: each
    for each in (
        LOG_IN_AGAIN,
        NOTHING_ENTERED,
        WRONG_PASSWORD,
        TOO_LATE,
        MUST_CHANGE,
        NO_NEW_PASSWORD,
        BAD_NEW_PASSWORD,
        CHANGE_FAILED,
    )
}


# Where an answer may go

_URI: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_HTTP: Final = re.compile(
    r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(/[^?#]*)?(?:\?([^#]*))?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL that every browser and server reads alike.

    ``origin`` is in normal form; ``path`` begins with ``/`` and has no segment that leads upwards; ``query`` is empty
    where there is none. There is no user, no fragment, and nothing that some would take for a separator.
    """

    origin: str
    path: str
    query: str

    @classmethod
    def parse(cls, raw: str) -> Self | None:
        """The URL of *raw*; None when it is none of that kind."""
        found = _HTTP.fullmatch(raw)
        if found is None or not _URI.fullmatch(raw):
            return None
        path = found[4] or "/"
        plain = unquote(path)
        if _CONTROL.search(plain) or not {".", ".."}.isdisjoint(plain.split("/")):
            return None
        scheme, host, port = found[1].lower(), found[2].lower(), found[3]
        shown = "" if port in {None, _DEFAULT_PORTS[scheme]} else f":{port}"
        return cls(f"{scheme}://{host}{shown}", path, found[5] or "")

    def lies_under(self, folder: WebUrl) -> bool:
        """Whether it is *folder* itself or below it; the path of *folder* ends in ``/``."""
        return self.origin == folder.origin and f"{self.path}/".startswith(folder.path)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the answer to an app goes: a URL below the app's own, checked, as the app wrote it.

    ``client_id`` is the app's URL in normal form, which ends in ``/``. ``in_query``: the answer is in the query of
    the URL, else in its fragment. ``state`` goes along.
    """

    client_id: str
    redirect_uri: str
    origin: str
    in_query: bool
    state: str | None

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Where the answer to a request with *fields* goes; a state that is too long does not.

        Raises:
            Refusal: CLIENT_ID_INVALID, REDIRECT_URI_INVALID.
        """
        app = _app(fields.get("client_id", ""))
        redirect_uri = fields.get("redirect_uri", "")
        target = WebUrl.parse(redirect_uri) if len(redirect_uri) <= _MAX_BYTES else None
        if target is None or not target.lies_under(app) or _answers(target.query):
            raise Refusal(REDIRECT_URI_INVALID)
        state = fields.get("state") or None
        return cls(
            client_id=f"{app.origin}{app.path}",
            redirect_uri=redirect_uri,
            origin=target.origin,
            in_query=fields.get("response_type") == CODE,
            state=state if _is_short(state) else None,
        )

    def url(self, members: Mapping[str, str]) -> str:
        """The redirect_uri with *members* and the state, each encoded."""
        told = dict(members) if self.state is None else {**members, "state": self.state}
        joint = "#" if not self.in_query else "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{joint}{encoded(told)}"


def _app(raw: str) -> WebUrl:
    url = WebUrl.parse(raw if raw.endswith("/") else f"{raw}/")
    if url is None or "?" in raw:
        raise Refusal(CLIENT_ID_INVALID)
    return url


def _answers(query: str) -> bool:
    return not _ANSWERED.isdisjoint(name for name, _ in parse_qsl(query, keep_blank_values=True))


def _is_short(text: str | None) -> bool:
    return text is None or len(text.encode(errors="replace")) <= _MAX_BYTES


def encoded(members: Mapping[str, str]) -> str:
    """*members* as a query or a fragment; blanks are ``%20``, for those who read a fragment know no ``+``."""
    return urlencode(members, quote_via=quote, safe="", errors="replace")


# What is asked


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What an app asks for. ``response_type`` may be any word; ``challenge`` is that of PKCE's method S256."""

    destination: Destination
    response_type: str
    scope: tuple[str, ...]
    life_s: int
    nonce: str | None
    challenge: str | None
    prompt: frozenset[str]

    @classmethod
    def parse(cls, fields: Fields, destination: Destination, longest_s: int) -> Self:
        """What *fields* ask for; a token may live *longest_s* at most.

        Raises:
            Refusal: RESPONSE_TYPE_MISSING, EXPIRES_IN_INVALID, AUTHORIZATION_PARAMETER.
        """
        if not fields.get("response_type"):
            raise Refusal(RESPONSE_TYPE_MISSING)
        life_s = _life_s(fields.get("expires_in", ""), longest_s)
        for name in ("state", "nonce"):
            if not _is_short(fields.get(name)):
                raise Refusal(AUTHORIZATION_PARAMETER, cause=f"{name} is longer than {_MAX_BYTES} bytes")
        return cls(
            destination=destination,
            response_type=fields["response_type"],
            scope=tuple(fields.get("scope", "").split()),
            life_s=life_s,
            nonce=fields.get("nonce") or None,
            challenge=_challenge(fields),
            prompt=_prompt(fields.get("prompt", "")),
        )

    @property
    def silent(self) -> bool:
        """Whether no page may be shown."""
        return _SILENT in self.prompt

    @property
    def takes_session(self) -> bool:
        """Whether one who is logged in may be answered for without a page."""
        return self.prompt <= {_SILENT}


def _life_s(raw: str, longest_s: int) -> int:
    if not raw:
        return longest_s
    if not re.fullmatch(r"[0-9]{1,6}", raw) or not 1 <= int(raw) <= longest_s:
        raise Refusal(EXPIRES_IN_INVALID)
    return int(raw)


def _challenge(fields: Fields) -> str | None:
    """The challenge of *fields*. One without a method would be of the method plain (RFC 7636, 4.3)."""
    challenge, method = fields.get("code_challenge") or None, fields.get("code_challenge_method") or None
    if challenge is method is None:
        return None
    if challenge is None or method != "S256" or not pkce.is_challenge(challenge):
        raise Refusal(AUTHORIZATION_PARAMETER, cause="a code_challenge must be one of the method S256")
    return challenge


def _prompt(raw: str) -> frozenset[str]:
    words = frozenset(raw.split())
    if not words <= _PROMPTS or (_SILENT in words and len(words) > 1):
        raise Refusal(AUTHORIZATION_PARAMETER, cause="the prompt is not understood")
    return words
