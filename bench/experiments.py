"""How each line is measured: contestants started, loaded in turn, their figures noted.

In every round each contestant has its turn, in an order that moves on from round to round; what one left to be
written to the disk is written before the next begins. What does not belong here: what is asked of the figures
(``lines``).
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from bench.archives import Archive
from bench.contestants import SERVICE, Contestant, Starter, alveary, alveary_box, make_cell
from bench.load import Order, requests_per_s
from bench.processes import MIB, BenchProblem, peak_pss_mib
from bench.sites import Site

_SMALL: Final = b"x" * 1024
_NAMES: Final = 1000
_LISTINGS: Final = 5
WARM_UP_S: Final = 1
SETTLE_S: Final = 3
_POLL_S: Final = 0.05
_JOB_S: Final = 600

GIVEN: Final = "given"
"""The name of a snapshot that is to be imported."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    rounds: int
    load_s: int
    large_mib: int
    files: int
    entities: int
    large_set: int
    tree: int


FULL: Final = Scale(rounds=3, load_s=5, large_mib=1024, files=64, entities=100_000, large_set=1_000_000, tree=10_000)
QUICK: Final = Scale(rounds=1, load_s=1, large_mib=64, files=4, entities=5_000, large_set=50_000, tree=1_000)

_Each = TypeVar("_Each")

