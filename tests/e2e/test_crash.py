"""``kill -9`` at random moments under writes, exports, imports: nothing acknowledged is lost, torn or stuck."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import UnitProcess

KILLS = 50
SIZES = (10, 1_000, 20_000, 300_000)
WRITERS = 4
GENERATION_FILES = 12


@dataclass(slots=True)
class Ledger:
    """What was sent and what was acknowledged: per file, the texts that a reader may find after a crash."""

    allowed: dict[str, set[bytes | None]] = field(default_factory=dict)
    entities: set[str] = field(default_factory=set)
    exports: set[str] = field(default_factory=set)
    imports: int = 0
    acknowledged: int = 0


def body(chance: random.Random) -> bytes:
    """A text that shows any tear: its own digest of sorts, repeated."""
    word = b"%016x" % chance.getrandbits(64)
    return word * (chance.choice(SIZES) // len(word) + 1)


class Load:
    """Clients that write to one unit until it is gone."""

    def __init__(self, unit: UnitProcess, ledger: Ledger, seed: int) -> None:
        self.unit = unit
        self.ledger = ledger
        self.seed = seed
        self.stopped = threading.Event()

    def run(self, duration_s: float) -> None:
        """Write for a while, then kill the unit, and come back when all clients have noticed."""
        jobs: list[Callable[[httpx.Client, random.Random], None]] = [self.write_files] * WRITERS
        jobs += [self.make_entities, self.export, self.import_]
        threads = [
            threading.Thread(target=self.client, args=(job, number), name=str(number))
            for number, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        self.stopped.wait(duration_s)
        self.unit.kill()
        self.stopped.set()
        for thread in threads:
            thread.join()

    def client(self, job: Callable[[httpx.Client, random.Random], None], number: int) -> None:
        chance = random.Random(self.seed * 100 + number)
        headers = {"Authorization": f"Bearer {self.unit.token()}"}
        with httpx.Client(base_url=self.unit.url, headers=headers, timeout=20) as http, suppress(httpx.HTTPError):
            while not self.stopped.is_set():
                job(http, chance)

    def write_files(self, http: httpx.Client, chance: random.Random) -> None:
        # Each file has one writer, so the order of its versions is known.
        name = f"f{chance.randrange(5)}-{threading.current_thread().name}"
        path = f"crash/__/{name}"
        allowed = self.ledger.allowed.setdefault(name, {None})
        if chance.random() < 0.15:
            allowed.add(None)
            status = http.delete(path).status_code
            assert status in {204, 404}
            self.acknowledge(name, None)
            return
        text = body(chance)
        allowed.add(text)
        assert http.put(path, content=text).status_code in {201, 204}
        self.acknowledge(name, text)

    def acknowledge(self, name: str, text: bytes | None) -> None:
        self.ledger.allowed[name] = {text}
        self.ledger.acknowledged += 1

    def make_entities(self, http: httpx.Client, chance: random.Random) -> None:
        name = f"r{chance.getrandbits(60):x}"
        answer = http.post("crash/__ctl/Role", json={"Name": name})
        assert answer.status_code == 201
        self.ledger.entities.add(name)

    def export(self, http: httpx.Client, chance: random.Random) -> None:
        name = f"e{chance.getrandbits(60):x}"
        answer = http.post("crash/__export", json={"Name": name})
        if answer.status_code == 202:
            self.ledger.exports.add(name)
        else:
            assert answer.json()["code"] == "PR409-CM-0002"
            time.sleep(0.01)

    def import_(self, http: httpx.Client, chance: random.Random) -> None:
        answer = http.post("copy/__import", json={"Name": f"generation{chance.randrange(2)}"})
        if answer.status_code == 202:
            self.ledger.imports += 1
        else:
            assert answer.json()["code"] == "PR409-CM-0002"
            time.sleep(0.01)


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[UnitProcess]:
    unit = UnitProcess(tmp_path / "data")
    unit.start()
    yield unit
    unit.stop()


def prepare(unit: UnitProcess) -> None:
    """The cells, and two snapshots whose files all tell which one they are from."""
    with unit.client() as http:
        for name in ("crash", "copy"):
            assert http.post("__ctl/Cell", json={"Name": name}).status_code == 201
        for generation in range(2):
            for number in range(GENERATION_FILES):
                text = b"generation %d " % generation * (1 + number * 500)
                assert http.put(f"copy/__/g{number}", content=text).status_code in {201, 204}
            assert http.post("copy/__export", json={"Name": f"generation{generation}"}).status_code == 202
            settle(http, "copy/__export")


def settle(http: httpx.Client, path: str) -> dict[str, object]:
    """The status at *path* once nothing is in progress there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status: dict[str, object] = http.get(path).json()
        if "in progress" not in str(status["status"]):
            return status
        time.sleep(0.01)
    raise AssertionError(f"{path} is stuck: {status}")


def check(unit: UnitProcess, ledger: Ledger) -> None:
    """Everything that was acknowledged is there, whole, and nothing is in an unknown state."""
    with unit.client() as http:
        for name, allowed in ledger.allowed.items():
            answer = http.get(f"crash/__/{name}")
            found = answer.content if answer.status_code == 200 else None
            assert answer.status_code in {200, 404}
            assert found in allowed, f"{name} is lost or torn"
            ledger.allowed[name] = {found}
        for name in ledger.entities:
            assert http.get(f"crash/__ctl/Role('{name}')").status_code == 200, f"role {name} is lost"
        assert settle(http, "crash/__export") == {"status": "ready"}
        for name in ledger.exports:
            kinds = [http.head(f"crash/__snapshot/{name}.{kind}").status_code for kind in ("zip", "error")]
            assert sorted(kinds) == [200, 404], f"export {name} ended in nothing or in both"
            http.delete(f"crash/__snapshot/{name}.zip")
        ledger.exports.clear()
        status = settle(http, "copy/__import")["status"]
        assert status in {"ready", "import failed"}
        if status == "import failed":
            assert http.delete("copy/__import").status_code == 204
        generations = {http.get(f"copy/__/g{number}").content[:12] for number in range(GENERATION_FILES)}
        assert generations in ({b"generation 0"}, {b"generation 1"}), "an import was left half done"


def test_killed_at_fifty_random_moments_nothing_acknowledged_is_lost_torn_or_stuck(unit: UnitProcess) -> None:
    seed = random.SystemRandom().randrange(10**6)  # told by the locals of a failure
    chance = random.Random(seed)
    ledger = Ledger()
    prepare(unit)
    for number in range(KILLS):
        Load(unit, ledger, seed + number).run(chance.uniform(0.02, 0.5))
        began = time.monotonic()
        unit.start()
        assert time.monotonic() - began < 10
        check(unit, ledger)
    assert ledger.acknowledged > KILLS
    assert ledger.imports > 0
    assert list(unit.data.glob("cells/*/contents/*/tmp/*")) == []
