"""``alveary serve`` and ``alveary init``: a unit's start, and the making of its data folder.

What does not belong here: what a unit does once it runs (``boot``).
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import Final

import click

from alveary import boot, config, obs
from alveary.adapters.folder import FolderProblem, claimed
from alveary.adapters.keys.files import FileKeys
from alveary.adapters.machine import SystemClock
from alveary.cli import options
from alveary.cli.unit_url import CLIENT_VARIABLES, forget_url, write_url
from alveary.config import Config, ConfigError

PRIVATE: Final = 0o077
"""What the rest of the machine may do with anything that a unit makes: nothing."""


class Misconfigured(click.ClickException):
    """What the command line, the environment, the configuration file or a plug-in says is not right."""

    exit_code = 2


@click.command()
@click.option("--data", type=options.FOLDER, help="The data folder; made on first start.  [default: data]")
@click.option("--bind", metavar="HOST:PORT", help="Where to listen; port 0: any.  [default: 127.0.0.1:8080]")
@click.option("--base-url", metavar="URL", help="The unit's URL as clients see it, behind a proxy for example.")
@click.option("--path-style/--host-style", default=None, help="Cell URLs {unit}/{cell}/, or {cell}.{unit}/ alone.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file.  [default: alveary.toml in data]")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.  [default: info]")
@click.option("--log-format", metavar="FORMAT", help="json, or console for people.  [default: json]")
def serve(
    data: Path | None,
    bind: str | None,
    base_url: str | None,
    path_style: bool | None,
    file: Path | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run a unit until SIGTERM or Ctrl-C.

    Every option of the configuration can be set in the TOML file and by an environment variable (limits.depth by
    ALVEARY_LIMITS_DEPTH); the command line is stronger than the environment, the environment than the file.

    Once the unit answers, its URL and the way in are printed; the log goes to standard error.
    """
    overrides = {
        "data": None if data is None else str(data),
        "bind": bind,
        "base_url": base_url,
        "path_style": path_style,
        "log.level": log_level,
        "log.format": log_format,
    }
    environ = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
    try:
        _run(config.load(overrides, environ, Path.read_text, file))
    except ConfigError as problem:
        raise Misconfigured(str(problem)) from None
    except boot.PluginProblem as problem:
        raise Misconfigured(str(problem)) from None
    except FolderProblem as problem:
        raise click.ClickException(str(problem)) from None


def _run(settings: Config) -> None:
    os.umask(PRIVATE)
    log = obs.open_log(
        level=settings.log.level,
        form=settings.log.format,
        stream=sys.stderr,
        secrets=(settings.master_token, settings.auth.sha256_salt, settings.auth.introspect_password),
    )
    ready: list[Path] = []

    def on_ready(unit: boot.Running) -> None:
        write_url(unit.data, unit.url)
        ready.append(unit.data)
        click.echo(f"Serving {unit.url}\n{options.way_in(unit.data)}")
        sys.stdout.flush()

    try:
        boot.run(settings, log, on_ready)
    except OSError as problem:
        if ready:
            raise
        raise click.ClickException(_why_not(settings, problem)) from None
    finally:
        for folder in ready:
            forget_url(folder)


def _why_not(settings: Config, problem: OSError) -> str:
    # asyncio and socket put the address into strerror a second time, in their own notation.
    cause = (problem.strerror or str(problem)).partition(" (")[0]
    if problem.filename is not None:
        return f"The unit cannot start: {problem.filename}: {cause}."
    if isinstance(problem, ssl.SSLError | FileNotFoundError):  # ssl does not name the file
        return f"The certificate {settings.tls.certificate} and its key cannot be used: {cause}."
    return f"The unit cannot listen at {settings.bind}: {cause}."


@click.command()
@options.data
def init(data: Path) -> None:
    """Make a data folder and its secrets.

    What is there already stays. A folder that a unit is using is refused.
    """
    os.umask(PRIVATE)
    try:
        with claimed(data):
            FileKeys(data / "secrets", master_token="", now_ms=SystemClock().now_ms)  # nosec B106 - none
    except FolderProblem as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"The data folder {data.absolute()} is ready.\n{options.way_in(data)}")
