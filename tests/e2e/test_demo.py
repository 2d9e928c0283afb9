"""The demo as ``make demo`` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "demo" / "demo.py"
HANGS_S = 60


def test_the_demo_carries_a_cell_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(DEMO)],
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "ran the service bee/hello as bob: Hello bob" in ended.stdout
    assert "the same to the last byte" in ended.stdout
    assert list(tmp_path.iterdir()) == []
