"""``alveary snapshot``: a cell out of a unit, and into one.

What does not belong here: what is in a snapshot (``snapshot_report``).
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import click

from alveary.cli import options, printing
from alveary.cli.client import Client, on_unit, sentence
from alveary.cli.snapshot_report import report_on
from alveary.cli.unit_url import PASSPHRASE_VARIABLE
from alveary.model.names import SnapshotName
from alveary.wire import xml
from alveary.wire.xml import DAV

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0
_XML_DEPTH: Final = 64

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
NAME: Final = options.named(SnapshotName.parse)

output_option = click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it."
)
name_option = click.option("--name", metavar="NAME", type=NAME, help="What the unit calls it, without .zip.")


encrypted_option = click.option(
    "--encrypted", is_flag=True, help=f"By a passphrase: {PASSPHRASE_VARIABLE}, else it is asked for."
)


@click.group()
def snapshot() -> None:
    """Export a cell, import it elsewhere; look at snapshots.

    A snapshot is a zip file in Personium's format. A unit keeps some in an area of each cell that is not part of
    the cell's contents.
    """


@snapshot.command()
@options.of_cell
@name_option
@output_option
@encrypted_option
@on_unit
def export(unit: Client, cell: str, name: str | None, output: Path | None, encrypted: bool) -> None:
    """Export a cell and download the snapshot. Nobody has to wait for it."""
    name = name or f"{cell}_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    file = _new_file(output or Path(f"{name}.zip"))
    unit.cell("POST", cell, "__export", {"Name": name, **_passphrase(encrypted, new=True)})
    _follow(unit, cell, "__export", f"Exporting {cell}")
    if not unit.has(cell, f"__snapshot/{name}.zip"):
        raise click.ClickException(sentence(unit.cell("GET", cell, f"__snapshot/{name}.error").json))
    _download(unit, cell, f"{name}.zip", file)


@snapshot.command("import")
@click.argument("file", type=FILE, required=False)
@options.of_cell
@name_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@encrypted_option
@on_unit
def import_(unit: Client, file: Path | None, cell: str, name: str | None, yes: bool, encrypted: bool) -> None:
    """Replace all that a cell holds by what the snapshot FILE holds.

    Without FILE it is a snapshot that the unit has, of the name that --name says. If the import fails, the cell
    keeps what it held, and says so until an import succeeds.
    """
    if file is None and name is None:
        raise click.UsageError("Say which snapshot: a FILE, or the --name of one that the unit has.")
    if not yes:
        click.confirm(f"Replace all that the cell {cell} holds?", abort=True)
    passphrase = _passphrase(encrypted, new=False)
    if file is not None:
        name = _upload(unit, cell, file, name)
    unit.cell("POST", cell, "__import", {"Name": name, **passphrase})
    _follow(unit, cell, "__import", f"Importing {cell}")
    click.echo(f"The cell {cell} holds what the snapshot {name} holds.")


@snapshot.command()
@click.argument("file", type=FILE)
@options.of_cell
@name_option
@on_unit
def upload(unit: Client, file: Path, cell: str, name: str | None) -> None:
    """Put the snapshot FILE beside a cell; one of the same name is replaced."""
    click.echo(_upload(unit, cell, file, name))


@snapshot.command()
@click.argument("name", type=NAME)
@options.of_cell
@output_option
@on_unit
def download(unit: Client, name: str, cell: str, output: Path | None) -> None:
    """Get the snapshot NAME of a cell."""
    _download(unit, cell, f"{name}.zip", _new_file(output or Path(f"{name}.zip")))


@snapshot.command("list")
@options.of_cell
@options.as_json
@on_unit
def list_(unit: Client, cell: str, as_json: bool) -> None:
    """List the snapshots that the unit has of a cell, failed exports among them."""
    answer = unit.cell("PROPFIND", cell, "__snapshot", Depth="1")
    rows: list[dict[str, Any]] = []
    for response in xml.parse(answer.body, max_depth=_XML_DEPTH):
        size = response.findtext(f".//{DAV}getcontentlength")
        if size is None:
            continue
        changed = parsedate_to_datetime(response.findtext(f".//{DAV}getlastmodified") or "")
        name = unquote((response.findtext(f"{DAV}href") or "").rpartition("/")[2])
        rows.append({"name": name, "size_bytes": int(size), "changed": changed.isoformat()})
    printing.show(rows, ("name", "size_bytes", "changed"), as_json=as_json)


@snapshot.command()
@click.argument("file", type=FILE)
def verify(file: Path) -> None:
    """Read the snapshot FILE to its last byte, count what is in it, and name what is damaged."""
    with file.open("rb") as archive, printing.progress(f"Verifying {file.name}", 100, in_bytes=False) as tell:
        report = report_on(archive, tell)
    rows = [{"what": what, "count": count} for what, count in report.counts.items() if count]
    printing.show(rows, ("what", "count"), as_json=False)
    for problem in report.problems:
        click.echo(f"damaged: {problem}")
    if report.problems:
        raise click.ClickException(f"The snapshot {file} cannot be trusted.")
    click.echo(f"The snapshot {file} is whole: {printing.size_text(report.size_bytes)} unpacked.")


def _passphrase(wanted: bool, *, new: bool) -> dict[str, str]:
    """What a body says of the passphrase; nothing when none is *wanted*. A *new* one is asked for twice."""
    if not wanted:
        return {}
    given = os.environ.get(PASSPHRASE_VARIABLE)
    return {"Passphrase": given or click.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True)}


def _follow(unit: Client, cell: str, path: str, title: str) -> None:
    """Wait for the end of the export or import at *path*; one that failed ends the command with its sentence."""
    wait_s = _FIRST_WAIT_S
    with printing.progress(title, printing.PERCENT, in_bytes=False) as tell:
        while (state := unit.cell("GET", cell, path).json)["status"] != "ready":
            if "message" in state:
                raise click.ClickException(sentence(state["message"]))
            tell(int(state["progress"].removesuffix("%")))
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _upload(unit: Client, cell: str, file: Path, name: str | None) -> str:
    """The name under which *file* is beside the cell now."""
    name = name or NAME(file.stem)
    with file.open("rb") as content:
        size_bytes = file.stat().st_size
        with printing.progress(f"Uploading {file.name}", size_bytes, in_bytes=True) as moved:
            unit.upload(cell, f"__snapshot/{name}.zip", content, moved)
    return name


def _new_file(file: Path) -> Path:
    if file.exists():
        raise click.ClickException(f"The file {file} exists already.")
    return file


def _download(unit: Client, cell: str, name: str, file: Path) -> None:
    """Write the snapshot file *name* to *file*, which is there when it is whole."""
    part = file.with_name(f"{file.name}.part")
    with unit.download(cell, f"__snapshot/{quote(name)}") as (size_bytes, copy):
        try:
            with (
                part.open("wb") as target,
                printing.progress(f"Downloading {name}", size_bytes, in_bytes=True) as moved,
            ):
                copy(target, moved)
            part.rename(file)
        except OSError as error:
            raise click.ClickException(f"The file {file} cannot be written: {error.strerror}.") from None
        finally:
            part.unlink(missing_ok=True)
    click.echo(f"{file} ({printing.size_text(size_bytes)})")
