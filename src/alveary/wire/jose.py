"""What a cell signs for others: compact JWS, id tokens, and the set of keys that verifies them.

Source: RFC 7515, 7517 and 7519; RS256 alone. What does not belong here: where a key comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.jwk import RSAKey

_ALGORITHM: Final = "RS256"


class CellKey:
    """A cell's key pair, by its id."""

    def __init__(self, key_id: str, pem: bytes) -> None:
        """The RSA key whose private half is *pem*."""
        self.id = key_id
        self._key = RSAKey.import_key(pem)

    def sign(self, payload: bytes) -> str:
        """*payload* as a compact JWS."""
        return jws.serialize_compact({"alg": _ALGORITHM, "kid": self.id}, payload, self._key)

    def id_token(self, claims: Mapping[str, Any]) -> str:
        """*claims* as a JWT."""
        return jwt.encode({"alg": _ALGORITHM, "kid": self.id, "typ": "JWT"}, dict(claims), self._key)

    def public(self) -> dict[str, Any]:
        """Its public half as a JWK."""
        key = self._key.as_dict(private=False)
        return {"kty": key["kty"], "use": "sig", "alg": _ALGORITHM, "kid": self.id, "n": key["n"], "e": key["e"]}
