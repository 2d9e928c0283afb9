"""How it is measured what it costs to know who is asking: tokens, checks, logins.

What does not belong here: what is asked of the figures (``lines``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from timeit import timeit
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from alveary.adapters.keys.identity import CertifiedIdentity, self_signed
from alveary.wire.saml import Assertion, Signed, parse, render
from bench.contestants import ALVEARY, alveary, log_in, member, open_to_all
from bench.experiments import WARM_UP_S, Bench
from bench.lines import ALONE, BESIDE_LOGINS
from bench.load import Order, answers
from bench.processes import BenchProblem
from bench.sites import Site

_TIMES: Final = 500
_ISSUER: Final = "https://unit.example/alice/"
_TARGET: Final = "https://other.example/bob/"
_LIFE_MS: Final = 3_600_000
_LOGINS: Final = 8
_SMALL: Final = b"x" * 1024


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


def checked(bench: Bench) -> None:
    """The same file is read by an account that a role lets in, and by anyone where everyone may."""

    def cpu_ms(site: Site) -> float:
        order = Order("GET", f"{site.root}small")
        answers(site, order, WARM_UP_S)
        before_s = site.process.cpu_s()
        count = answers(site, order, bench.scale.load_s).count
        return (site.process.cpu_s() - before_s) / count * 1000

    with bench.started(alveary) as unit:
        box = member(unit)
        box.call("PUT", f"{box.root}small", _SMALL)
        open_file = f"{box.root}open/"
        box.call("MKCOL", open_file)
        box.call("PUT", f"{open_file}small", _SMALL)
        open_to_all(unit, open_file)
        anyone = Site(unit.name, unit.process, open_file)
        for _ in range(bench.scale.rounds):
            bench.note("checked", unit, cpu_ms(box) - cpu_ms(anyone))


def logins(bench: Bench) -> None:
    """One connection reads a file over and over, first alone, then while accounts log in all the time."""
    with bench.started(alveary) as unit:
        box, anyone = member(unit), Site(unit.name, unit.process)
        order = Order("GET", f"{box.root}small")
        box.call("PUT", f"{box.root}small", _SMALL)
        answers(box, order, WARM_UP_S, connections=1)
        for _ in range(bench.scale.rounds):
            figures = bench.notes["logins"]
            figures[ALONE].append(answers(box, order, bench.scale.load_s, connections=1).p99_ms)
            with _logging_in(anyone):
                figures[BESIDE_LOGINS].append(answers(box, order, bench.scale.load_s, connections=1).p99_ms)


@contextmanager
def _logging_in(anyone: Site) -> Iterator[None]:
    """Within the block, that many logins run at once, each followed by another."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            log_in(anyone)

    workers = [threading.Thread(target=work) for _ in range(_LOGINS)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        done.set()
        for worker in workers:
            worker.join()


IDENTITY_EXPERIMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "assertion": assertion,
    "checked": checked,
    "logins": logins,
}
