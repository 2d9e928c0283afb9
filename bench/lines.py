"""The lines of the tables: what is measured, in which unit, and what is asked of it.

What does not belong here: how it is measured (``experiments``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.contestants import ALVEARY, NGINX, WSGIDAV
from bench.odata_contestants import KINTO, POCKETBASE

Figures = Mapping[str, Sequence[float]]
"""The figures of one line: by column, one for each round."""

SMALL_SET: Final = "small set"
LARGE_SET: Final = "large set"
ALONE: Final = "alone"
BESIDE_LOGINS: Final = "beside logins"
"""Columns of Alveary alone."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a figure, Alveary's as a rule: a bound on it, or on its ratio to that of a peer."""

    bound: float
    peer: str | None = None
    at_least: bool = True
    of: str = ALVEARY

    def __str__(self) -> str:
        """As the table shows it."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g}" + (f" times {self.peer}" if self.peer else "")

    def measured(self, figures: Figures) -> float | None:
        """What is to be compared with the bound, None when one of the two was not measured.

        A ratio is the median of the rounds' ratios: what else a machine does lasts longer than a round.
        """
        ours, theirs = figures.get(self.of), figures.get(self.peer or self.of)
        if not ours or not theirs:
            return None
        if self.peer is None:
            return median(ours)
        return median(one / other for one, other in zip(ours, theirs, strict=True))

    def holds(self, measured: float) -> bool:
        """Whether *measured* is what is asked for."""
        return measured >= self.bound if self.at_least else measured <= self.bound


def _at_most(bound: float, peer: str | None = None, of: str = ALVEARY) -> Target:
    return Target(bound, peer, at_least=False, of=of)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table."""

    title: str
    unit: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Lines that are shown together, and whose figures stand in its columns."""

    title: str
    columns: tuple[str, ...]
    lines: Mapping[str, Line]


_FILES: Final[Mapping[str, Line]] = {
    "get": Line("GET of a 1 KiB file", "/s", (Target(0.5, NGINX), Target(8, WSGIDAV))),
    "put": Line("durable PUT of a 1 KiB file, over 1,000 names", "/s", (Target(0.7, NGINX), Target(8, WSGIDAV))),
    "upload": Line("1 GiB up", "MiB/s", (Target(0.5, NGINX),)),
    "upload_memory": Line("peak memory of that, above idle", "MiB", (_at_most(32),)),
    "download": Line("1 GiB down", "MiB/s", (Target(0.3, NGINX),)),
    "download_memory": Line("peak memory of that, above idle", "MiB", (_at_most(32),)),
    "list": Line("PROPFIND depth 1 of 1,000 files", "ms", (_at_most(0.2, WSGIDAV),)),
    "start": Line("start to first answer", "s", (_at_most(1),)),
    "idle": Line("idle memory, with the script pool", "MiB", (_at_most(100),)),
    "import_files": Line("import of a cell with 1 GiB of files", "MiB/s", (Target(100),)),
    "import_entities": Line("import of a cell with 100,000 entities", "entities/s", (Target(10_000),)),
    "import_whole": Line("import of a cell with both", "s"),
    "import_memory": Line("peak memory of that, above idle", "MiB", (_at_most(64),)),
    "export_files": Line("export of a cell with 1 GiB of files", "MiB/s", (Target(100),)),
    "export_entities": Line("export of a cell with 100,000 entities", "entities/s", (Target(10_000),)),
    "export_whole": Line("export of a cell with both", "s"),
    "export_memory": Line("peak memory of that, above idle", "MiB", (_at_most(64),)),
    "script": Line("a script that answers hello", "/s"),
}

_TREES: Final[Mapping[str, Line]] = {
    "tree_copy": Line("COPY of a tree of 10,000 files", "s", (_at_most(1),)),
    "tree_move": Line("MOVE of it", "s", (_at_most(1),)),
    "tree_first": Line("PROPFIND depth infinity of 100,000 files, to its first byte", "ms", (_at_most(50),)),
    "tree_memory": Line("peak memory of that, above idle", "MiB", (_at_most(32),)),
    "tree_list": Line("PROPFIND depth 1 of 1,000 files", "ms", (_at_most(25),)),
    "tree_delete": Line("DELETE of 100,000 files, to its answer", "s", (_at_most(1),)),
}

_ODATA: Final[Mapping[str, Line]] = {
    "odata_create": Line("durable create of an entity of five properties", "/s", (Target(2, POCKETBASE),)),
    "odata_get": Line("get by key, of 10,000 entities", "/s", (Target(1, POCKETBASE),)),
    "odata_filter": Line("first 25 of those with a value, by an index", "/s", (Target(2, POCKETBASE),)),
    "odata_batch": Line("1,000 creates in one batch", "entities/s", (Target(10_000),)),
    "odata_parse": Line("parse of a $filter of six terms", "ms", (_at_most(0.2),)),
}

_SETS: Final[Mapping[str, Line]] = {
    "set_get": Line("get by key", "ms", (_at_most(1.5, SMALL_SET, LARGE_SET),)),
    "set_filter": Line("first 25 of those with a value, by an index", "ms", (_at_most(1.5, SMALL_SET, LARGE_SET),)),
    "set_scan": Line("a filter that few pass, without an index", "ms", (_at_most(1000, of=LARGE_SET),)),
    "set_memory": Line("memory after that, above idle", "MiB", (_at_most(64, of=LARGE_SET),)),
}

_IDENTITY: Final[Mapping[str, Line]] = {
    "assertion": Line("sign and verify of a trans-cell token", "ms", (_at_most(1),)),
    "checked": Line("CPU of token and ACL, above that of an open file", "ms", (_at_most(0.05),)),
}

_LOGINS: Final[Mapping[str, Line]] = {
    "logins": Line("p99 of a file's GET", "ms", (_at_most(2, ALONE, BESIDE_LOGINS),)),
}

TABLES: Final = (
    Table("Files, snapshots and scripts", (ALVEARY, NGINX, WSGIDAV), _FILES),
    Table("Trees", (ALVEARY,), _TREES),
    Table("OData", (ALVEARY, POCKETBASE, KINTO), _ODATA),
    Table("OData: a small set of 10,000 entities, a large one of 1,000,000", (SMALL_SET, LARGE_SET), _SETS),
    Table("Identity", (ALVEARY,), _IDENTITY),
    Table("Identity: requests of others while 8 logins run at once", (ALONE, BESIDE_LOGINS), _LOGINS),
)

LINES: Final[Mapping[str, Line]] = {**_FILES, **_TREES, **_ODATA, **_SETS, **_IDENTITY, **_LOGINS}
