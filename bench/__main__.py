"""``python -m bench``: run experiments, print the tables, keep the figures.

Exits with 1 when something that is asked for was missed or could not be measured.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from http.client import HTTPException
from pathlib import Path
from subprocess import SubprocessError
from typing import Final

from bench.contestants import ALVEARY, alveary_box, find_peers
from bench.experiments import FILE_EXPERIMENTS, FULL, QUICK, Bench
from bench.identity import IDENTITY_EXPERIMENTS
from bench.lines import LINES
from bench.odata import ODATA_EXPERIMENTS
from bench.processes import BenchProblem
from bench.report import as_json, page, tables, verdicts
from bench.trees import TREE_EXPERIMENTS

_HERE: Final = Path(__file__).parent
_RESULTS: Final = _HERE / "results" / "latest.json"
_PAGE: Final = _HERE.parent / "docs" / "benchmarks.md"

EXPERIMENTS: Final = {**FILE_EXPERIMENTS, **TREE_EXPERIMENTS, **ODATA_EXPERIMENTS, **IDENTITY_EXPERIMENTS}


def main() -> int:
    """Do what the command line asks for; the exit code."""
    options = _options()
    company = os.getloadavg()[0]
    bench = Bench({ALVEARY: alveary_box, **find_peers()}, QUICK if options.quick else FULL, options.data)
    problems = [problem for name in options.experiments if (problem := _run(bench, name))]
    found = bench.notes
    print(tables(found))
    if options.quick:
        print("This was the quick run: sizes are a small part of what the lines say.")
    _RESULTS.write_text(as_json(found, company) + "\n")
    if options.write_docs and not problems:
        _PAGE.write_text(page(found, company, [f"`{name}`" for name in EXPERIMENTS]))
    missed = any(each.missed for name, figures in found.items() for each in verdicts(LINES[name], figures))
    return 1 if missed or problems else 0


_PROBLEMS: Final = (BenchProblem, OSError, HTTPException, SubprocessError)
"""What a server that does not do as it is asked comes to."""


def _run(bench: Bench, name: str) -> Exception | None:
    """One experiment, or why it came to nothing."""
    print(f"{name}: {EXPERIMENTS[name].__doc__}", file=sys.stderr)
    try:
        EXPERIMENTS[name](bench)
    except _PROBLEMS as problem:
        print(f"{name} was not measured: {type(problem).__name__}: {problem}", file=sys.stderr)
        return problem
    return None


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m bench", description="Measure Alveary beside its peers.")
    parser.add_argument("experiments", nargs="*", metavar="experiment", help=", ".join(EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="one short round of less, to see that it runs")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument(
        "--data", type=Path, default=Path("/var/tmp"), help="where the servers keep their files (/var/tmp)"
    )
    options = parser.parse_args()
    if unknown := set(options.experiments) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {unknown.pop()}")
    if options.write_docs and (options.quick or options.experiments):
        parser.error("the page shows a whole run")
    options.experiments = options.experiments or list(EXPERIMENTS)
    return options


if __name__ == "__main__":
    sys.exit(main())
