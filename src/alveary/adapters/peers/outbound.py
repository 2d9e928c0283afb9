"""GET requests to other hosts over aiohttp, each address judged before it is connected to.

What belongs here: names to addresses, redirects, limits of time and size. What does not: which addresses are good
(``reach``), and what is fetched.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from alveary import __version__
from alveary.adapters.peers.reach import Reach
from alveary.config import Outbound
from alveary.ports.outbound import Fetched, OutboundFailed, OutboundRefused

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SCHEMES: Final = frozenset({"http", "https"})
_CONNECTIONS: Final = 32
_UNCOMPRESSED: Final = "identity"
"""The one coding that is asked for and taken: what is not unpacked cannot grow."""


class HttpOutbound:
    """Fetches under the policy of the section ``outbound`` of the configuration.

    Without cookies, credentials or a proxy of the environment; TLS is verified by the system's authorities.
    """

    def __init__(self, policy: Outbound, resolver: Callable[[], AbstractResolver] = ThreadedResolver) -> None:
        """Fetch under *policy*; *resolver* makes, within the event loop, what finds the addresses of a name."""
        self._policy = policy
        self._reach = Reach.of(policy.allow)
        self._resolver = resolver
        self._session: ClientSession | None = None

    async def get(self, url: str, *, accept: str, max_bytes: int) -> Fetched:
        """What is at *url*, or at where that redirects to, whatever its status.

        Raises:
            OutboundRefused: no http or https URL, or one that leads to where the unit may not reach.
            OutboundFailed: nobody answers, or not in time, too much, or not as HTTP says.
        """
        await asyncio.sleep(0)  # a request that has not waited yet has no task, and a timeout needs one
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                return await self._follow(url, accept, min(max_bytes, self._policy.max_bytes))
        except (ClientError, OSError) as problem:
            raise OutboundFailed(_cause(problem)) from None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: str, accept: str, max_bytes: int) -> Fetched:
        session = self._opened()
        target = self._checked(url)
        for _ in range(self._policy.redirects + 1):
            async with session.get(target, headers={"Accept": accept}, allow_redirects=False) as response:
                place = response.headers.get("Location")
                if response.status not in _REDIRECTS or place is None:
                    return await _fetched(response, max_bytes)
            following = self._checked(place, target)
            if target.scheme == "https" and following.scheme == "http":
                raise OutboundRefused("it redirects from https to http")
            target = following
        raise OutboundFailed("it redirects too often")

    def _opened(self) -> ClientSession:
        if self._session is None:
            judging = _JudgingResolver(self._resolver(), self._reach)
            self._session = ClientSession(
                # Without a cache of names: each new connection is to an address that was judged for it.
                connector=TCPConnector(resolver=judging, use_dns_cache=False, limit=_CONNECTIONS),
                headers={"User-Agent": f"Alveary/{__version__}", "Accept-Encoding": _UNCOMPRESSED},
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _checked(self, raw: str, base: URL | None = None) -> URL:
        """The URL *raw*, relative to *base*, when its form and, if it is an address, its host are such as may be."""
        try:
            url = URL(raw) if base is None else base.join(URL(raw))
        except ValueError:
            raise OutboundRefused("it is no URL") from None
        if url.scheme not in _SCHEMES or not url.host:
            raise OutboundRefused("it is no http or https URL")
        if url.user is not None or url.password is not None:
            raise OutboundRefused("it holds credentials")
        if _is_address(url.host) and not self._reach.admits(url.host, url.host):
            raise OutboundRefused("it leads to an address that this unit does not reach")
        return url


class _JudgingResolver(AbstractResolver):
    """The addresses of a name that may be connected to. aiohttp asks it for names alone, not for addresses."""

    def __init__(self, resolver: AbstractResolver, reach: Reach) -> None:
        self._resolver = resolver
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        admitted = [each for each in found if self._reach.admits(host, each["host"])]
        if not admitted:
            raise OutboundRefused("it leads to an address that this unit does not reach")
        return admitted

    async def close(self) -> None:
        await self._resolver.close()


def _is_address(host: str) -> bool:
    """Whether *host* may be connected to without a resolver: an address, or digits that the system reads as one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ":" in host or host.replace(".", "").isdigit()
    return True


async def _fetched(response: ClientResponse, max_bytes: int) -> Fetched:
    if response.headers.get("Content-Encoding", _UNCOMPRESSED).strip().lower() != _UNCOMPRESSED:
        raise OutboundFailed("its answer is compressed, which was not asked for")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            raise OutboundFailed(f"its answer has more than {max_bytes} bytes")
    return Fetched(
        url=str(response.url),
        status=response.status,
        media_type=response.content_type.lower(),
        charset=response.charset,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body),
    )


def _cause(problem: Exception) -> str:
    match problem:
        case TimeoutError():
            return "it does not answer in time"
        case ClientSSLError():
            return "its certificate is not trusted"
        case ClientConnectorError():
            return "it cannot be connected to"
        case _:
            return "its answer is cut or no HTTP"
