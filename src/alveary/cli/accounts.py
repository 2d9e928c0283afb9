"""``alveary account``: the accounts of a cell."""

from __future__ import annotations

import sys
from typing import Final

import click

from alveary.cli import options, printing
from alveary.cli.client import Client, on_unit
from alveary.cli.entities import all_of, entity
from alveary.model.names import AccountName

_COLUMNS: Final = ("name", "type", "status")

ACCOUNT: Final = options.named(AccountName.parse)

password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from a line of standard input, instead of asking for it.",
)


@click.group()
def account() -> None:
    """Make, list and delete accounts, set passwords."""


@account.command()
@click.argument("name", type=ACCOUNT)
@options.of_cell
@password_stdin
@on_unit
def create(unit: Client, name: str, cell: str, password_stdin: bool) -> None:
    """Make the account NAME with a password."""
    secret = _password(from_stdin=password_stdin)
    unit.cell("POST", cell, "__ctl/Account", {"Name": name}, X_Personium_Credential=secret)


@account.command("list")
@options.of_cell
@options.as_json
@on_unit
def list_(unit: Client, cell: str, as_json: bool) -> None:
    """List the accounts."""
    rows = [{column: each[column.title()] for column in _COLUMNS} for each in all_of(unit, cell, "Account")]
    printing.show(rows, _COLUMNS, as_json=as_json)


@account.command()
@click.argument("name", type=ACCOUNT)
@options.of_cell
@password_stdin
@on_unit
def password(unit: Client, name: str, cell: str, password_stdin: bool) -> None:
    """Give the account NAME another password."""
    secret = _password(from_stdin=password_stdin)
    unit.cell("MERGE", cell, entity("Account", name), {}, X_Personium_Credential=secret)


@account.command()
@click.argument("name", type=ACCOUNT)
@options.of_cell
@on_unit
def delete(unit: Client, name: str, cell: str) -> None:
    """Delete the account NAME."""
    unit.cell("DELETE", cell, entity("Account", name))


def _password(*, from_stdin: bool) -> str:
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret.isprintable() or not secret.isascii() or not secret:
        raise click.ClickException("The password on standard input must be one line of printable ASCII.")
    return secret
