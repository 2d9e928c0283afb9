"""Password hashing by scrypt, in threads of its own so that nobody else waits for it.

What does not belong here: the text form (``wire.passwords``), throttling (``usecases``).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import orjson

from alveary.model.accounts import Credential
from alveary.model.seals import Stretch
from alveary.wire.passwords import SCRYPT, SHA256, ScryptHash

KEY_BYTES: Final = 32
SALT_BYTES: Final = 64
NICENESS: Final = 10
_CORES_FOR_A_SECOND_THREAD: Final = 4


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What a new hash costs: N is 2 to the power of ``log2_n``."""

    log2_n: int = 14
    r: int = 8
    p: int = 5


class ScryptPasswords:
    """Hashes new passwords with one cost, verifies those of any."""

    def __init__(self, cost: ScryptCost, *, sha256_salt: str = "") -> None:
        """*sha256_salt* is the unit-wide salt that older hashes were made with."""
        self._cost = cost
        self._sha256_salt = sha256_salt
        threads = 2 if (os.cpu_count() or 1) > _CORES_FOR_A_SECOND_THREAD else 1
        self._threads = ThreadPoolExecutor(threads, "scrypt", initializer=_yield_to_others)
        self._nobody = ScryptHash(cost.log2_n, cost.r, cost.p, os.urandom(SALT_BYTES), os.urandom(KEY_BYTES))

    async def hash(self, password: str) -> Credential:
        """A new credential for *password*."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hash, password)

    def _hash(self, password: str) -> Credential:
        cost = self._cost
        empty = ScryptHash(cost.log2_n, cost.r, cost.p, os.urandom(SALT_BYTES), bytes(KEY_BYTES))
        filled = ScryptHash(cost.log2_n, cost.r, cost.p, empty.salt, _scrypt(password, empty))
        attributes = orjson.dumps({"keyLength": KEY_BYTES}).decode()
        return Credential(SCRYPT, filled.render(), attributes)

    async def verify(self, password: str, credential: Credential | None) -> bool:
        """Whether *password* belongs to *credential*; without one: no, after as much work."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password, credential)

    def _verify(self, password: str, credential: Credential | None) -> bool:
        if credential is not None and credential.algorithm == SHA256:
            digest = hashlib.sha256((password + self._sha256_salt).encode("utf-8", "surrogatepass")).hexdigest()
            return hmac.compare_digest(digest, credential.hashed.lower())
        stored = ScryptHash.parse(credential.hashed) if credential is not None else None
        known = stored or self._nobody
        return hmac.compare_digest(_scrypt(password, known), known.key) and stored is not None

    async def derive(self, passphrase: str, stretch: Stretch) -> bytes:
        """A key of 32 bytes that comes from *passphrase* as *stretch* says."""
        like = ScryptHash(stretch.log2_n, stretch.r, stretch.p, stretch.salt, bytes(KEY_BYTES))
        return await asyncio.get_running_loop().run_in_executor(self._threads, _scrypt, passphrase, like)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _yield_to_others() -> None:
    """Let the other threads of the process go before this one where there are too few cores for all."""
    if sys.platform == "linux":  # where a priority is one of a thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _scrypt(password: str, like: ScryptHash) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=like.salt,
        n=1 << like.log2_n,
        r=like.r,
        p=like.p,
        dklen=len(like.key),
        maxmem=like.memory_bytes,
    )
