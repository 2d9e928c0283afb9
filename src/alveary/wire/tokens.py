"""The strings of local tokens: a prefix that tells the kind, and a sealed payload that only this unit can read.

Personium's local tokens are opaque to clients, who rely on nothing but the prefixes. What does not belong here:
sealing (the keys port) and what a token gives (``usecases``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson


class TokenKind(StrEnum):
    """The kinds of local tokens, by their prefixes."""

    ACCESS = "AR~"
    REFRESH = "RR~"
    PASSWORD_CHANGE = "AP~"  # noqa: S105  # nosec B105 - a prefix


KIND_BY_PREFIX: Final = {kind.value: kind for kind in TokenKind}
PREFIX_CHARS: Final = 3
COOKIE_PURPOSE: Final = "p_cookie"


@dataclass(frozen=True, slots=True)
class LocalToken:
    """What a local token of an account says.

    ``cell_id`` and ``account_id`` survive renames; ``contents`` tells whether the cell was imported since, when the
    account is found by ``account`` instead. ``scope`` is a tuple of scope tokens.
    """

    kind: TokenKind
    cell_id: str
    contents: str
    account_id: str
    account: str
    issued_ms: int
    life_s: int
    schema: str | None
    scope: tuple[str, ...]

    def expired(self, now_ms: int) -> bool:
        """Whether its life has ended."""
        return now_ms >= self.issued_ms + self.life_s * 1000

    def render(self, seal: Callable[[str, bytes], bytes]) -> str:
        """The token's string; *seal* is given a purpose and the payload."""
        payload = orjson.dumps(
            [
                self.cell_id,
                self.contents,
                self.account_id,
                self.account,
                self.issued_ms,
                self.life_s,
                self.schema,
                self.scope,
            ]
        )
        sealed = base64.urlsafe_b64encode(seal(self.kind, payload)).rstrip(b"=")
        return self.kind.value + sealed.decode()

    @classmethod
    def parse(cls, raw: str, unseal: Callable[[str, bytes], bytes | None]) -> LocalToken | None:
        """The token of that string; None when it is none of this unit's."""
        kind = KIND_BY_PREFIX.get(raw[:PREFIX_CHARS])
        if kind is None:
            return None
        sealed = decode_base64url(raw[PREFIX_CHARS:])
        payload = unseal(kind, sealed) if sealed is not None else None
        if payload is None:
            return None
        cell_id, contents, account_id, account, issued_ms, life_s, schema, scope = orjson.loads(payload)
        return cls(kind, cell_id, contents, account_id, account, issued_ms, life_s, schema, tuple(scope))


def decode_base64url(text: str) -> bytes | None:
    """The bytes of unpadded base64url; None when it is not, its one canonical form included."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Unused bits of the last character could differ between two spellings of one token: only one is good.
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text else None