Notes = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What an experiment needs: who is measured, how much is done, where there is room; and what it noted."""

    contestants: Mapping[str, Contestant]
    scale: Scale
    room: Path
    notes: Notes = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def note(self, line: str, site: Site, figure: float) -> None:
        """One more figure of a line."""
        self.notes[line][site.name].append(figure)

    @contextmanager
    def started(self, contestant: Starter[_Each]) -> Iterator[_Each]:
        """*contestant* in a folder of its own, which goes with it."""
        with TemporaryDirectory(prefix="alveary-bench-", dir=self.room) as folder, contestant(Path(folder)) as site:
            yield site

    @contextmanager
    def all_started(self, starters: Iterable[Starter[_Each]] | None = None) -> Iterator[list[_Each]]:
        """Every contestant, or those of *starters*, side by side."""
        with ExitStack() as stack:
            those = self.contestants.values() if starters is None else starters
            yield [stack.enter_context(self.started(each)) for each in those]

    def turns(self, those: list[_Each]) -> Iterator[_Each]:
        """Each of *those*, round by round."""
        for number in range(self.scale.rounds):
            first = number % len(those)
            for each in those[first:] + those[:first]:
                os.sync()
                yield each


def get(bench: Bench) -> None:
    """Many connections read one small file."""
    with bench.all_started() as sites:
        for site in sites:
            site.call("PUT", f"{site.root}small", _SMALL)
            requests_per_s(site, Order("GET", f"{site.root}small"), WARM_UP_S)
        for site in bench.turns(sites):
            bench.note("get", site, requests_per_s(site, Order("GET", f"{site.root}small"), bench.scale.load_s))


def put(bench: Bench) -> None:
    """Many connections write small files, making each name once and replacing it ever after."""

    def load(site: Site, seconds: int) -> float:
        return requests_per_s(site, Order("PUT", f"{site.root}small-%d", _NAMES, body=_SMALL.decode()), seconds)

    with bench.all_started() as sites:
        for site in sites:
            load(site, WARM_UP_S)
        for site in bench.turns(sites):
            bench.note("put", site, load(site, bench.scale.load_s))


def large(bench: Bench) -> None:
    """One connection sends a large file and fetches it."""
    size_mib = bench.scale.large_mib
    with bench.all_started() as sites:
        time.sleep(SETTLE_S)
        idle_mib = {site.name: site.process.pss_mib() for site in sites}
        for line, transfer_s in (("upload", Site.upload_s), ("download", Site.download_s)):
            for site in bench.turns(sites):
                with peak_pss_mib(site.process) as peak:
                    took_s = transfer_s(site, f"{site.root}large", size_mib * MIB)
                bench.note(line, site, size_mib / took_s)
                bench.note(f"{line}_memory", site, peak[0] - idle_mib[site.name])


def listing(bench: Bench) -> None:
    """One connection lists a large collection."""

    def listing_ms(site: Site) -> float:
        started = time.perf_counter()
        answer = site.call("PROPFIND", f"{site.root}many/", headers={"Depth": "1"})
        if answer.count(b"href>") // 2 <= _NAMES:
            raise BenchProblem(f"{site.name} does not list {_NAMES} files.")
        return (time.perf_counter() - started) * 1000

    with bench.all_started() as sites:
        for site in sites:
            site.call("MKCOL", f"{site.root}many/")
            for number in range(_NAMES):
                site.call("PUT", f"{site.root}many/file-{number}.txt", _SMALL)
            listing_ms(site)
        for site in bench.turns(sites):
            bench.note("list", site, median(listing_ms(site) for _ in range(_LISTINGS)))


def start(bench: Bench) -> None:
    """A new server answers; after a script has run, where there are scripts, it is left alone."""
    for contestant in bench.turns(list(bench.contestants.values())):
        with bench.started(contestant) as site:
            bench.note("start", site, site.process.start_s)
            if contestant is alveary_box:
                site.call("GET", f"{site.root}{SERVICE}/hello")
            time.sleep(SETTLE_S)
            bench.note("idle", site, site.process.pss_mib())


def carry(bench: Bench) -> None:
    """A snapshot is imported into a new cell, and the cell exported: files alone, entities alone, then both."""
    files, entities = bench.scale.files, bench.scale.entities
    file_mib = Archive(files, 0).file_mib
    with bench.started(alveary) as unit:
        for way, took_s, _ in _carried(bench, unit, Archive(files, 0)):
            bench.note(f"{way}_files", unit, file_mib / took_s)
        for way, took_s, _ in _carried(bench, unit, Archive(0, entities)):
            bench.note(f"{way}_entities", unit, entities / took_s)
    with bench.started(alveary) as unit:  # memory is counted from an idle unit on, not from a used one
        for way, took_s, grown_mib in _carried(bench, unit, Archive(files, entities)):
            bench.note(f"{way}_whole", unit, took_s)
            bench.note(f"{way}_memory", unit, grown_mib)


def _carried(bench: Bench, unit: Site, archive: Archive) -> Iterator[tuple[str, float, float]]:
    """For import and export: its name, how long it took in seconds, and how far memory grew in MiB."""
    time.sleep(SETTLE_S)
    idle_mib = unit.process.pss_mib()
    cell = f"cell-{archive.files}-{archive.entities}"
    give(bench, unit, cell, archive)
    for way, name in (("import", GIVEN), ("export", "made")):
        os.sync()
        with peak_pss_mib(unit.process) as peak:
            took_s = job_s(unit, f"/{cell}/__{way}", name)
        yield way, took_s, peak[0] - idle_mib
    unit.call("HEAD", f"/{cell}/__snapshot/made.zip")


def give(bench: Bench, unit: Site, cell: str, archive: Archive) -> None:
    """A new cell, and *archive* as its snapshot GIVEN, which is yet to be imported."""
    make_cell(unit, cell)
    with TemporaryDirectory(prefix="alveary-bench-", dir=bench.room) as folder:
        path = Path(folder) / "snapshot.zip"
        archive.write(path)
        with path.open("rb") as file:
            unit.send(f"/{cell}/__snapshot/{GIVEN}.zip", file, path.stat().st_size)


def job_s(unit: Site, path: str, name: str) -> float:
    """How long the export or import at *path* took."""
    started = time.perf_counter()
    unit.call("POST", path, json.dumps({"Name": name}).encode())
    while (status := json.loads(unit.call("GET", path)))["status"] != "ready":
        if "failed" in status["status"] or time.perf_counter() - started > _JOB_S:
            raise BenchProblem(f"{path} ended with {status}.")
        time.sleep(_POLL_S)
    return time.perf_counter() - started


def script(bench: Bench) -> None:
    """Many connections call one script."""
    with bench.started(alveary_box) as site:
        order = Order("GET", f"{site.root}{SERVICE}/hello")
        requests_per_s(site, order, WARM_UP_S)
        for each in bench.turns([site]):
            bench.note("script", each, requests_per_s(each, order, bench.scale.load_s))


FILE_EXPERIMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "get": get,
    "put": put,
    "large": large,
    "list": listing,
    "start": start,
    "carry": carry,
    "script": script,
}
