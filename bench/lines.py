"""The lines of the table: what is measured, in which unit, and what is asked of it.

What does not belong here: how it is measured (``experiments``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.contestants import ALVEARY, NGINX, WSGIDAV

Figures = Mapping[str, Sequence[float]]
"""The figures of one line: by contestant, one for each round."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of Alveary's figure: a bound on it, or on its ratio to that of a peer."""

    bound: float
    peer: str | None = None
    at_least: bool = True

    def __str__(self) -> str:
        """As the table shows it."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g}" + (f" times {self.peer}" if self.peer else "")

    def measured(self, figures: Figures) -> float | None:
        """What is to be compared with the bound, None when one of the two was not measured.

        A ratio is the median of the rounds' ratios: what else a machine does lasts longer than a round.
        """
        ours, theirs = figures.get(ALVEARY), figures.get(self.peer or ALVEARY)
        if not ours or not theirs:
            return None
        if self.peer is None:
            return median(ours)
        return median(one / other for one, other in zip(ours, theirs, strict=True))

    def holds(self, measured: float) -> bool:
        """Whether *measured* is what is asked for."""
        return measured >= self.bound if self.at_least else measured <= self.bound


def _at_most(bound: float, peer: str | None = None) -> Target:
    return Target(bound, peer, at_least=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    title: str
    unit: str
    targets: tuple[Target, ...] = ()


LINES: Final[Mapping[str, Line]] = {
    "get": Line("GET of a 1 KiB file", "/s", (Target(0.4, NGINX), Target(5, WSGIDAV))),
    "put": Line("durable PUT of a 1 KiB file, over 1,000 names", "/s", (Target(0.5, NGINX), Target(4, WSGIDAV))),
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
