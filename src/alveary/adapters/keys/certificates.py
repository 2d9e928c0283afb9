"""What a certificate is good for: when, for which hosts, on whose word, and which signatures are its key's.

What does not belong here: which certificates are believed (``identity``). A certificate from outside may raise any of
:data:`DAMAGED` when it is looked into.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.x509.oid import NameOID

from alveary.model.signatures import Hash, Signature

DAMAGED: Final = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What a certificate or signature comes to that is broken, of an unknown kind, or false."""

RSA_BITS: Final = 2048
"""The shortest key that is believed."""

_HASHES: Final[dict[Hash, HashAlgorithm]] = {Hash.SHA256: SHA256(), Hash.SHA384: SHA384(), Hash.SHA512: SHA512()}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_strong(key: object) -> bool:
    """Whether *key* is a public RSA key that is long enough."""
    return isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS


def is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether *now* lies within its validity."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether it is of *host*, a lower-case name or an IP address without brackets.

    Its alternative names count, and its common name when it has none. The name of a unit covers those of its cells,
    ``cell.unit.example``; a wildcard stands for one label. An address is covered by itself alone.
    """
    names, addresses = _names(certificate)
    if (address := _address(host)) is not None:
        return address in addresses
    return any(_name_covers(name.lower(), host) for name in names)


def _names(certificate: x509.Certificate) -> tuple[list[str], list[Address]]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return names, [address for name in names if (address := _address(name)) is not None]
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return (
        extension.value.get_values_for_type(x509.DNSName),
        [each for each in addresses if isinstance(each, Address)],
    )


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _name_covers(name: str, host: str) -> bool:
    wildcard, parent = name.startswith("*."), name.removeprefix("*.")
    if not parent:
        return False
    if wildcard:
        return host.partition(".")[2] == parent
    return host == name or host.endswith(f".{name}")


def vouches(root: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the trusted *root* is this very certificate, or issued and signed it."""
    if root == certificate:
        return True
    # Who trusts another unit's self-signed certificate does not trust what that unit signs for third ones.
    if not _may_certify(root) or certificate.signature_hash_algorithm not in _HASHES.values():
        return False
    try:
        certificate.verify_directly_issued_by(root)
    except DAMAGED:
        return False
    return True


def _may_certify(root: x509.Certificate) -> bool:
    try:
        return root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return True  # version 1, before there were constraints


def made(certificate: x509.Certificate, signature: Signature) -> bool:
    """Whether *signature* was made with the key of *certificate*, and names its subject if any."""
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or not is_strong(key):
        return False
    key.verify(signature.value, signature.signed, PKCS1v15(), _HASHES[signature.hash])
    return signature.subject_name is None or _is_subject(signature.subject_name, certificate)


def _is_subject(text: str, certificate: x509.Certificate) -> bool:
    said, true = list(x509.Name.from_rfc4514_string(text)), list(certificate.subject)
    return len(said) == len(true) and all(
        one.oid == other.oid and other.value in (one.value, _decoded(one.value))
        for one, other in zip(said, true, strict=True)
    )


def _decoded(value: str | bytes) -> str | bytes:
    """The text of a value that was written as the digits of its DER: what follows the two bytes of its head."""
    return value[2:]
