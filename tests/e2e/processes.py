"""A unit as a real process, started and killed by tests; every process is ended by its pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from alveary.adapters.keys.files import OperatorKey
from alveary.adapters.machine import SystemClock

ALVEARY = str(Path(sys.executable).with_name("alveary"))


@dataclass(slots=True)
class UnitProcess:
    """``alveary serve`` over one data folder, on a port of the system's choice."""

    data: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and come back when it says that it serves."""
        settings = {
            "ALVEARY_AUTH_HASH_LOG2_N": "10",
            "ALVEARY_AUTH_HASH_P": "1",
            "ALVEARY_LIMITS_DISK_RESERVE_PERCENT": "0",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ALVEARY_")}
        self.process = subprocess.Popen(
            [ALVEARY, "serve", "--data", str(self.data), "--bind", "127.0.0.1:0"],
            env={**clean, **settings, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = [word for word in line.split() if word.startswith("http")]
            if words:
                self.url = words[0]
                return
        raise AssertionError(f"the unit ended with {self.process.wait()}")

    def token(self) -> str:
        """A unit administrator token."""
        return OperatorKey.of(self.data).mint(SystemClock().now_ms())

    def client(self) -> httpx.Client:
        """A client of the unit that may do everything."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token()}"}, timeout=30)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; how it ended."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self.process
        if process is None:
            return 0
        process.send_signal(number)
        code = process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        self.process = None
        return code
