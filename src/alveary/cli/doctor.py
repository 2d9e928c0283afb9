"""``alveary doctor`` and ``alveary verify``: whether a data folder is sound.

What does not belong here: what is looked at (``inspection``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

from alveary.cli import options, printing
from alveary.cli.inspection import Inspection, Problem

Check = Callable[[Inspection], Iterator[Problem]]

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("permissions", Inspection.permissions),
    ("format", Inspection.format),
    ("secrets", Inspection.secrets),
    ("disk space", Inspection.space),
    ("databases", Inspection.databases),
    ("counters", Inspection.counters),
    ("files", Inspection.files),
)


@click.command()
@options.data
def doctor(data: Path) -> None:
    """Look for damage in a data folder.

    Permissions, format, secrets, disk space, databases, counters, and whether each file is there and of its size.
    Nothing is changed; a unit may run meanwhile. Every problem is named, and makes the command end with 1.
    """
    _examine(Inspection(data))


@click.command()
@options.data
def verify(data: Path) -> None:
    """Do what doctor does, and read every byte.

    The bytes of each file and each snapshot are compared with the checksum that was taken when they came.
    """
    inspection = Inspection(data, hashing=True)
    with printing.progress("Reading", inspection.size_bytes(), in_bytes=True) as inspection.moved:
        _examine(inspection)


def _examine(inspection: Inspection) -> None:
    data = inspection.data
    if not data.is_dir():
        raise click.ClickException(f"There is no data folder {data}.")
    if inspection.running:
        click.echo(f"A unit is running on {data}.")
    count = 0
    for title, check in CHECKS:
        try:
            found = list(check(inspection))
        except OSError as error:
            found = [Problem(str(error.filename or data), f"it cannot be read: {error.strerror}")]
        click.echo(f"{'ok' if not found else 'broken':8}{title}")
        for problem in found:
            click.echo(f"        {problem}")
        count += len(found)
    if count:
        raise click.ClickException(f"Problems: {count}.")
