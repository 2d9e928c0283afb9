"""Enveloped XML signatures in the one form that a trans-cell token has, written and taken apart.

This is no engine for XML signatures: references, transforms and keys of any other form are refused (ADR 0011). What
does not belong here: keys and certificates (the identity port), and what was signed (``saml``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from lxml import etree

from alveary.model.signatures import Hash, Signature
from alveary.wire.xml import Form, has_form

NAMESPACE: Final = "http://www.w3.org/2000/09/xmldsig#"
_DSIG: Final = f"{{{NAMESPACE}}}"

_INCLUSIVE: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED: Final = f"{NAMESPACE}enveloped-signature"
_RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"

_TRANSFORMS: Final[Mapping[tuple[str, ...], str]] = {
    (_ENVELOPED,): _INCLUSIVE,
    (_ENVELOPED, _INCLUSIVE): _INCLUSIVE,
    (_ENVELOPED, _EXCLUSIVE): _EXCLUSIVE,
}
"""The transforms that are known, and the canonical form they lead to."""

_SIGNATURES: Final[Mapping[str, Hash]] = {
    _RSA_SHA256: Hash.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": Hash.SHA384,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": Hash.SHA512,
}
_DIGESTS: Final[Mapping[str, Hash]] = {
    _SHA256: Hash.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": Hash.SHA384,
    "http://www.w3.org/2001/04/xmlenc#sha512": Hash.SHA512,
}


_form: Final = partial(Form.of, _DSIG)


_FORMS: Final[Mapping[str, Form]] = {
    f"{_DSIG}Signature": _form(SignedInfo=1, SignatureValue=1, KeyInfo=1),
    f"{_DSIG}SignedInfo": _form(CanonicalizationMethod=1, SignatureMethod=1, Reference=1),
    f"{_DSIG}CanonicalizationMethod": _form("Algorithm"),
    f"{_DSIG}SignatureMethod": _form("Algorithm"),
    f"{_DSIG}Reference": _form("URI", Transforms=1, DigestMethod=1, DigestValue=1),
    f"{_DSIG}Transforms": _form(Transform=2),
    f"{_DSIG}Transform": _form("Algorithm"),
    f"{_DSIG}DigestMethod": _form("Algorithm"),
    f"{_DSIG}DigestValue": _form(),
    f"{_DSIG}SignatureValue": _form(),
    f"{_DSIG}KeyInfo": _form(X509Data=1),
    f"{_DSIG}X509Data": _form(X509SubjectName=1, X509Certificate=1),
    f"{_DSIG}X509SubjectName": _form(),
    f"{_DSIG}X509Certificate": _form(),
}
"""All that a signature is made of. Nothing in it has an ID, so that the signed root's is the only one."""


class MalformedError(ValueError):
    """A document that is not of the form it should have."""


class UnsignedError(ValueError):
    """A document that no one signed, or by a method that is not taken, or whose content is not what was signed."""


def envelope(canonical: str, sign: Callable[[bytes], bytes], certificate: bytes, subject_name: str) -> str:
    """The document *canonical*, which is in canonical form, with its signature as the last child of its root.

    *sign* is given what RSA with SHA-256 is to sign; *certificate* is DER.
    """
    signed_info = _SIGNED_INFO.format(digest=_base64(hashlib.sha256(canonical.encode()).digest()))
    # In canonical form it names the namespace that, in the document, it has from its parent.
    signed = signed_info.replace("<SignedInfo>", f'<SignedInfo xmlns="{NAMESPACE}">', 1)
    signature = _SIGNATURE.format(
        signed_info=signed_info,
        value=_base64(sign(signed.encode())),
        subject_name=canonical_text(subject_name),
        certificate=_base64(certificate),
    )
    content, end, name = canonical.rpartition("</")
    return content + signature + end + name


_SIGNED_INFO: Final = (
    "<SignedInfo>"
    f'<CanonicalizationMethod Algorithm="{_INCLUSIVE}"></CanonicalizationMethod>'
    f'<SignatureMethod Algorithm="{_RSA_SHA256}"></SignatureMethod>'
    f'<Reference URI=""><Transforms><Transform Algorithm="{_ENVELOPED}"></Transform></Transforms>'
    f'<DigestMethod Algorithm="{_SHA256}"></DigestMethod><DigestValue>{{digest}}</DigestValue></Reference>'
    "</SignedInfo>"
)
_SIGNATURE: Final = (
    f'<Signature xmlns="{NAMESPACE}">{{signed_info}}<SignatureValue>{{value}}</SignatureValue>'
    "<KeyInfo><X509Data><X509SubjectName>{subject_name}</X509SubjectName>"
    "<X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></Signature>"
)


