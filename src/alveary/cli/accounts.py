"""``alveary account``: the accounts of a cell."""

from __future__ import annotations

import sys
from typing import Final
from urllib.parse import quote

import click

from alveary.cli import options, printing
from alveary.cli.cells import pages
from alveary.cli.client import Client, on_unit

_COLUMNS: Final = ("Name", "Type", "Status")

of_cell = click.option("--cell", metavar="NAME", required=True, help="The cell.")
password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from a line of standard input, instead of asking for it."
)


@click.group()
def account() -> None:
    """Make, list and delete the accounts of a cell; set their passwords."""


@account.command()
@click.argument("name")
@of_cell
@password_stdin
@on_unit
def create(unit: Client, name: str, cell: str, password_stdin: bool) -> None:
    """Make the account NAME with a password."""
    secret = _password(from_stdin=password_stdin)
    unit.cell("POST", cell, "__ctl/Account", {"Name": name}, X_Personium_Credential=secret)


@account.command("list")
@of_cell
@options.as_json
@on_unit
def list_(unit: Client, cell: str, as_json: bool) -> None:
    """List the accounts."""
    rows = [{column: each[column] for column in _COLUMNS} for page in pages(unit, cell, "Account") for each in page]
    printing.show([{key.lower(): row[key] for key in row} for row in rows], [*map(str.lower, _COLUMNS)], as_json=as_json)


@account.command()
@click.argument("name")
@of_cell
@password_stdin
@on_unit
def password(unit: Client, name: str, cell: str, password_stdin: bool) -> None:
    """Give the account NAME another password."""
    secret = _password(from_stdin=password_stdin)
    unit.cell("MERGE", cell, _path(name), {}, X_Personium_Credential=secret)


@account.command()
@click.argument("name")
@of_cell
@on_unit
def delete(unit: Client, name: str, cell: str) -> None:
    """Delete the account NAME."""
    unit.cell("DELETE", cell, _path(name))


def _password(*, from_stdin: bool) -> str:
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret.isprintable() or not secret.isascii() or not secret:
        raise click.ClickException("The password on standard input must be one line of printable ASCII.")
    return secret


def _path(name: str) -> str:
    literal = name.replace("'", "''")
    return f"__ctl/Account('{quote(literal, safe='')}')"
