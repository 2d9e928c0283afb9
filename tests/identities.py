"""Signing identities for tests: authorities, certificates of every kind of fault, and units that trust each other."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.x509.oid import NameOID

from alveary.adapters.keys.identity import CertifiedIdentity, self_signed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
YEAR = timedelta(days=365)


@cache
def rsa_key(name: str, bits: int = 2048) -> RSAPrivateKey:
    """The key that tests know by *name*; making one takes a while."""
    return generate_private_key(65_537, bits)


def certificate(
    common_name: str,
    *,
    key: RSAPrivateKey | None = None,
    names: Sequence[str] | None = None,
    issuer: x509.Certificate | None = None,
    issuer_key: RSAPrivateKey | None = None,
    begins: datetime = NOW - YEAR,
    ends: datetime = NOW + YEAR,
    is_authority: bool | None = None,
    hash_algorithm: HashAlgorithm | None = None,
) -> x509.Certificate:
    """One that says what it is told to; *names* are its alternative names, *is_authority* its basic constraint."""
    key = key or rsa_key(common_name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general_name, names)]), critical=False)
    if is_authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    return builder.sign(issuer_key or key, hash_algorithm or SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


ROOT = "Authority of tests"


def root(name: str = ROOT, **said: object) -> x509.Certificate:
    """An authority."""
    return certificate(name, is_authority=True, **said)  # type: ignore[arg-type]


@cache
def identity(host: str, *trusted: x509.Certificate) -> CertifiedIdentity:
    """The unit at *host* as it is after its first start, and whom it trusts."""
    return CertifiedIdentity.of(rsa_key(host), self_signed(rsa_key(host), host, NOW), trusted)


def certified(host: str, authority: x509.Certificate, *trusted: x509.Certificate) -> CertifiedIdentity:
    """The unit at *host* with a certificate of *authority*, whose key is that of ROOT."""
    issued = certificate(host, names=[host], issuer=authority, issuer_key=rsa_key(ROOT))
    return CertifiedIdentity.of(rsa_key(host), issued, trusted)
