"""A request as handlers see it: overrides applied, the body a stream.

What belongs here: everything that is read off the request itself. What does not: what it is for, and who sent
it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from alveary.errors import BAD_REQUEST_KEY, BODY_TOO_LARGE, HEADER_NOT_ASCII, MALFORMED_REQUEST, Refusal

Fields = list[tuple[bytes, bytes]]
"""Names and values of header lines, as they came."""

Receive = Callable[[], Awaitable[bytes]]
"""The next piece of a body, empty at its end; ClientGone when the client left before."""

Leaving = Callable[[Callable[[], None]], None]
"""Has a function called when the client leaves, or closes its side as most do that leave, or the server ends."""

Network = IPv4Network | IPv6Network

_REQUEST_KEY: Final = re.compile(r"[A-Za-z0-9_-]{0,128}")
_NOT_OVERRIDDEN: Final = frozenset({"host", "content-length", "transfer-encoding", "cookie", "origin", "referer"})
_NEVER_OVERRIDDEN: Final = ("x-forwarded-", "sec-")
"""Headers, by whole names and by beginnings, that say how the message travels or which page sent it.

No X-Override changes them: a script may set that header, and not these.
"""


class ClientGone(Exception):  # noqa: N818 - no error of the unit's
    """The client has left: there is nobody to answer."""


class Request:
    """One request.

    ``wire_method`` is the method on the wire, ``method`` the one after X-HTTP-Method-Override. ``headers``
    have names in lower case; repeated ones are joined. ``raw_path`` is as the client sent it,
    ``query_string`` what follows the ``?``. ``scheme``, ``authority`` (None: there is no Host header) and
    ``peer`` (the client's address, empty when unknown) are those that the client used, as far as trusted
    proxies tell. ``on_leaving`` is for those who keep the client waiting, one at a time.
    """

    __slots__ = (
        "_receive",
        "_request_key",
        "authority",
        "body_begun",
        "headers",
        "http_version",
        "method",
        "on_leaving",
        "peer",
        "query_string",
        "raw_path",
        "scheme",
        "wire_method",
    )

    def __init__(
        self,
        method: str,
        url: bytes,
        fields: Fields,
        receive: Receive,
        *,
        http_version: str = "1.1",
        scheme: str = "http",
        peer: str = "",
        trusted_proxies: tuple[Network, ...] = (),
    ) -> None:
        """*url* is the path and what follows it, *receive* gives the body."""
        self._receive = receive
        self.on_leaving: Leaving = _never
        self._request_key: str | None = None
        self.body_begun = False
        self.http_version = http_version
        self.wire_method = method
        self.raw_path, _, query = url.partition(b"?")
        self.query_string = query.decode("latin-1")
        self.headers = headers = _read_headers(fields)
        self.method = (headers.get("x-http-method-override") if method == "POST" else None) or method
        self.scheme = scheme
        self.authority = headers.get("host")
        self.peer = peer
        if trusted_proxies and _is_trusted(peer, trusted_proxies):
            self._believe_proxy(trusted_proxies)

    def _believe_proxy(self, trusted: tuple[Network, ...]) -> None:
        headers = self.headers
        self.scheme = headers.get("x-forwarded-proto", self.scheme).partition(",")[0].strip().lower()
        if "x-forwarded-host" in headers:
            self.authority = headers["x-forwarded-host"].partition(",")[0].strip()
        # From the nearest outwards: whatever stands before the first untrusted address may be made up.
        for address in reversed(headers.get("x-forwarded-for", "").split(",")):
            bare = _bare_address(address.strip())
            if bare is None:
                break
            self.peer = bare
            if not _is_trusted(bare, trusted):
                break

    def check(self) -> None:
        """Pass when the request is one that can be routed at all.

        Raises:
            Refusal: MALFORMED_REQUEST, BAD_REQUEST_KEY, HEADER_NOT_ASCII.
        """
        headers = self.headers
        if self.http_version != "1.1":
            self._check_old_version()
        elif self.authority is None:
            raise Refusal(MALFORMED_REQUEST, cause="there is no Host header")
        if b"#" in self.raw_path or "#" in self.query_string:
            raise Refusal(MALFORMED_REQUEST, cause="the request target has a fragment")
        if "transfer-encoding" in headers and headers["transfer-encoding"].lower() != "chunked":
            raise Refusal(MALFORMED_REQUEST, cause="the Transfer-Encoding is not understood")
        key = headers.get("x-personium-requestkey")
        if key is not None and not _REQUEST_KEY.fullmatch(key):
            raise Refusal(BAD_REQUEST_KEY)
        if not headers.get("accept", "").isascii():
            raise Refusal(HEADER_NOT_ASCII, name="Accept")

    def _check_old_version(self) -> None:
        if self.http_version != "1.0":
            raise Refusal(MALFORMED_REQUEST, cause="the HTTP version is neither 1.0 nor 1.1")
        if "transfer-encoding" in self.headers:
            raise Refusal(MALFORMED_REQUEST, cause="HTTP 1.0 has no Transfer-Encoding")

    def request_key(self, new_hex: Callable[[], str]) -> str:
        """The client's X-Personium-RequestKey, else ``PCS-`` and what *new_hex* gave at the first call."""
        if self._request_key is None:
            self._request_key = self.headers.get("x-personium-requestkey") or f"PCS-{new_hex()}"
        return self._request_key

    def cookie(self, name: str) -> str | None:
        """The value of the cookie of that name; of several the first, which has the longest path."""
        for pair in self.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return None

    def let_go(self) -> None:
        """The client is done with: no more of the body comes, and nothing is told of it.

        What brought the request goes with its last user then, and need not wait for the garbage collector.
        """
        self._receive = _gone
        self.on_leaving = _never

    @property
    def has_body(self) -> bool:
        """Whether the client sends a body, be it of unknown length."""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers

    @property
    def body(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive, to be read once. While none is asked for the client has to wait.

        Raises:
            ClientGone: the client left before its end.
        """
        return self._pieces()

    def body_within(self, max_bytes: int) -> AsyncIterator[bytes]:
        """The same, refused before any of it is asked for when it says that it is over *max_bytes* (0: any size).

        Raises:
            Refusal: BODY_TOO_LARGE.
            ClientGone: the client left before its end.
        """
        return self._pieces(max_bytes)

    async def _pieces(self, max_bytes: int = 0) -> AsyncIterator[bytes]:
        if self.body_begun or not self.has_body:
            return
        if max_bytes and int(self.headers.get("content-length", "0")) > max_bytes:
            raise Refusal(BODY_TOO_LARGE, limit=max_bytes)
        self.body_begun = True
        while piece := await self._receive():
            yield piece

    async def read(self, max_bytes: int) -> bytes:
        """The whole body, at most *max_bytes*.

        Raises:
            Refusal: BODY_TOO_LARGE.
            ClientGone: the client left before its end.
        """
        if int(self.headers.get("content-length", "0")) > max_bytes:
            raise Refusal(BODY_TOO_LARGE, limit=max_bytes)
        pieces: list[bytes] = []
        size_bytes = 0
        async for piece in self.body:
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise Refusal(BODY_TOO_LARGE, limit=max_bytes)
            pieces.append(piece)
        return b"".join(pieces)


async def _gone() -> bytes:
    raise ClientGone


def _never(notify: Callable[[], None]) -> None:
    """Leave *notify* uncalled."""


def _read_headers(fields: Fields) -> dict[str, str]:
    """The headers by name in lower case, with what X-Override puts in their place."""
    headers: dict[str, str] = {}
    overrides: list[str] = []
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "x-override":
            overrides.append(value)
        elif name in headers:
            headers[name] += f"{'; ' if name == 'cookie' else ', '}{value}"
        else:
            headers[name] = value
    for override in overrides:
        name, _, value = override.partition(":")
        name = name.strip().lower()
        if name and name not in _NOT_OVERRIDDEN and not name.startswith(_NEVER_OVERRIDDEN):
            headers[name] = value.strip()
    return headers


def _bare_address(text: str) -> str | None:
    """The IP address *text* without brackets and port, None when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    bare = _bare_address(address)
    return bare is not None and any(ip_address(bare) in network for network in trusted)
