"""What an OpenID provider publishes: its issuer and the keys it signs with, kept for a while.

What does not belong here: what a token says (``oidc``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from alveary.ports.login_plugins import LoginProblem, PluginContext, Reason
from alveary.ports.outbound import OutboundFailed, OutboundRefused

KEEP_S: Final = 3_600.0
"""How long keys are believed without asking again."""

PAUSE_S: Final = 30.0
"""How long after the keys have come they are not fetched again, whatever key is asked for."""

RETRY_S: Final = 2.0
"""How long a provider that failed is not asked again."""

_MAX_BYTES: Final = 512 * 1024
_MAX_KEYS: Final = 64

PublicKey = RSAKey | ECKey
_KEYS: Final[Mapping[object, type[PublicKey]]] = {"RSA": RSAKey, "EC": ECKey}

ALGORITHMS: Final[Mapping[str, str]] = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "ES256": "EC",
    "ES384": "EC",
}
"""The algorithms of signatures that are accepted, and the type of key of each. None of them has a shared secret."""

D = TypeVar("D")


class _Discovery(msgspec.Struct, frozen=True):
    """What counts of a discovery document."""

    issuer: str
    jwks_uri: str


class _KeyDocument(msgspec.Struct, frozen=True):
    """What counts of a JWKS document."""

    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Published:
    """What a provider published at a moment (``fetched_s``): its issuer, and keys for signatures."""

    issuer: str
    keys: tuple[PublicKey, ...]
    fetched_s: float

    def key(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of that id for *algorithm*; without an id the only one there is for it."""
        fitting = [
            key
            for key in self.keys
            if key.key_type == ALGORITHMS[algorithm] and key.alg in {None, algorithm} and kid in {None, key.kid}
        ]
        return fitting[0] if len(fitting) == 1 else None


class OidcProvider:
    """The provider whose discovery document is at *config_url*."""

    def __init__(self, config_url: str, context: PluginContext) -> None:
        self._config_url = config_url
        self._context = context
        self._published: Published | None = None
        self._next_fetch_s = 0.0
        self._fetching = asyncio.Lock()

    async def issuer_and_key(self, kid: str | None, algorithm: str) -> tuple[str, PublicKey]:
        """The issuer, and its key of that id for *algorithm*; without an id the only one there is for it.

        Raises:
            LoginProblem: there is no such key, or the provider does not say.
        """
        known = self._believed()
        key = known.key(kid, algorithm) if known is not None else None
        if known is None or key is None:
            known = await self._newer_than(self._published)
            key = known.key(kid, algorithm)
        if key is None:
            raise LoginProblem(Reason.INVALID, "the id token is signed with a key that its provider does not have")
        return known.issuer, key

    def _believed(self) -> Published | None:
        known = self._published
        return known if known is not None and self._context.clock.ticks_s() < known.fetched_s + KEEP_S else None

    async def _newer_than(self, old: Published | None) -> Published:
        """What is published now, fetched unless another request has done it since *old*, or it is too early to."""
        async with self._fetching:
            now_s = self._context.clock.ticks_s()
            if self._published is old and now_s >= self._next_fetch_s:
                self._next_fetch_s = now_s + RETRY_S
                self._published = await self._fetch()
                self._next_fetch_s = self._published.fetched_s + PAUSE_S
        known = self._believed()
        if known is None:
            raise LoginProblem(Reason.UNAVAILABLE, "the provider did not answer a moment ago")
        return known

    async def _fetch(self) -> Published:
        found = await self._document(self._config_url, _Discovery)
        if self._config_url.startswith("https:") and not found.jwks_uri.startswith("https:"):
            raise self._problem(Reason.BROKEN, found.jwks_uri, "it is no https URL")
        listed = await self._document(found.jwks_uri, _KeyDocument)
        keys = tuple(key for each in listed.keys[:_MAX_KEYS] if (key := _public_key(each)) is not None)
        return Published(found.issuer, keys, self._context.clock.ticks_s())

    async def _document(self, url: str, form: type[D]) -> D:
        try:
            fetched = await self._context.outbound.get(url, accept="application/json", max_bytes=_MAX_BYTES)
        except OutboundFailed as problem:
            raise self._problem(Reason.UNAVAILABLE, url, str(problem)) from None
        except OutboundRefused as problem:
            raise self._problem(Reason.BROKEN, url, str(problem)) from None
        if fetched.status != 200:
            raise self._problem(Reason.UNAVAILABLE, url, f"its answer is {fetched.status}")
        try:
            return msgspec.json.decode(fetched.body, type=form)
        except msgspec.DecodeError:
            raise self._problem(Reason.BROKEN, url, "its answer is not what a provider publishes") from None

    def _problem(self, reason: Reason, url: str, cause: str) -> LoginProblem:
        """The problem with what is at *url*, which the operator is told of whole and the client in general."""
        self._context.log.warning("an OpenID provider cannot be used", url=url, cause=cause)
        return LoginProblem(reason, "the provider's keys cannot be fetched")


def _public_key(raw: Mapping[str, Any]) -> PublicKey | None:
    """The key that *raw* describes, None when it is not for signatures, of another type, or not well formed."""
    kind = _KEYS.get(raw.get("kty"))
    if kind is None or raw.get("use") not in {None, "sig"}:
        return None
    try:
        return kind.import_key(dict(raw))
    except (JoseError, KeyError, TypeError, ValueError):
        return None
