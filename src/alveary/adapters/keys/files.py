"""The unit's secrets as files: made at the first start, readable by their owner alone.

``secrets/unit.key`` seals local tokens, cookies and the keys of cells. Where it was replaced, ``unit.2.key`` does,
and so on: the newest seals, the older ones still open what was sealed before. ``secrets/operator.key`` is the way in
for who owns the data folder: the command line mints short-lived unit administrator tokens from it. What does not
belong here: what is sealed.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alveary.adapters.folder import FolderProblem
from alveary.wire import base64url

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_NUMBERS: Final = range(1, 256)
"""A secret's number stands before every text that was sealed under it, as one byte."""

TOKENS_END_AFTER_S: Final = 86_400
"""How long tokens may be good that were sealed under a secret before it was replaced."""

FOLDER: Final = "secrets"
UNIT_KEY: Final = "unit.key"
OPERATOR_KEY: Final = "operator.key"

_UNIT_KEYS: Final = re.compile(r"unit(?:\.([1-9][0-9]{0,2}))?\.key")

OPERATOR_PREFIX: Final = "OP~"
OPERATOR_TOKEN_S: Final = 3600
_OPERATOR_PURPOSE: Final = "operator"


class FileKeys:
    """Authenticated encryption under the secrets in a folder."""

    def __init__(self, folder: Path, *, master_token: str, now_ms: Callable[[], int]) -> None:
        """Read the secrets in *folder*, making them when there are none."""
        secrets = unit_secrets(folder) or {_NUMBERS[0]: UnitSecret(load_or_make(folder / UNIT_KEY))}
        self._secrets = secrets
        self._newest = max(secrets)
        self._operator = OperatorKey(load_or_make(folder / OPERATOR_KEY))
        self._master_token = master_token.encode()
        self._now_ms = now_ms
        self._ciphers: dict[tuple[int, str], AESGCM] = {}

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """*plain* so that only this unit can read it, different at every call."""
        nonce, number = os.urandom(NONCE_BYTES), bytes([self._newest])
        return number + nonce + self._cipher(self._newest, purpose).encrypt(nonce, plain, number)

    def unseal(self, purpose: str, sealed: bytes, *, stored: bool = False) -> bytes | None:
        """What was sealed for the same purpose; None when it was not, or was changed, or its time is over."""
        number, nonce, text = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        secret = self._secrets.get(number[0]) if number else None
        if secret is None or not (stored or secret.opens_tokens(self._now_ms())):
            return None
        try:
            return self._cipher(number[0], purpose).decrypt(nonce, text, number)
        except (InvalidTag, ValueError):
            return None

    def is_current(self, sealed: bytes) -> bool:
        """Whether *sealed* was sealed under the secret that is used now."""
        return sealed[:1] == bytes([self._newest])

    def _cipher(self, number: int, purpose: str) -> AESGCM:
        cipher = self._ciphers.get((number, purpose))
        if cipher is None:
            cipher = self._ciphers[number, purpose] = AESGCM(_derive(self._secrets[number].key, purpose))
        return cipher

    def is_master_token(self, token: str) -> bool:
        """Whether *token* is the configured unit master token; never when none is configured."""
        return bool(self._master_token) and hmac.compare_digest(token.encode(), self._master_token)

    def is_operator_token(self, token: str) -> bool:
        """Whether *token* was minted with this unit's operator key and is still valid."""
        return self._operator.admits(token, self._now_ms())


@dataclass(frozen=True, slots=True)
class UnitSecret:
    """A secret of the unit, and when another took its place (None: none did)."""

    key: bytes
    replaced_ms: int | None = None

    def opens_tokens(self, now_ms: int) -> bool:
        """Whether tokens that were sealed under it are still good."""
        return self.replaced_ms is None or now_ms < self.replaced_ms + TOKENS_END_AFTER_S * 1000


def unit_secrets(folder: Path) -> dict[int, UnitSecret]:
    """The unit's secrets in *folder* by their numbers; each was replaced when the file of the next was made.

    Raises:
        FolderProblem: one is damaged.
    """
    paths = unit_paths(folder)
    made_ms = {number: int(path.stat().st_mtime * 1000) for number, path in paths.items()}
    replaced_ms = {number: made_ms[successor] for number, successor in pairwise(sorted(paths))}
    return {number: UnitSecret(load_or_make(path), replaced_ms.get(number)) for number, path in paths.items()}


def unit_paths(folder: Path) -> dict[int, Path]:
    """The files of the unit's secrets in *folder* by their numbers."""
    found = [(_UNIT_KEYS.fullmatch(path.name), path) for path in folder.glob("unit*.key")]
    return {int(name[1] or 1): path for name, path in found if name is not None}


def replace_unit_secret(folder: Path) -> None:
    """Make a new secret for the unit in *folder*; what was sealed under an older one can still be opened.

    Raises:
        FolderProblem: no number is left for another.
    """
    paths = unit_paths(folder)
    number = max(paths, default=0) + 1
    if number not in _NUMBERS:
        raise FolderProblem(f"The unit's secret in {folder} has been replaced as often as it can be.")
    load_or_make(folder / f"unit.{number}.key")


def forget_older_secrets(folder: Path) -> None:
    """Remove all secrets of the unit in *folder* but the newest: what was sealed under them is good no more."""
    paths = unit_paths(folder)
    for number in sorted(paths)[:-1]:
        paths[number].unlink()


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
        return OPERATOR_PREFIX + base64url.encode(nonce + text)

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
