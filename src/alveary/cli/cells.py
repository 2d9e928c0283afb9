"""``alveary cell``: the cells of a unit."""

from __future__ import annotations

from typing import Any, Final

import click

from alveary.cli import options, printing
from alveary.cli.client import Client, on_unit
from alveary.cli.entities import all_of, entity


@click.group()
def cell() -> None:
    """Make, list and delete cells, and bound what they hold."""


@cell.command()
@click.argument("name", type=options.CELL)
@on_unit
def create(unit: Client, name: str) -> None:
    """Make the cell NAME and print its URL."""
    unit.unit("POST", "__ctl/Cell", {"Name": name})
    click.echo(unit.urls.cell_url(name))


_STANDING: Final = ("bytes", "bytes_quota", "entities", "entities_quota")


@cell.command("list")
@click.option("--usage", is_flag=True, help="Ask of each how much it holds, and how much it may.")
@options.as_json
@on_unit
def list_(unit: Client, usage: bool, as_json: bool) -> None:
    """List the cells."""
    names = [str(each["Name"]) for each in all_of(unit, None, "Cell")]
    rows = [
        {"name": name, "url": unit.urls.cell_url(name), **(_standing(unit, name) if usage else {})} for name in names
    ]
    printing.show(rows, ("name", *(_STANDING if usage else ()), "url"), as_json=as_json)


_AMOUNT: Final = options.amount(default="default")


@cell.command()
@click.argument("name", type=options.CELL)
@click.option("--bytes", "size_bytes", metavar="N", type=_AMOUNT, help="Bytes of all its files; 0: any number.")
@click.option("--entities", metavar="N", type=_AMOUNT, help="Its entities; 0: any number.")
@options.as_json
@on_unit
def quota(unit: Client, name: str, size_bytes: int | None, entities: int | None, as_json: bool) -> None:
    """Tell how much the cell NAME holds and may hold; set what it may.

    The word default, instead of a number, gives it the unit's own limit again.
    """
    told = {"bytes": size_bytes, "entities": entities}
    change = {key: None if value == options.DEFAULT else value for key, value in told.items() if value is not None}
    if change:
        unit.unit("PUT", f"__quota/{name}", change)
    printing.show([{"name": name, **_standing(unit, name)}], ("name", *_STANDING), as_json=as_json)


def _standing(unit: Client, name: str) -> dict[str, Any]:
    told = unit.unit("GET", f"__quota/{name}").json
    used, most = told["used"], told["quota"]
    return {
        "bytes": used["bytes"],
        "bytes_quota": most["bytes"] or "-",
        "entities": used["entities"],
        "entities_quota": most["entities"] or "-",
    }


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
