"""``python -m bench.soak``: half an hour of mixed load, after which memory and open files are what they were.

Exits with 1 when memory grew by a tenth or more after the warm-up, or more files are open. What does not belong here:
rates, which are measured without company.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.contestants import CELL, SERVICE, alveary, member
from bench.experiments import job_s
from bench.load import Order, requests_per_s
from bench.processes import MIB
from bench.sites import Site

_WARM_UP_PART: Final = 0.2
_COMPARED_PART: Final = 0.2
_GROWTH: Final = 0.1
_LOAD_S: Final = 2
_LARGE_MIB: Final = 32


@dataclass(frozen=True, slots=True)
class Sample:
    """What the unit holds between two turns of the load."""

    pss_mib: float
    open_files: int


def main() -> int:
    """Load a unit for as long as the command line says; the exit code."""
    parser = ArgumentParser(prog="python -m bench.soak", description="Mixed load, and what it leaves behind.")
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument(
        "--data", type=Path, default=Path("/var/tmp"), help="where the unit keeps its data (/var/tmp)"
    )
    options = parser.parse_args()
    with TemporaryDirectory(prefix="alveary-soak-", dir=options.data) as folder, alveary(Path(folder)) as unit:
        samples = _soak(unit, member(unit), time.monotonic() + options.minutes * 60)
    return _judge(samples[int(len(samples) * _WARM_UP_PART) :])


def _soak(unit: Site, site: Site, until_s: float) -> list[Sample]:
    samples: list[Sample] = []
    for turn in count():
        if turn and time.monotonic() >= until_s:
            break
        requests_per_s(site, Order("PUT", f"{site.root}small-%d", 500, body="x" * 1024), _LOAD_S)
        requests_per_s(site, Order("GET", f"{site.root}small-%d", 500), _LOAD_S)
        requests_per_s(site, Order("GET", f"{site.root}{SERVICE}/hello"), _LOAD_S)
        requests_per_s(site, Order("OPTIONS", site.root), _LOAD_S)
        site.upload_s(f"{site.root}large", _LARGE_MIB * MIB)
        site.download_s(f"{site.root}large", _LARGE_MIB * MIB)
        site.call("PROPFIND", site.root, headers={"Depth": "1"})
        job_s(unit, f"/{CELL}/__export", f"turn-{turn}")
        unit.call("DELETE", f"/{CELL}/__snapshot/turn-{turn}.zip")
        samples.append(Sample(unit.process.pss_mib(), unit.process.open_files()))
        print(f"turn {turn}: {samples[-1].pss_mib:.1f} MiB, {samples[-1].open_files} open files", flush=True)
    return samples


def _judge(samples: Sequence[Sample]) -> int:
    """Compare the end of *samples* with their beginning."""
    part = max(1, int(len(samples) * _COMPARED_PART))
    first, last = samples[:part], samples[-part:]
    before_mib, after_mib = (median(each.pss_mib for each in some) for some in (first, last))
    before, after = (max(each.open_files for each in some) for some in (first, last))
    print(f"Memory went from {before_mib:.1f} to {after_mib:.1f} MiB, open files from {before} to {after}.")
    return 0 if after_mib < before_mib * (1 + _GROWTH) and after <= before else 1


if __name__ == "__main__":
    sys.exit(main())
