"""Load by many connections at once: wrk, which is faster than everything it measures.

What does not belong here: what the load is for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.processes import BenchProblem
from bench.sites import Site

CONNECTIONS: Final = 16
_SCRIPT: Final = Path(__file__).with_name("load.lua")
_MARK: Final = "figures "


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked over and over: *method* on *path*, both *path* and *body* with ``%d`` where a number goes.

    The numbers are *names* of them from 0 on, *step* apart; another percent sign is written twice.
    """

    method: str
    path: str
    names: int = 1
    step: int = 1
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """How many answers came in a second, how many in all, and in which time 99 of 100 did."""

    per_s: float
    count: int
    p99_ms: float


def requests_per_s(site: Site, order: Order, seconds: int) -> float:
    """The rate of answers to *order*.

    Raises:
        BenchProblem: as :func:`answers`.
    """
    return answers(site, order, seconds).per_s


def answers(site: Site, order: Order, seconds: int, *, connections: int = CONNECTIONS) -> Answers:
    """How *order* is answered when it is asked over and over by that many *connections*.

    Raises:
        BenchProblem: wrk is not installed, or an answer was not a 2xx or 3xx.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchProblem("The load comes from wrk, which is not installed (Debian: apt install wrk).")
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)]
    headers = [f"{name}: {value}" for name, value in {**site.headers, **order.headers}.items()]
    arguments = [order.method, order.path, order.body, str(order.names), str(order.step), *headers]
    command = [wrk, *options, site.url, "--", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    line = next((line for line in run.stdout.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise BenchProblem(f"wrk failed on {site.name}: {run.stderr or run.stdout}")
    figures = json.loads(line.removeprefix(_MARK))
    if figures["refused"] or figures["broken"] or not figures["requests"]:
        raise BenchProblem(f"{site.name}: {order.method} {order.path} was not answered as it should be: {figures}.")
    return Answers(figures["requests"] / figures["duration_us"] * 1e6, figures["requests"], figures["p99_us"] / 1000)
