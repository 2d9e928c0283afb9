"""The unit's signing identity: the configured PEM files, else two in the data folder that the first start makes.

What does not belong here: what a certificate is good for (``certificates``), what is signed, and which issuers are
this unit's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from alveary.adapters.folder import FolderProblem
from alveary.adapters.keys.certificates import DAMAGED, RSA_BITS, covers, is_strong, is_valid, made, vouches
from alveary.adapters.keys.files import write_secret
from alveary.config import Unit
from alveary.model.signatures import Signature

SIGNING_KEY: Final = "unit.pem"
CERTIFICATE: Final = "unit.crt"

_EXPONENT: Final = 65_537
_LIFE: Final = timedelta(days=20 * 365)
_HEAD_START: Final = timedelta(days=1)
"""How long before its making a certificate begins: the clocks of other units may be slow."""

_COMMON_NAME_CHARS: Final = 64
"""The most that X.520 lets a common name have."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CertifiedIdentity:
    """A key with its certificate (DER), and the roots that other units' certificates go back to."""

    key: RSAPrivateKey
    certificate: bytes
    subject_name: str
    roots: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, key: RSAPrivateKey, certificate: x509.Certificate, roots: Iterable[x509.Certificate] = ()) -> Self:
        """The identity of *key*, which *certificate* is of."""
        der = certificate.public_bytes(Encoding.DER)
        return cls(key, der, certificate.subject.rfc4514_string(), tuple(roots))

    def sign(self, data: bytes) -> bytes:
        """The signature of *data*: RSASSA-PKCS1-v1_5 with SHA-256."""
        return self.key.sign(data, PKCS1v15(), SHA256())

    def verifies(self, signature: Signature, host: str, now_ms: int) -> bool:
        """Whether *signature* was made by the unit of *host*, a lower-case name or an IP address without brackets."""
        try:
            certificate = x509.load_der_x509_certificate(signature.certificate)
            believed = self.is_own(signature.certificate) or self._trusts(certificate, host, _moment(now_ms))
            return believed and made(certificate, signature)
        except DAMAGED:
            return False

    def is_own(self, certificate: bytes) -> bool:
        """Whether *certificate* (DER) is the unit's own."""
        return certificate == self.certificate

    def _trusts(self, certificate: x509.Certificate, host: str, now: datetime) -> bool:
        return (
            is_valid(certificate, now)
            and covers(certificate, host)
            and any(is_valid(root, now) and vouches(root, certificate) for root in self.roots)
        )


def open_identity(
    folder: Path, given: Unit, *, host: str, now_ms: int, warn: Callable[..., None]
) -> CertifiedIdentity:
    """The identity that *given* configures, else the one in *folder*, made for *host* when there is none yet.

    *warn* is told when other units will not believe it.

    Raises:
        FolderProblem: a file is missing or damaged, a key is not RSA or too short, or key and certificate do not
            belong together.
    """
    key_file = given.key or folder / SIGNING_KEY
    certificate_file = given.certificate or folder / CERTIFICATE
    now = _moment(now_ms)
    if given.key is None:
        _make_missing(key_file, certificate_file, host, now)
    key, certificate = _read_key(key_file), _read_certificates(certificate_file)[0]
    if certificate.public_key() != key.public_key():
        raise FolderProblem(f"The certificate in {certificate_file} is not of the private key in {key_file}.")
    if not (covers(certificate, host) and is_valid(certificate, now)):
        warn(
            "other units do not believe what this unit signs: its certificate is for another host or time",
            file=str(certificate_file),
            host=host,
        )
    return CertifiedIdentity.of(
        key, certificate, [root for file in given.trusted_roots for root in _read_roots(file)]
    )


def _make_missing(key_file: Path, certificate_file: Path, host: str, now: datetime) -> None:
    """Make what is not there: first the key, so that a certificate always finds the key that it is of."""
    if not key_file.exists():
        key = generate_private_key(_EXPONENT, RSA_BITS)
        write_secret(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if not certificate_file.exists():
        certificate = self_signed(_read_key(key_file), host, now)
        write_secret(certificate_file, certificate.public_bytes(Encoding.PEM))


def self_signed(key: RSAPrivateKey, host: str, now: datetime) -> x509.Certificate:
    """A certificate for the unit at *host* that its own key has signed."""
    # The end of a name covers the whole of it, for Personium too.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[-_COMMON_NAME_CHARS:])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HEAD_START)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_alternative_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return builder.sign(key, SHA256())


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _read_key(file: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FolderProblem(f"The file {file} holds no private key in PEM form without a password.") from None
    if not isinstance(key, RSAPrivateKey) or not is_strong(key.public_key()):
        raise FolderProblem(f"The private key in {file} is not an RSA key of at least {RSA_BITS} bits.")
    return key


def _read_certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise FolderProblem(f"The file {file} holds no certificate in PEM form.") from None


def _read_roots(file: Path) -> list[x509.Certificate]:
    roots = _read_certificates(file)
    if not all(is_strong(root.public_key()) for root in roots):
        raise FolderProblem(f"A trusted root in {file} has no RSA key of at least {RSA_BITS} bits.")
    return roots


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FolderProblem(f"The file {file} cannot be read: {error.strerror}.") from error


def _moment(now_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=now_ms)
