"""``kill -9`` at random moments under senders and receivers: no acknowledged message is lost, none comes twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import UnitProcess
from tests.running import MASTER, Site
from tests.streams import make_stream

KILLS = 10
CLIENTS = 4
QUEUE = "cell/__/stream/queue/q"


@dataclass(slots=True)
class Ledger:
    """What senders were told that it is there, and what receivers got."""

    acknowledged: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    sent: int = 0

    def send(self, http: httpx.Client) -> None:
        self.sent += 1
        text = f"{threading.get_ident()} {self.sent}"
        assert http.post(QUEUE, content=text).status_code == 200
        self.acknowledged.append(text)

    def receive(self, http: httpx.Client) -> None:
        self.received += texts(http.get(QUEUE))


def texts(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [message["content"] for message in answer.json()]


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[UnitProcess]:
    unit = UnitProcess(
        tmp_path / "data", {"ALVEARY_STREAM_QUEUE_MESSAGES": "1000000", "ALVEARY_MASTER_TOKEN": MASTER}
    )
    unit.start()
    with unit.client() as http:
        assert http.post("__ctl/Cell", json={"Name": "cell"}).status_code == 201
        make_stream(Site(http, "cell", f"{unit.url}cell/"))
    yield unit
    unit.stop()


def kill_under(unit: UnitProcess, jobs: list[Callable[[httpx.Client], None]]) -> None:
    """Let each of *jobs* run as often as it can in a thread of its own, kill the unit, and start it again."""

    def work(job: Callable[[httpx.Client], None]) -> None:
        with unit.client() as http, suppress(httpx.HTTPError):
            while True:
                job(http)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    threads[0].join(random.uniform(0.05, 0.5))
    unit.kill()
    for thread in threads:
        thread.join()
    unit.start()


def drain(unit: UnitProcess, ledger: Ledger) -> None:
    """Receive all that waits."""
    with unit.client() as http:
        while found := texts(http.get(QUEUE, params={"max": 100, "wait": 0})):
            ledger.received += found


def test_messages_that_were_acknowledged_are_all_there_after_each_kill_and_come_once(unit: UnitProcess) -> None:
    ledger = Ledger()
    for _ in range(KILLS):
        kill_under(unit, [ledger.send] * CLIENTS)
        drain(unit, ledger)
        assert set(ledger.acknowledged) <= set(ledger.received)
    assert max(Counter(ledger.received).values()) == 1
    assert len(ledger.acknowledged) > KILLS


def test_with_receivers_a_kill_loses_no_more_than_the_deliveries_under_way(unit: UnitProcess) -> None:
    ledger = Ledger()
    for number in range(1, KILLS + 1):
        kill_under(unit, [ledger.send] * CLIENTS + [ledger.receive] * CLIENTS)
        drain(unit, ledger)
        assert len(set(ledger.acknowledged) - set(ledger.received)) <= number * CLIENTS
    assert max(Counter(ledger.received).values()) == 1
