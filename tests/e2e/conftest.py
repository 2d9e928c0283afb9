"""Units as processes of their own, as operators run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from alveary.adapters.keys.files import OperatorKey
from alveary.adapters.machine import SystemClock
from tests.running import QUICK, Site

ALVEARY = Path(sys.executable).with_name("alveary")
ENDING_S = 20.0
"""Far more than an end takes: it only ends tests that would hang."""


def environment(**options: object) -> dict[str, str]:
    """An environment for ``alveary``: this one's without its options, and *options* by dotted keys."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("ALVEARY_")}
    return mine | {f"ALVEARY_{key.replace('.', '_').upper()}": str(value) for key, value in options.items()}


@dataclass(slots=True)
class Unit:
    """A unit that runs as a process on the folder *data*; its log is ``unit.log`` beside that folder.

    ``url`` stays the same over restarts. ``http`` is closed with the unit.
    """

    data: Path
    options: Mapping[str, object]
    process: subprocess.Popen[str] = field(init=False)
    url: str = field(init=False)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    @property
    def token(self) -> str:
        """A unit administrator's token, fresh."""
        return OperatorKey.of(self.data).mint(SystemClock().now_ms())

    @property
    def log(self) -> str:
        """What the unit has logged, of all its starts."""
        return self.data.with_name("unit.log").read_text(encoding="utf-8")

    def start(self, bind: str = "127.0.0.1:0") -> None:
        """Start it and wait until it answers."""
        command = [str(ALVEARY), "serve", "--data", str(self.data), "--bind", bind]
        with self.data.with_name("unit.log").open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(**self.options)
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first, f"the unit did not start: {self.log}"
        self.url = first.split()[-1]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        """SIGKILL: nothing is finished."""
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(ENDING_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def restart(self) -> None:
        """End it in an orderly way, if it has not ended, and start it again at the same address."""
        if self.process.poll() is None:
            self.stop()
        self.start(f"127.0.0.1:{httpx.URL(self.url).port}")

    def cell(self, name: str) -> Site:
        """A new cell."""
        headers = {"Authorization": f"Bearer {self.token}"}
        made = self.http.post(f"{self.url}__ctl/Cell", json={"Name": name}, headers=headers)
        assert made.status_code == 201, made.text
        return Site(self.http, name, f"{self.url}{name}/")

    def cli(self, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """``alveary`` with those arguments, told this data folder, with *given* on standard input."""
        return alveary(*arguments, "--data", self.data, given=given)


def alveary(*arguments: str | Path, given: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """``alveary`` with those arguments, *options* in its environment and *given* on standard input, to its end."""
    return subprocess.run(
        [str(ALVEARY), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**options),
        check=False,
    )


@pytest.fixture
def start_unit(tmp_path: Path) -> Iterator[Callable[..., Unit]]:
    """What starts a unit: ``start_unit("name", **options)``, by dotted keys. All have ended after the test."""
    started: list[Unit] = []

    def start(name: str = "unit", **options: object) -> Unit:
        folder = tmp_path / name
        folder.mkdir()
        unit = Unit(folder / "data", {**QUICK, **options})
        started.append(unit)
        unit.start()
        return unit

    yield start
    for unit in started:
        if unit.process.poll() is None:
            unit.kill()
        unit.http.close()


@pytest.fixture
def unit(start_unit: Callable[..., Unit]) -> Unit:
    """A running unit."""
    return start_unit()
