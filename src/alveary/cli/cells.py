"""``alveary cell``: the cells of a unit."""

from __future__ import annotations

import click

from alveary.cli import options, printing
from alveary.cli.client import Client, on_unit
from alveary.cli.entities import all_of, entity


@click.group()
def cell() -> None:
    """Make, list and delete cells."""


@cell.command()
@click.argument("name", type=options.CELL)
@on_unit
def create(unit: Client, name: str) -> None:
    """Make the cell NAME and print its URL."""
    unit.unit("POST", "__ctl/Cell", {"Name": name})
    click.echo(unit.urls.cell_url(name))


@cell.command("list")
@options.as_json
@on_unit
def list_(unit: Client, as_json: bool) -> None:
    """List the cells."""
    rows = [{"name": each["Name"], "url": unit.urls.cell_url(each["Name"])} for each in all_of(unit, None, "Cell")]
    printing.show(rows, ("name", "url"), as_json=as_json)


@cell.command()
@click.argument("name", type=options.CELL)
@click.option("--recursive", is_flag=True, help="With all that is in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_unit
def delete(unit: Client, name: str, recursive: bool, yes: bool) -> None:
    """Delete the cell NAME, which must be empty unless --recursive."""
    if not recursive:
        unit.unit("DELETE", entity("Cell", name))
        return
    if not yes:
        click.confirm(f"Delete the cell {name} and all that is in it?", abort=True)
    unit.cell("DELETE", name, "", X_Personium_Recursive="true")
