"""What a run found: as tables for people, as JSON for machines, and as a page of the documentation.

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
from textwrap import fill
from typing import Final

from bench.lines import LINES, TABLES, Figures, Line, Table, Target
from bench.odata_contestants import KINTO, POCKETBASE, VERSIONS, odata_versions

_NONE: Final = "-"
_WIDTH: Final = 118

_PAGE: Final = """# Benchmarks

Made by `make bench ARGS=--write-docs`, never by hand. Ratios count, not rates: the load tool and the servers share
the machine, which may have had other things to do.

{tables}

Made on {made_at} on {machine}, whose load was {company} before. {versions}.

## How it is measured

- All contestants run side by side on 127.0.0.1, each one server process (with Alveary's script workers beside it),
  and have their turns one after the other: three rounds, each in another order. A figure is the median of the rounds,
  a ratio the median of the rounds' ratios. Import and export run once.
- Every request to Alveary carries the token of an account, which is let in by a role that the box's ACL names; the
  unit's administrator asks of the small set and the large one. The peers check nobody: nginx (dav and dav-ext, one
  worker, no access log), wsgidav (on cheroot, as its command line starts it), PocketBase (its example program with a
  collection that is open to everybody; it uses all cores) and Kinto (on waitress, as its
  command line starts it, with a bucket that is open to everybody).
- Load comes from [wrk](https://github.com/wg/wrk): one thread, 16 connections, five seconds a round. Large files and
  batches are sent and received by one connection. A time in *get by key* and *first 25* is how long one of the 16
  waits.
- *Durable*: Alveary answers a write when it will survive a loss of power. The peers do not wait for the disk, and
  Kinto's memory backend has none: what it holds is gone with its process. It is the one that Kinto has without a
  database server beside it, and looks through much of what it holds.
- Memory is PSS, summed over a server's processes, sampled every 50 ms. Idle is three seconds after the start, and
  where the script pool counts three seconds after a first login and a first script.
- The imported snapshot holds 64 files of 16 MiB of random bytes, and entities of four properties.
- Entities of the table OData have five properties (two texts, an integer, a double, a boolean). All contestants hold
  10,000 of them before a line begins, and an index on the filtered property: PocketBase's is declared, Alveary made
  its own after the first such query, Kinto has none in memory. A hundred entities have the value that is filtered by.
  PocketBase is asked not to count what it does not show, for Alveary does not either.
- A batch makes 1,000 entities: plain parts of a `$batch` of Alveary, `/api/batch` of PocketBase (one transaction),
  `/v1/batch` of Kinto. A round's figure is the median of five.
- The small set and the large one are imported, and asked in turn. Keys are from all over the set; a hundredth of its
  entities have the value that is filtered by. *Without an index* is the first filter on a property, which one entity
  passes or none: the median of three properties. Memory is that of the unit once the set was imported, asked by key
  and by filter, and has the four indexes that Alveary made for that.
- The tree of 10,000 files has a hundred in each collection. It is copied and the copy moved ten times a round, which
  makes the tree of 100,000 files that is then listed and removed; the unit is configured to list to any depth.
- *CPU of token and ACL* is what a GET by an account, let in by a role, costs the server above one by anybody of a
  file that is open to all. *Logins* are by password, eight at a time without a pause, while one connection reads a
  file. The trans-cell token is signed with an RSA key of 2,048 bits, by the code that serves, in the bench itself.

`make bench` needs wrk, and measures beside the peers that are there: nginx and its modules (Debian: `apt install wrk
nginx libnginx-mod-http-dav-ext`), and wsgidav, which comes with it. PocketBase {pocketbase} is built from Go's
modules where there is Go, and Kinto {kinto} is installed from PyPI into an environment of its own; both stay in
`~/.cache/alveary-bench` for the next time. `make bench ARGS='get put'` runs some of the experiments:
{experiments}
`--quick` does less of everything, to see that it runs.
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


def tables(found: Mapping[str, Figures]) -> str:
    """The lines that were measured, as tables in Markdown that read well as they stand."""
    return "\n\n".join(
        f"### {each.title}\n\n{_table(each, found)}" for each in TABLES if not found.keys().isdisjoint(each.lines)
    )


def _table(table: Table, found: Mapping[str, Figures]) -> str:
    rows = [("what", "unit", *table.columns, "asked for", "measured", "")]
    for name, line in table.lines.items():
        if name in found:
            rows += _rows(line, table.columns, found[name])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def _rows(line: Line, columns: Sequence[str], figures: Figures) -> list[tuple[str, ...]]:
    """A row for each thing asked for; what is the same in all stands in the first."""
    medians = [_number(median(figures[name])) if name in figures else _NONE for name in columns]
    checks = [
        (str(each.target), _NONE if each.measured is None else _number(each.measured), _word(each))
        for each in verdicts(line, figures)
    ]
    first, *further = checks or [(_NONE, "", "")]
    blanks = [""] * (2 + len(columns))
    return [(line.title, line.unit, *medians, *first), *((*blanks, *check) for check in further)]


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
        tables=tables(found),
        made_at=_today(),
        machine=machine(),
        versions=named,
        experiments=fill(", ".join(experiments) + ".", _WIDTH),
        company=f"{company:.1f}",
        pocketbase=VERSIONS[POCKETBASE],
        kinto=VERSIONS[KINTO],
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
    return found | odata_versions()