def canonical_text(value: str) -> str:
    """*value* as canonical XML writes it inside an element."""
    return value.translate(_IN_TEXTS)


def canonical_attribute(value: str) -> str:
    """*value* as canonical XML writes it in an attribute."""
    return value.translate(_IN_ATTRIBUTES)


# Source: Canonical XML 1.0, section 2.3.
_IN_TEXTS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_IN_ATTRIBUTES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


def unwrap(document: etree._Element, forms: Mapping[str, Form]) -> tuple[etree._Element, Signature]:
    """What in *document* was signed, parsed anew from the bytes that were digested, and the signature of it.

    *document* loses its signature, and is to be of *forms* then. That the signature is true is yet to be asked.

    Raises:
        MalformedError: there is a second signature, one that is no child of the root, or anything of another form.
        UnsignedError: there is none, its methods are not taken, or it is of another content.
        etree.LxmlError: there is no canonical form.
    """
    signature = _take_out(document)
    # Before the canonical form is made: sorting thousands of attributes would take long.
    if not has_form(document, forms):
        raise MalformedError
    signed_info = _at(signature, "SignedInfo")
    reference = _at(signed_info, "Reference")
    if reference.get("URI") not in {"", f"#{document.get('ID')}"}:
        raise UnsignedError
    canonical = _canonical(document, _TRANSFORMS.get(tuple(each.get("Algorithm", "") for each in reference[0])))
    digest = hashlib.new(_hash(_at(reference, "DigestMethod"), _DIGESTS), canonical).digest()
    if digest != _octets(_at(reference, "DigestValue")):
        raise UnsignedError
    return etree.fromstring(canonical), _signature(signature, signed_info)


def _take_out(document: etree._Element) -> etree._Element:
    """The one signature of *document*, in a document of its own."""
    name = f"{_DSIG}Signature"
    found = list(document.iter(name))
    if not found:
        raise UnsignedError
    if len(found) > 1 or found[0].getparent() is not document:
        raise MalformedError
    signature = _alone(found[0])
    if not has_form(signature, _FORMS):
        raise MalformedError
    etree.strip_elements(document, name, with_tail=False)
    return signature


def _alone(element: etree._Element) -> etree._Element:
    """*element* as a document, with the namespaces it had from its parents: inclusive C14N counts them in."""
    return etree.fromstring(etree.tostring(element, with_tail=False))


def _signature(signature: etree._Element, signed_info: etree._Element) -> Signature:
    data = _at(signature, "KeyInfo", "X509Data")
    subject_name = data.find(f"{_DSIG}X509SubjectName")
    return Signature(
        hash=_hash(_at(signed_info, "SignatureMethod"), _SIGNATURES),
        signed=_canonical(_alone(signed_info), _at(signed_info, "CanonicalizationMethod").get("Algorithm")),
        value=_octets(_at(signature, "SignatureValue")),
        certificate=_octets(_at(data, "X509Certificate")),
        subject_name=None if subject_name is None else subject_name.text or "",
    )


def _at(element: etree._Element, *path: str) -> etree._Element:
    found = element.find("/".join(_DSIG + name for name in path))
    if found is None:
        raise MalformedError
    return found


def _canonical(root: etree._Element, form: str | None) -> bytes:
    if form not in {_INCLUSIVE, _EXCLUSIVE}:
        raise UnsignedError
    return etree.tostring(root, method="c14n", exclusive=form == _EXCLUSIVE, with_comments=False)


def _hash(method: etree._Element, known: Mapping[str, Hash]) -> Hash:
    found = known.get(method.get("Algorithm", ""))
    if found is None:
        raise UnsignedError
    return found


def _octets(element: etree._Element) -> bytes:
    """The bytes of base64, which may stand on several lines; a second spelling of them is refused."""
    text = "".join((element.text or "").split())
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError from None
    if _base64(data) != text:
        raise MalformedError
    return data


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
