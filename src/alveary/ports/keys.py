"""Secrets of the unit: sealing small texts, hashing passwords, and what slows down who guesses them.

What does not belong here: what is sealed (``wire.tokens``) and the text form of a hash (``wire.passwords``).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from alveary.model.accounts import Credential
from alveary.model.keep import LoginHistory
from alveary.model.seals import Stretch


class Keys(Protocol):
    """Authenticated encryption under the unit's secrets; *purpose* separates one use from another."""

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """*plain* so that only this unit can read it, different at every call."""

    def unseal(self, purpose: str, sealed: bytes, *, stored: bool = False) -> bytes | None:
        """What was sealed for the same purpose; None when it was not, or was changed.

        Under a secret that has been replaced, texts that clients hold are good for as long as tokens may live, texts
        that the unit itself has *stored* for as long as the secret is there.
        """

    def is_current(self, sealed: bytes) -> bool:
        """Whether *sealed* was sealed under the secret that is used now."""

    def is_master_token(self, token: str) -> bool:
        """Whether *token* is the configured unit master token; never when none is configured."""

    def is_operator_token(self, token: str) -> bool:
        """Whether *token* was minted with this unit's operator key and is still valid."""


class Passwords(Protocol):
    """Password hashing, beside other requests and a bounded number at a time."""

    async def hash(self, password: str) -> Credential:
        """A new credential for *password*."""

    async def verify(self, password: str, credential: Credential | None) -> bool:
        """Whether *password* belongs to *credential*; without one: no, after as much work."""

    async def derive(self, passphrase: str, stretch: Stretch) -> bytes:
        """A key of 32 bytes that comes from *passphrase* as *stretch* says."""


class KeyPairs(Protocol):
    """Key pairs for cells."""

    async def make(self) -> bytes:
        """A new RSA key of 2048 bits, its private half as PKCS#8 in PEM; made beside other requests."""


class Attempts(Protocol):
    """How often logins from an address have failed of late."""

    def wait_ms(self, address: str) -> int:
        """How long the address must wait before its next try; 0 when it need not."""

    def failed(self, address: str) -> None:
        """Note a failure."""

    def succeeded(self, address: str) -> None:
        """Note a success: earlier failures are forgiven."""


class Strangers(Protocol):
    """Failed logins under names that no account has, so that they are closed as accounts are."""

    def find(self, cell_id: str, name: str) -> LoginHistory:
        """What is known of logins under *name* in that cell; empty when nothing is."""

    def save(self, cell_id: str, name: str, history: LoginHistory) -> None:
        """Replace what is known."""


class Turns(Protocol):
    """Whose login is proved next: one at a time for each account, and one for each address."""

    def turn(self, cell_id: str, name: str, address: str | None) -> AbstractAsyncContextManager[None]:
        """The time in which no other login of *name* in that cell, and none from *address*, is proved.

        Logins of others do not wait for those that do; where the address is not known, it is one of its own.

        Raises:
            Refusal: AUTHENTICATION_FAILED when as many wait already as may.
        """
