"""Trans-cell tokens: given to a cell's subjects for elsewhere, and judged when they come from elsewhere.

What does not belong here: their form (``wire.saml``), and what an accepted one gives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.wire.saml import Assertion, Fault, Signed, parse, render

__all__ = ["Assertion", "Fault", "issue", "judge"]

_ISSUER: Final = re.compile(
    r"https?://(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w-]+(?:\.[\w-]+)*))(?::\d{1,5})?(?:/[^?#\s\\]*)?",
    re.ASCII | re.IGNORECASE,
)
"""An absolute URL without credentials, query or fragment, whose host no two readers could take for another."""


def issue(
    ports: Ports,
    cell: Cell,
    *,
    subject: str,
    target: str,
    roles: Sequence[str],
    schema: str | None,
    scopes: Sequence[str],
    life_s: int,
) -> str:
    """A token by which *cell* vouches at *target*, a cell or unit URL, for *subject* with *roles* (their class URLs).

    *life_s* is the caller's to bound.
    """
    now_ms, digits = ports.clock.now_ms(), ports.ids.hex()
    assertion = Assertion(
        id="-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])),
        issuer=ports.urls.cell_url(cell.name),
        subject=subject,
        audience=target,
        recipient=f"{target.removesuffix('/')}/__token",
        schema=schema,
        roles=tuple(roles),
        scopes=tuple(scopes),
        issued_ms=now_ms,
        expires_ms=now_ms + life_s * 1000,
    )
    identity = ports.identity
    return render(assertion, identity.sign, identity.certificate, identity.subject_name)


def judge(ports: Ports, raw: str, audiences: Collection[str] | None) -> Assertion | Fault:
    """What the token *raw* says, when it is true, good now, and for one of *audiences*; else what is wrong with it.

    None for *audiences*: whomever it is for. The first fault counts, in the order of :class:`Fault`. Issuer and
    subject stay spelt as they came. A cell of this unit speaks by the unit's own certificate alone, and the
    certificate for no one else.
    """
    signed = parse(raw)
    if isinstance(signed, Fault):
        return signed
    now_ms, assertion = ports.clock.now_ms(), signed.assertion
    if not _is_true(ports, signed, now_ms):
        return Fault.SIGNATURE
    if not _is_good(ports, signed, now_ms):
        return Fault.EXPIRED
    if audiences is not None and _plain(ports, assertion.audience) not in {_plain(ports, each) for each in audiences}:
        return Fault.AUDIENCE
    return assertion


def _is_true(ports: Ports, signed: Signed, now_ms: int) -> bool:
    issuer = signed.assertion.issuer
    host = _ISSUER.fullmatch(issuer)
    if host is None or ports.identity.is_own(signed.signature.certificate) != _is_here(ports, issuer):
        return False
    return ports.identity.verifies(signed.signature, (host["ipv6"] or host["name"]).lower(), now_ms)


def _is_here(ports: Ports, url: str) -> bool:
    return ports.urls.to_local(url) != url


def _is_good(ports: Ports, signed: Signed, now_ms: int) -> bool:
    """Whether *now_ms* is within the life of the assertion, and that is not too long; clocks may differ a little."""
    auth, assertion = ports.config.auth, signed.assertion
    life_ms = assertion.expires_ms - assertion.issued_ms
    begun = signed.begins_ms <= now_ms + auth.clock_skew_s * 1000
    return begun and now_ms < assertion.expires_ms and life_ms <= auth.assertion_max_s * 1000


def _plain(ports: Ports, url: str) -> str:
    """*url* in the spelling in which two that mean the same are equal."""
    return ports.urls.to_local(url).removesuffix("/")
