"""How the tokens by which units know each other's cells are measured, without a server.

What does not belong here: what is asked of the figures (``lines``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from timeit import timeit
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from alveary.adapters.keys.identity import CertifiedIdentity, self_signed
from alveary.wire.saml import Assertion, Signed, parse, render
from bench.contestants import ALVEARY
from bench.experiments import Bench
from bench.processes import BenchProblem

_TIMES: Final = 500
_ISSUER: Final = "https://unit.example/alice/"
_TARGET: Final = "https://other.example/bob/"
_LIFE_MS: Final = 3_600_000


def assertion(bench: Bench) -> None:
    """A trans-cell token is signed by one unit and verified by another that trusts its certificate."""
    now = datetime.now(UTC)
    now_ms = time.time_ns() // 1_000_000
    key = generate_private_key(65_537, 2048)
    certificate = self_signed(key, "unit.example", now)
    signer = CertifiedIdentity.of(key, certificate)
    judge = replace(signer, certificate=b"another", roots=(x509.load_der_x509_certificate(signer.certificate),))
    said = Assertion(
        id="5f0e1ad2-90d5-4b36-9d2c-1b2c3d4e5f60",
        issuer=_ISSUER,
        subject=f"{_ISSUER}#me",
        audience=_TARGET,
        recipient=f"{_TARGET}__token",
        schema=None,
        roles=(f"{_ISSUER}__role/__/friend",),
        scopes=("root",),
        issued_ms=now_ms,
        expires_ms=now_ms + _LIFE_MS,
    )

    def sign_and_verify() -> None:
        signed = parse(render(said, signer.sign, signer.certificate, signer.subject_name))
        if not isinstance(signed, Signed) or not judge.verifies(signed.signature, "unit.example", now_ms):
            raise BenchProblem("A token that was just signed is not accepted.")

    for _ in range(bench.scale.rounds):
        bench.notes["assertion"][ALVEARY].append(timeit(sign_and_verify, number=_TIMES) / _TIMES * 1000)


IDENTITY_EXPERIMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {"assertion": assertion}
