"""The options that several commands share.

What does not belong here: what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from alveary.errors import Refusal
from alveary.model.names import CellName

FOLDER: Final = click.Path(file_okay=False, path_type=Path)

data = click.option(
    "--data",
    type=FOLDER,
    envvar="ALVEARY_DATA",
    show_envvar=True,
    default="data",
    show_default=True,
    help="The data folder.",
)


def named(parse: Callable[[str], str]) -> Callable[[str], str]:
    """The type of a parameter that is a name, which *parse* checks."""

    def convert(raw: str) -> str:
        try:
            return parse(raw)
        except Refusal as refusal:
            raise click.BadParameter(refusal.text) from None

    return convert


DEFAULT: Final = -1
"""What stands for the word that a parameter takes instead of a number."""


def amount(default: str) -> Callable[[str], int]:
    """The type of a parameter that is a number from 0, or the word *default*."""

    def convert(raw: str) -> int:
        if raw == default:
            return DEFAULT
        if not (raw.isascii() and raw.isdigit()):
            raise click.BadParameter(f"It is neither a number nor the word {default}.")
        return int(raw)

    return convert


CELL: Final = named(CellName.parse)

of_cell = click.option("--cell", metavar="NAME", type=CELL, required=True, help="The cell.")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON array for programs.")


def way_in(data: Path) -> str:
    """Where the key to everything in *data* is, and what to do with it; no secret."""
    key = data.absolute() / "secrets" / "operator.key"
    return f"The way in: {key} is the operator's key, and this mints a token with it: alveary token --data {data}"
