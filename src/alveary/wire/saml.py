"""Trans-cell tokens: SAML 2.0 assertions in the one form that Personium gives them.

What is read is read from the very bytes whose digest was signed. What does not belong here: how they are signed
(``xml_signature``), and whether an assertion is for us and still good (``usecases.assertions``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from lxml import etree

from alveary.model.signatures import Signature
from alveary.wire import base64url
from alveary.wire.xml import Form
from alveary.wire.xml_signature import (
    MalformedError,
    UnsignedError,
    canonical_attribute,
    canonical_text,
    envelope,
    unwrap,
)

LONGEST_CHARS: Final = 262_144
"""The longest token that is looked at."""

DEFAULT_LIFE_MS: Final = 3_600_000
"""The life of an assertion that does not tell when it ends."""

_NAMESPACE: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_SAML: Final = f"{{{_NAMESPACE}}}"
_VERSION: Final = "2.0"
_METHOD: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_AUTHENTICATED_BY: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
_NAME_FORMAT: Final = "urn:x-personium:xmlns"
_ROLES: Final = "Roles"
_SCOPES: Final = "Scopes"


class Fault(Enum):
    """Why a token is not accepted."""

    UNREADABLE = auto()
    """It has not the form of a token."""
    SIGNATURE = auto()
    """What it says is not signed, or not by who it says."""
    EXPIRED = auto()
    """It is not good now, or for longer than any may be."""
    AUDIENCE = auto()
    """It is for another."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a trans-cell token says: *issuer* vouches for *subject* towards *audience*, with these roles and scopes.

    Names are URLs as they were written; ``schema`` is the app's, None when there is none. It was issued, and its
    subject authenticated, at ``issued_ms``; at ``expires_ms`` it is good no more.
    """

    id: str
    issuer: str
    subject: str
    audience: str
    recipient: str
    schema: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    issued_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Signed:
    """An assertion that is good from ``begins_ms`` on, if its signature is true: that is yet to be asked."""

    assertion: Assertion
    begins_ms: int
    signature: Signature


def render(assertion: Assertion, sign: Callable[[bytes], bytes], certificate: bytes, subject_name: str) -> str:
    """The token of *assertion*: base64url of its XML, with a signature by *sign* (RSA with SHA-256).

    A character that XML cannot hold makes a token that nobody accepts.
    """
    token = envelope(_claims(assertion), sign, certificate, subject_name)
    return base64url.encode(token.encode())


def _claims(assertion: Assertion) -> str:
    """The XML of *assertion* in canonical form, so that it need not be parsed to be digested."""
    issued, expires = _instant(assertion.issued_ms), _instant(assertion.expires_ms)
    return (
        f'<Assertion xmlns="{_NAMESPACE}"'
        f' ID="{canonical_attribute(assertion.id)}" IssueInstant="{issued}" Version="{_VERSION}">'
        f"<Issuer>{canonical_text(assertion.issuer)}</Issuer>"
        f"<Subject><NameID>{canonical_text(assertion.subject)}</NameID>"
        f'<SubjectConfirmation Method="{_METHOD}">'
        f'<SubjectConfirmationData NotOnOrAfter="{expires}" Recipient="{canonical_attribute(assertion.recipient)}">'
        "</SubjectConfirmationData></SubjectConfirmation></Subject>"
        f"<Conditions><AudienceRestriction><Audience>{canonical_text(assertion.audience)}</Audience>"
        f"<Audience>{canonical_text(assertion.schema or '')}</Audience></AudienceRestriction></Conditions>"
        f'<AuthnStatement AuthnInstant="{issued}"><AuthnContext>'
        f"<AuthnContextClassRef>{_AUTHENTICATED_BY}</AuthnContextClassRef></AuthnContext></AuthnStatement>"
        f"<AttributeStatement>{_attribute(_ROLES, assertion.roles)}{_attribute(_SCOPES, assertion.scopes)}"
        "</AttributeStatement></Assertion>"
    )


def _attribute(name: str, values: Iterable[str]) -> str:
    written = "".join(f"<AttributeValue>{canonical_text(each)}</AttributeValue>" for each in values)
    return f'<Attribute Name="{name}" NameFormat="{_NAME_FORMAT}">{written}</Attribute>'


def parse(raw: str) -> Signed | Fault:
    """What the token *raw* says: base64url or base64, with or without padding, of at most LONGEST_CHARS characters.

    UNREADABLE when it is anything but a token in its one form; SIGNATURE when what it says is not signed, or by a
    method that is not taken. Source: RFC 7522; W3C XML Signature Syntax and Processing.
    """
    try:
        claims, signature = unwrap(_document(raw), _FORMS)
        assertion, begins_ms = _read(claims)
    except UnsignedError:
        return Fault.SIGNATURE
    except (MalformedError, etree.LxmlError):
        return Fault.UNREADABLE
    return Signed(assertion, begins_ms, signature)


_UNWANTED: Final = re.compile(rb"<[!?]|<[^<>]*[\t\r\n]")
"""Declarations, comments, CDATA and processing instructions; and what would let one tag be spelt in several ways."""

_NAMESPACES: Final = 64
"""The most that may be declared, which canonical XML sorts: a token has two."""

_FROM_PLAIN: Final = str.maketrans("+/", "-_")


def _document(raw: str) -> etree._Element:
    """The assertion of *raw*. Without a DTD, it can refer to nothing but characters."""
    xml = _decode(raw) if len(raw) <= LONGEST_CHARS else None
    if xml is None or not xml.startswith(b"<") or _UNWANTED.search(xml) or xml.count(b"xmlns") > _NAMESPACES:
        raise MalformedError
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    root = etree.fromstring(xml, parser)
    if root.tag != f"{_SAML}Assertion":
        raise MalformedError
    return root


def _decode(raw: str) -> bytes | None:
    bare = raw.rstrip("=")
    if raw not in {bare, bare + "=" * (-len(bare) % 4)}:
        return None
    return base64url.decode(bare if "-" in bare or "_" in bare else bare.translate(_FROM_PLAIN))


_form: Final = partial(Form.of, _SAML)


_ANY: Final = LONGEST_CHARS

_FORMS: Final[Mapping[str, Form]] = {
    f"{_SAML}Assertion": _form(
        "ID IssueInstant Version", Issuer=1, Subject=1, Conditions=1, AuthnStatement=1, AttributeStatement=1
    ),
    f"{_SAML}Issuer": _form(),
    f"{_SAML}Subject": _form(NameID=1, SubjectConfirmation=1),
    f"{_SAML}NameID": _form(),
    f"{_SAML}SubjectConfirmation": _form("Method", SubjectConfirmationData=1),
    f"{_SAML}SubjectConfirmationData": _form("NotOnOrAfter Recipient"),
    f"{_SAML}Conditions": _form("NotBefore NotOnOrAfter", AudienceRestriction=1),
    f"{_SAML}AudienceRestriction": _form(Audience=2),
    f"{_SAML}Audience": _form(),
    f"{_SAML}AuthnStatement": _form("AuthnInstant", AuthnContext=1),
    f"{_SAML}AuthnContext": _form(AuthnContextClassRef=1),
    f"{_SAML}AuthnContextClassRef": _form(),
    f"{_SAML}AttributeStatement": _form(Attribute=_ANY),
    f"{_SAML}Attribute": _form("Name NameFormat", AttributeValue=_ANY),
    f"{_SAML}AttributeValue": _form(),
}
"""All that an assertion is made of, its signature aside."""


def _read(claims: etree._Element) -> tuple[Assertion, int]:
    """What *claims* say, and from when on they are good."""
    confirmation, conditions = _at(claims, "Subject", "SubjectConfirmation"), _at(claims, "Conditions")
    if claims.get("Version") != _VERSION or confirmation.get("Method") != _METHOD:
        raise MalformedError
    confirmed = _at(confirmation, "SubjectConfirmationData")
    audience, schema, *_ = [*(each.text or "" for each in _at(conditions, "AudienceRestriction")), "", ""]
    issued_ms = _moment_ms(_given(claims.get("IssueInstant")))
    begins_ms = _moments_ms(conditions.get("NotBefore"))
    ends_ms = _moments_ms(confirmed.get("NotOnOrAfter"), conditions.get("NotOnOrAfter"))
    assertion = Assertion(
        id=_given(claims.get("ID")),
        issuer=_given(_at(claims, "Issuer").text),
        subject=_given(_at(claims, "Subject", "NameID").text),
        audience=_given(audience),
        recipient=confirmed.get("Recipient", ""),
        schema=schema or None,
        roles=_values(claims, _ROLES),
        scopes=_values(claims, _SCOPES),
        issued_ms=issued_ms,
        expires_ms=min(ends_ms, default=issued_ms + DEFAULT_LIFE_MS),
    )
    return assertion, max([issued_ms, *begins_ms])


def _values(claims: etree._Element, name: str) -> tuple[str, ...]:
    found = [each for each in claims.iter(f"{_SAML}Attribute") if each.get("Name") == name]
    if len(found) > 1:
        raise MalformedError
    return tuple(value.text or "" for attribute in found for value in attribute)


def _at(element: etree._Element, *path: str) -> etree._Element:
    found = element.find("/".join(_SAML + name for name in path))
    if found is None:
        raise MalformedError
    return found


def _given(text: str | None) -> str:
    if not text:
        raise MalformedError
    return text


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _instant(moment_ms: int) -> str:
    moment = (_EPOCH + moment_ms * _MILLISECOND).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _moment_ms(text: str) -> int:
    if not _INSTANT.fullmatch(text):
        raise MalformedError
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise MalformedError from None


def _moments_ms(*texts: str | None) -> list[int]:
    return [_moment_ms(text) for text in texts if text is not None]
