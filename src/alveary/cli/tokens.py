"""``alveary token``: the way in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from alveary.adapters.keys.files import OPERATOR_TOKEN_S, OperatorKey
from alveary.adapters.machine import SystemClock
from alveary.cli import options

LONGEST_S: Final = 366 * 24 * 3600


@click.command()
@options.data
@click.option(
    "--life",
    "life_s",
    metavar="SECONDS",
    type=click.IntRange(1, LONGEST_S),
    default=OPERATOR_TOKEN_S,
    show_default=True,
    help="How long the token is good for.",
)
def token(data: Path, life_s: int) -> None:
    """Print a unit administrator's token.

    It is made with the operator's key in the data folder, and may do everything: send it as "Authorization: Bearer
    TOKEN". The unit need not run.
    """
    click.echo(operator_key(data).mint(SystemClock().now_ms(), life_s))


def operator_key(data: Path) -> OperatorKey:
    """The operator key of the data folder *data*, or one sentence that says why not."""
    try:
        return OperatorKey.of(data)
    except FileNotFoundError:
        raise click.ClickException(
            f"There is no operator key in {data}: make one with alveary init --data {data}."
        ) from None
    except OSError as problem:
        raise click.ClickException(f"The operator key in {data} cannot be read: {problem.strerror}.") from None
