"""Apps as OAuth2 clients: how one proves at a token endpoint that it is who it says.

Its secret is a trans-cell token that the app's own cell issued for the cell it talks to. What does not belong here:
what an app may do, which its schema says (``access``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from alveary.errors import (
    CLIENT_ASSERTION_EXPIRED,
    CLIENT_ASSERTION_ISSUER,
    CLIENT_ASSERTION_TARGET,
    CLIENT_ASSERTION_TYPE,
    CLIENT_ASSERTION_UNREADABLE,
    CLIENT_HEADER_MALFORMED,
    TOKEN_SIGNATURE,
    Kind,
    Refusal,
)
from alveary.model.apps import CONFIDENTIAL
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.usecases.assertions import Fault, judge
from alveary.usecases.roles import ROLE_PATH, speaks_for_itself

_CONFIDENTIAL_ROLE: Final = f"{ROLE_PATH}confidentialClient"
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:grant-type:saml2-bearer"
_ASSERTION_TYPES: Final = frozenset(
    {_ASSERTION_TYPE, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}  # RFC 7522's name for the same
)
_REFUSALS: Final[Mapping[Fault, Kind]] = {
    Fault.UNREADABLE: CLIENT_ASSERTION_UNREADABLE,
    Fault.SIGNATURE: TOKEN_SIGNATURE,
    Fault.EXPIRED: CLIENT_ASSERTION_EXPIRED,
    Fault.AUDIENCE: CLIENT_ASSERTION_TARGET,
}


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """What a request says of the app that sends it: form fields, and its Authorization header."""

    client_id: str | None = None
    secret: str | None = None
    assertion_type: str | None = None
    assertion: str | None = None
    authorization: str | None = None

    @classmethod
    def of(cls, form: Mapping[str, str], authorization: str | None) -> ClientClaim:
        """What *form* and the header say; what is empty is not said."""
        return cls(
            client_id=form.get("client_id") or None,
            secret=form.get("client_secret") or None,
            assertion_type=form.get("client_assertion_type") or None,
            assertion=form.get("client_assertion") or None,
            authorization=authorization,
        )

    @property
    def is_made(self) -> bool:
        """Whether anything is said of an app."""
        return self != ClientClaim(secret=self.secret)


def authenticate_client(ports: Ports, cell: Cell, claim: ClientClaim) -> str | None:
    """The schema of the app that *claim* proves, as it is stored, ``#c`` after that of a confidential one.

    None when nothing is said of an app.

    Raises:
        Refusal: CLIENT_ASSERTION_TYPE, CLIENT_HEADER_MALFORMED, CLIENT_ASSERTION_UNREADABLE, TOKEN_SIGNATURE,
            CLIENT_ASSERTION_EXPIRED, CLIENT_ASSERTION_TARGET, CLIENT_ASSERTION_ISSUER.
    """
    if not claim.is_made:
        return None
    client_id, secret = _said(claim)
    assertion = judge(ports, secret, (ports.urls.cell_url(cell.name),))
    if isinstance(assertion, Fault):
        raise Refusal(_REFUSALS[assertion])
    issuer = ports.urls.to_local(assertion.issuer)
    if client_id is not None and ports.urls.to_local(client_id) != issuer:
        raise Refusal(CLIENT_ASSERTION_ISSUER)
    # What an app's cell hands on of its visitors proves nothing of the app (RFC 7522, 3: the subject is the client).
    if not speaks_for_itself(ports.urls, assertion.subject, assertion.issuer):
        raise Refusal(CLIENT_ASSERTION_ISSUER)
    confidential = f"{assertion.issuer}{_CONFIDENTIAL_ROLE}" in assertion.roles
    return issuer + CONFIDENTIAL if confidential else issuer


def _said(claim: ClientClaim) -> tuple[str | None, str]:
    """Id and secret: an assertion beats the header, the header beats the form."""
    if claim.assertion_type is not None or claim.assertion is not None:
        if claim.assertion_type not in _ASSERTION_TYPES:
            raise Refusal(CLIENT_ASSERTION_TYPE, expected=_ASSERTION_TYPE)
        return claim.client_id, claim.assertion or ""
    if claim.authorization is not None:
        return basic_pair(claim.authorization)
    return claim.client_id, claim.secret or ""


def basic_pair(authorization: str) -> tuple[str, str]:
    """Name and password of a Basic header, both form-encoded as RFC 6749, 2.3.1 has them.

    Raises:
        Refusal: CLIENT_HEADER_MALFORMED.
    """
    scheme, _, value = authorization.partition(" ")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refusal(CLIENT_HEADER_MALFORMED) from None
    name, colon, password = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise Refusal(CLIENT_HEADER_MALFORMED)
    # A URL may stand before the colon unencoded: its own colons are no separator.
    if name.lower() in {"http", "https", "personium-localunit"} and ":" in password:
        rest, _, password = password.rpartition(":")
        name = f"{name}:{rest}"
    return unquote_plus(name), unquote_plus(password)
