"""The operator's commands: they print and exit.

What belongs here: which commands there are. What does not: what one does, which is below in a module of its noun,
loaded when it is called, so that a start pays for nothing but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "init": "serve",
    "secret": "secrets",  # nosec B105 - a command and its module
    "token": "tokens",  # nosec B105 - a command and its module
    "cell": "cells",
    "account": "accounts",
    "snapshot": "snapshots",
    "doctor": "doctor",
    "verify": "doctor",
}
"""Each command, and the module of this room that holds it under the same name."""


class _Commands(click.Group):
    """The commands of the table, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{COMMANDS[cmd_name]}"), cmd_name)
        return command


EXIT_CODES: Final = """\b
Exit codes:
  0  done
  1  refused, not possible, or something is broken: the last line says what
  2  the command line or the configuration is not right
"""


@click.command(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alveary", message="%(prog)s %(version)s")
def main() -> None:
    """Alveary, a self-hosted personal data store that speaks the Personium REST API.

    Commands about cells, accounts and snapshots work on the running unit; doctor and verify read its data folder.
    """
