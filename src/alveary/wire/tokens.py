"""The strings of local tokens: a prefix that tells the kind, and a sealed payload that only this unit can read.

Personium's local tokens are opaque to clients, who rely on nothing but the prefixes. What does not belong here:
sealing (the keys port), what a token gives (``usecases``), trans-cell tokens (``wire.saml``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, Self

import orjson

from alveary.wire import base64url


class TokenKind(StrEnum):
    """The kinds of local tokens, by their prefixes."""

    ACCESS = "AR~"
    REFRESH = "RR~"
    VISITOR_ACCESS = "AV~"
    VISITOR_REFRESH = "RV~"
    PASSWORD_CHANGE = "AP~"  # noqa: S105  # nosec B105 - a prefix
    UNIT_USER = "AU~"
    CODE = "GC~"


KIND_BY_PREFIX: Final = {kind.value: kind for kind in TokenKind}
REFRESHING: Final = frozenset({TokenKind.REFRESH, TokenKind.VISITOR_REFRESH})
PREFIX_CHARS: Final = 3
_PURPOSE: Final = "token "
_COOKIE_PURPOSE: Final = "p_cookie"


@dataclass(frozen=True, slots=True)
class Resident:
    """An account of the cell.

    ``id`` survives renames; ``contents`` tells whether the cell was imported since, when the account is found by
    ``name`` instead. ``epoch`` names that of the account in which the token was made.
    """

    id: str
    name: str
    contents: str
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone of another cell: who (a URL), the cell that vouches, and the class URLs of the roles it names."""

    subject: str
    issuer: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """The cell's owner, whom an account represents: a URL, or a name that the unit's administrator gave.

    The rest is what tokens say of that account. Those that do not say it are of before it was asked, and name nobody.
    """

    subject: str
    id: str = ""
    name: str = ""
    contents: str = ""
    epoch: str | None = None

    @classmethod
    def of(cls, subject: str, account: Resident) -> Self:
        """The owner *subject*, represented by *account*."""
        return cls(subject, account.id, account.name, account.contents, account.epoch)

    @property
    def account(self) -> Resident:
        """The account that represents the owner."""
        return Resident(self.id, self.name, self.contents, self.epoch)


Holder = Resident | Visitor | Owner

_HOLDERS: Final[dict[TokenKind, Callable[..., Holder]]] = {
    TokenKind.VISITOR_ACCESS: Visitor,
    TokenKind.VISITOR_REFRESH: Visitor,
    TokenKind.UNIT_USER: Owner,
}
"""Who holds a token of a kind; an account where nothing is said."""


@dataclass(frozen=True, slots=True)
class CodeBinding:
    """What an authorization code is bound to, besides its app.

    ``challenge`` is that of PKCE's method S256, None without PKCE; ``nonce`` goes into the id token.
    """

    redirect_uri: str
    challenge: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class LocalToken:
    """What a local token says.

    ``family`` is shared by all tokens that one login led to. ``schema`` is the URL of the app that it was issued to,
    ending in ``#c`` when that app is confidential. ``scope`` is a tuple of scope tokens.
    """

    kind: TokenKind
    cell_id: str
    holder: Holder
    family: str
    issued_ms: int
    life_s: int
    schema: str | None = None
    scope: tuple[str, ...] = ()
    binding: CodeBinding | None = None

    @property
    def until_ms(self) -> int:
        """When its life ends."""
        return self.issued_ms + self.life_s * 1000

    @property
    def epoch(self) -> str | None:
        """The epoch that it says of its account."""
        return None if isinstance(self.holder, Visitor) else self.holder.epoch

    def expired(self, now_ms: int) -> bool:
        """Whether its life has ended."""
        return now_ms >= self.until_ms

    def render(self, seal: Callable[[str, bytes], bytes]) -> str:
        """The token's string; *seal* is given a purpose and the payload."""
        payload = orjson.dumps(
            [
                self.cell_id,
                _fields(self.holder),
                self.family,
                self.issued_ms,
                self.life_s,
                self.schema,
                self.scope,
                self.binding and _fields(self.binding),
            ]
        )
        return self.kind.value + base64url.encode(seal(_PURPOSE + self.kind, payload))

    @classmethod
    def parse(cls, raw: str, unseal: Callable[[str, bytes], bytes | None]) -> LocalToken | None:
        """The token of that string; None when it is none of this unit's."""
        kind = KIND_BY_PREFIX.get(raw[:PREFIX_CHARS])
        if kind is None:
            return None
        sealed = base64url.decode(raw[PREFIX_CHARS:])
        payload = unseal(_PURPOSE + kind, sealed) if sealed is not None else None
        if payload is None:
            return None
        cell_id, holder, family, issued_ms, life_s, schema, scope, binding = orjson.loads(payload)
        return cls(
            kind,
            cell_id,
            _holder(kind, holder),
            family,
            issued_ms,
            life_s,
            schema,
            tuple(scope),
            CodeBinding(*binding) if binding else None,
        )


def _fields(value: Holder | CodeBinding) -> list[object]:
    return [getattr(value, each.name) for each in fields(value)]


def _holder(kind: TokenKind, values: list[Any]) -> Holder:
    make: Callable[..., Holder] = _HOLDERS.get(kind, Resident)
    return make(*(tuple(each) if isinstance(each, list) else each for each in values))


def seal_cookie(peer: str, token: str, seal: Callable[[str, bytes], bytes]) -> str:
    """The cookie of a session: *token*, good with the *peer* value that the client has beside it."""
    return base64url.encode(seal(_COOKIE_PURPOSE, f"{peer}\t{token}".encode()))


def open_cookie(raw: str, unseal: Callable[[str, bytes], bytes | None]) -> tuple[str, str] | None:
    """The peer value and the token of such a cookie; None when it is none of this unit's."""
    sealed = base64url.decode(raw)
    plain = unseal(_COOKIE_PURPOSE, sealed) if sealed else None
    if plain is None:
        return None
    peer, _, token = plain.decode().partition("\t")
    return peer, token
