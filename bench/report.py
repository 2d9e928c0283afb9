"""What a run found: as a table for people, as JSON for machines, and as a page of the documentation.

What does not belong here: measuring.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Final

from bench.contestants import ALVEARY, NGINX, WSGIDAV
from bench.lines import LINES, Figures, Line, Target

CONTESTANTS: Final = (ALVEARY, NGINX, WSGIDAV)
_HEAD: Final = ("what", "unit", *CONTESTANTS, "asked for", "measured", "")
_NONE: Final = "-"

_PAGE: Final = """# Benchmarks

Made by `make bench ARGS=--write-docs`, never by hand. Ratios count, not rates: the load tool and the servers share
the machine, which may have had other things to do.

{table}

Made on {made_at} on {machine}, whose load was {company} before. {versions}.

## How it is measured

- All contestants run side by side on 127.0.0.1, each one server process (with Alveary's script workers beside it),
  and have their turns one after the other: three rounds, each in another order. A figure is the median of the rounds,
  a ratio the median of the rounds' ratios. Import and export run once.
- Every request to Alveary carries the token of an account, which is let in by a role that the box's ACL names. nginx
  (dav and dav-ext, one worker, no access log) and wsgidav (on cheroot, as its command line starts it) check nobody.
- Load comes from [wrk](https://github.com/wg/wrk): one thread, 16 connections, five seconds a round. Large files are
  sent and received by one connection.
- *Durable*: Alveary answers a PUT when the file will survive a loss of power. The peers do not wait for the disk.
- Memory is PSS, summed over a server's processes, sampled every 50 ms. Idle is three seconds after the start, and
  where the script pool counts three seconds after a first login and a first script.
- The imported snapshot holds 64 files of 16 MiB of random bytes, and entities of four properties.

`make bench` needs wrk, and measures beside nginx and wsgidav where they are there (Debian: `apt install wrk nginx
libnginx-mod-http-dav-ext`; wsgidav comes with it). `make bench ARGS='get put'` runs some of the experiments:
{experiments}. `--quick` does less of everything, to see that it runs.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is asked for, and what was found; None when it was not."""

    target: Target
    measured: float | None

    @property
    def missed(self) -> bool:
        """Whether it was measured and is not as asked for."""
        return self.measured is not None and not self.target.holds(self.measured)


def verdicts(line: Line, figures: Figures) -> list[Verdict]:
    """What is asked of *line*, beside what was found."""
    return [Verdict(target, target.measured(figures)) for target in line.targets]


def table(found: Mapping[str, Figures]) -> str:
    """The lines that were measured, as a table in Markdown that reads well as it stands."""
    rows = [_HEAD, *(row for name, line in LINES.items() if name in found for row in _rows(line, found[name]))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def _rows(line: Line, figures: Figures) -> list[tuple[str, ...]]:
    """A row for each thing asked for; what is the same in all stands in the first."""
    medians = [_number(median(figures[name])) if name in figures else _NONE for name in CONTESTANTS]
    checks = [
        (str(each.target), _NONE if each.measured is None else _number(each.measured), _word(each))
        for each in verdicts(line, figures)
    ]
    first, *further = checks or [(_NONE, "", "")]
    return [(line.title, line.unit, *medians, *first), *(("", "", "", "", "", *check) for check in further)]


def _word(verdict: Verdict) -> str:
    if verdict.measured is None:
        return "not measured"
    return "missed" if verdict.missed else "ok"


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def as_json(found: Mapping[str, Figures], company: float) -> str:
    """All figures of all rounds, and what they were measured with; *company* is the load before the run."""
    lines = {
        name: {
            "title": LINES[name].title,
            "unit": LINES[name].unit,
            "rounds": figures,
            "targets": [
                {"asked": str(each.target), "measured": each.measured, "missed": each.missed}
                for each in verdicts(LINES[name], figures)
            ],
        }
        for name, figures in found.items()
    }
    return json.dumps(
        {"made_at": _today(), "machine": machine(), "load_before": company, "versions": versions(), "lines": lines},
        indent=2,
    )


def page(found: Mapping[str, Figures], company: float, experiments: Sequence[str]) -> str:
    """``docs/benchmarks.md``; *company* is the load of the machine before the run."""
    named = ", ".join(f"{name} {number}" for name, number in versions().items())
    return _PAGE.format(
        table=table(found),
        made_at=_today(),
        machine=machine(),
        versions=named,
        experiments=", ".join(experiments),
        company=f"{company:.1f}",
    )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def machine() -> str:
    """The machine in a few words."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpu = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores ({cpu}), {memory_gib:.0f} GiB, Linux {platform.release()}"


def versions() -> dict[str, str]:
    """The versions of all that took part."""
    found = {"Python": platform.python_version()}
    for package in ("alveary", "uvicorn", "apsw", "wsgidav", "cheroot"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program, option, pattern in (("nginx", "-v", r"nginx/(\S+)"), ("wrk", "-v", r"wrk \S*?([0-9]\S*)")):
        try:
            said = subprocess.run([program, option], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if number := re.search(pattern, said.stdout + said.stderr):
            found[program] = number[1]
    return found
