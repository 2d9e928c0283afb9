"""How commands show lists, sizes and long work.

What does not belong here: what is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

PERCENT: Final = 100
_PLAIN_STEP: Final = 25

size_text = decimal
"""A number of bytes for people."""

Row = Mapping[str, object]


def show(rows: Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """Print *rows*: the *columns* side by side, or all of them as one JSON array."""
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    cells = [[str(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells) if cells else ():
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def progress(title: str, total: int, *, in_bytes: bool) -> Iterator[Callable[[int], None]]:
    """What to tell how much of *total* is done; a bar on a terminal, else a line now and then. On standard error.

    The end of the block is the end of the work, unless it fails.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        tell = _lines(title, total)
        yield tell
        tell(max(total, 1))
        return
    numbers = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (TaskProgressColumn(),)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), *numbers, TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task(title, total=max(total, 1))
        yield lambda done: bar.update(task, completed=done)
        bar.update(task, completed=max(total, 1))


def _lines(title: str, total: int) -> Callable[[int], None]:
    told = -1

    def tell(done: int) -> None:
        nonlocal told
        step = done * PERCENT // max(total, 1) // _PLAIN_STEP
        if step > told:
            told = step
            click.echo(f"{title}: {step * _PLAIN_STEP} %", err=True)

    return tell
