"""``alveary secret``: the unit's secret, under which tokens and the keys of cells are sealed."""

from __future__ import annotations

from pathlib import Path

import click

from alveary.adapters.folder import FolderProblem, claimed
from alveary.adapters.keys.data_keys import reseal
from alveary.adapters.keys.files import (
    FOLDER,
    TOKENS_END_AFTER_S,
    FileKeys,
    forget_older_secrets,
    replace_unit_secret,
)
from alveary.adapters.machine import SystemClock
from alveary.cli import options


@click.group()
def secret() -> None:
    """Replace the unit's secret."""


@secret.command()
@options.data
@click.option("--forget", is_flag=True, help="End all tokens at once, and let each cell make a new signing key.")
def rotate(data: Path, forget: bool) -> None:
    """Make a new secret; the unit must not run.

    Tokens that were given before stay good until their own end, at most a day. With --forget, as after a theft, all
    of them end, and everyone must log in again. What encrypts files at rest is sealed anew in either case.
    """
    if not data.exists():
        raise click.ClickException(f"There is no data folder {data}.")
    try:
        with claimed(data) as folder:
            replace_unit_secret(folder / FOLDER)
            keys = FileKeys(folder / FOLDER, master_token="", now_ms=SystemClock().now_ms)  # nosec B106 - none
            reseal(folder / "cells", keys)
            if forget:
                forget_older_secrets(folder / FOLDER)
    except FolderProblem as problem:
        raise click.ClickException(str(problem)) from None
    ended = "all tokens have ended" if forget else f"older tokens end within {TOKENS_END_AFTER_S // 3600} hours"
    click.echo(f"The unit has a new secret; {ended}.")
