"""Who the unit is to other units: its signing key and certificate, and whose signatures it believes.

What does not belong here: what is signed (``wire.saml``), and the unit's secrets towards itself (``keys``).
"""

from __future__ import annotations

from typing import Protocol

from alveary.model.signatures import Signature


class Identity(Protocol):
    """The unit's signing identity, and the authorities that it trusts."""

    @property
    def certificate(self) -> bytes:
        """The certificate of the signing key, in DER."""

    @property
    def subject_name(self) -> str:
        """The certificate's subject in the form of RFC 4514: ``CN=unit.example``."""

    def sign(self, data: bytes) -> bytes:
        """The signature of *data*: RSASSA-PKCS1-v1_5 with SHA-256."""

    def verifies(self, signature: Signature, host: str, now_ms: int) -> bool:
        """Whether *signature* was made by the unit of *host*, a lower-case name or an IP address without brackets.

        The unit's own certificate is believed as it is. Any other must be valid now, fit *host*, and go back in one
        step to a trusted root that is valid now.
        """

    def is_own(self, certificate: bytes) -> bool:
        """Whether *certificate* (DER) is the unit's own."""
