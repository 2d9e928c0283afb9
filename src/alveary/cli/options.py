"""The options that several commands share.

What does not belong here: what is done with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

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

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON array for programs.")


def way_in(data: Path) -> str:
    """Where the key to everything in *data* is, and what to do with it; no secret."""
    key = data.absolute() / "secrets" / "operator.key"
    return f"The way in: {key} is the operator's key, and this mints a token with it: alveary token --data {data}"
