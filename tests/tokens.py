"""Trans-cell tokens taken apart and put together again, as an attacker or another unit would.

The canonical form and the digest are made here by other means than in ``wire``: this is a judge, not a mirror.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lxml import etree

from alveary.wire.saml import Assertion

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DSIG}enveloped-signature"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
DIGESTS = {
    "sha1": f"{DSIG}sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}


def decoded(raw: str) -> bytes:
    """The XML of a token."""
    return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))


def encoded(xml: str | bytes) -> str:
    """The token of XML."""
    data = xml.encode() if isinstance(xml, str) else xml
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def retold(assertion: Assertion, **said: Any) -> Assertion:
    """The same with other words."""
    return replace(assertion, **said)


def unsigned(xml: str) -> str:
    """*xml* without its signature."""
    return re.sub(r"<(\w+:)?Signature .*</(\w+:)?Signature>", "", xml)


def signed_xml(
    xml: str,
    sign: Callable[[bytes], bytes] = lambda data: hashlib.sha512(data).digest(),
    *,
    certificate: bytes = b"a certificate",
    canonicalization: str = INCLUSIVE,
    transforms: tuple[str, ...] = (),
    digest: str = "sha256",
    signature: str = RSA_SHA256,
    uri: str = "",
    prefix: str = "",
) -> str:
    """The token of *xml* with a new signature of the named kind instead of its own; *transforms* follow the first."""
    bare = unsigned(xml)
    root = etree.fromstring(bare)
    canonical = etree.tostring(root, method="c14n", exclusive=EXCLUSIVE in transforms, with_comments=False)
    value = base64.b64encode(hashlib.new(digest, canonical).digest()).decode()
    listed = "".join(f'<{prefix}Transform Algorithm="{each}"/>' for each in (ENVELOPED, *transforms))
    namespace = f' xmlns:{prefix[:-1]}="{DSIG}"' if prefix else f' xmlns="{DSIG}"'
    signed_info = (
        f'<{prefix}SignedInfo><{prefix}CanonicalizationMethod Algorithm="{canonicalization}"/>'
        f'<{prefix}SignatureMethod Algorithm="{signature}"/><{prefix}Reference URI="{uri}">'
        f'<{prefix}Transforms>{listed}</{prefix}Transforms><{prefix}DigestMethod Algorithm="{DIGESTS[digest]}"/>'
        f"<{prefix}DigestValue>{value}</{prefix}DigestValue></{prefix}Reference></{prefix}SignedInfo>"
    )
    outer = f' xmlns="{SAML}"' if prefix and canonicalization == INCLUSIVE else ""
    alone = etree.fromstring(signed_info.replace("SignedInfo>", f"SignedInfo{outer}{namespace}>", 1))
    to_sign = etree.tostring(alone, method="c14n", exclusive=canonicalization == EXCLUSIVE)
    made = base64.b64encode(sign(to_sign)).decode()
    key = base64.b64encode(certificate).decode()
    whole = (
        f"<{prefix}Signature{namespace}>{signed_info}<{prefix}SignatureValue>{made}</{prefix}SignatureValue>"
        f"<{prefix}KeyInfo><{prefix}X509Data><{prefix}X509Certificate>{key}</{prefix}X509Certificate>"
        f"</{prefix}X509Data></{prefix}KeyInfo></{prefix}Signature>"
    )
    content, end, name = bare.rpartition("</")
    return encoded(content + whole + end + name)
