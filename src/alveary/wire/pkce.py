"""Proof Key for Code Exchange: what binds an authorization code to who asked for it.

Source: RFC 7636, method S256 alone; ``plain`` proves nothing to who has seen the request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from alveary.wire import base64url

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9\-_]{43}")


def is_challenge(text: str) -> bool:
    """Whether *text* has the form of a challenge of method S256."""
    return bool(_CHALLENGE.fullmatch(text))


def proves(verifier: str, challenge: str) -> bool:
    """Whether *verifier* is what *challenge* was made from."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64url.encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(digest.encode(), challenge.encode())
