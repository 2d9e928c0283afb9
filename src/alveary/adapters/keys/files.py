"""The unit's secrets as files: made at the first start, readable by their owner alone.

``secrets/unit.key`` seals local tokens and cookies; ``secrets/operator.key`` is the way in for who owns the data
folder: the command line mints short-lived unit administrator tokens from it. What does not belong here: what is
sealed.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alveary.adapters.folder import FolderProblem

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_NUMBER: Final = b"\x01"
"""Stands before every sealed text, so that a later key can stand beside this one."""

FOLDER: Final = "secrets"
UNIT_KEY: Final = "unit.key"
OPERATOR_KEY: Final = "operator.key"

OPERATOR_PREFIX: Final = "OP~"
OPERATOR_TOKEN_S: Final = 3600
_OPERATOR_PURPOSE: Final = "operator"


class FileKeys:
    """Authenticated encryption under the secrets in a folder."""

    def __init__(self, folder: Path, *, master_token: str, now_ms: Callable[[], int]) -> None:
        """Read the secrets in *folder*, making them when there are none."""
        self._unit = load_or_make(folder / UNIT_KEY)
        self._operator = OperatorKey(load_or_make(folder / OPERATOR_KEY))
        self._master_token = master_token.encode()
        self._now_ms = now_ms
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """*plain* so that only this unit can read it, different at every call."""
        nonce = os.urandom(NONCE_BYTES)
        return KEY_NUMBER + nonce + self._cipher(purpose).encrypt(nonce, plain, KEY_NUMBER)

    def unseal(self, purpose: str, sealed: bytes) -> bytes | None:
        """What was sealed for the same purpose; None when it was not, or was changed."""
        if sealed[:1] != KEY_NUMBER:
            return None
        nonce, text = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher(purpose).decrypt(nonce, text, KEY_NUMBER)
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, purpose: str) -> AESGCM:
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            cipher = self._ciphers[purpose] = AESGCM(_derive(self._unit, purpose))
        return cipher

    def is_master_token(self, token: str) -> bool:
        """Whether *token* is the configured unit master token; never when none is configured."""
        return bool(self._master_token) and hmac.compare_digest(token.encode(), self._master_token)

    def is_operator_token(self, token: str) -> bool:
        """Whether *token* was minted with this unit's operator key and is still valid."""
        return self._operator.admits(token, self._now_ms())


class OperatorKey:
    """The key that the owner of the data folder holds."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(_derive(secret, _OPERATOR_PURPOSE))

    @classmethod
    def of(cls, data: Path) -> OperatorKey:
        """The operator key of the data folder *data*; FileNotFoundError when no unit ever started there."""
        return cls((data / FOLDER / OPERATOR_KEY).read_bytes())

    def mint(self, now_ms: int, life_s: int = OPERATOR_TOKEN_S) -> str:
        """A unit administrator token that is good for *life_s* seconds."""
        nonce = os.urandom(NONCE_BYTES)
        text = self._cipher.encrypt(nonce, str(now_ms + life_s * 1000).encode(), None)
        return OPERATOR_PREFIX + base64.urlsafe_b64encode(nonce + text).rstrip(b"=").decode()

    def admits(self, token: str, now_ms: int) -> bool:
        """Whether *token* was minted with this key and its time has not come."""
        text = token.removeprefix(OPERATOR_PREFIX)
        if text == token:
            return False
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            until_ms = int(self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
        except (InvalidTag, ValueError):
            return False
        return now_ms < until_ms


def load_or_make(path: Path) -> bytes:
    """The secret in the file *path*, made with mode 0600 when it is not there."""
    if not path.exists():
        write_secret(path, os.urandom(KEY_BYTES))
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise FolderProblem(f"The secret {path} is damaged: it does not hold {KEY_BYTES} bytes.")
    return secret


def write_secret(path: Path, secret: bytes) -> None:
    """Write the file *path*, whole or not at all, with mode 0600."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"alveary {purpose}".encode()).derive(secret)
