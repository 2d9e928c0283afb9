"""How commands find the running unit: the file ``url`` in its data folder, there while the unit answers.

What does not belong here: talking to the unit (``client``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alveary.adapters.folder import is_claimed

URL_VARIABLE: Final = "ALVEARY_URL"
TOKEN_VARIABLE: Final = "ALVEARY_TOKEN"  # nosec B105 - the name of a variable
PASSPHRASE_VARIABLE: Final = "ALVEARY_PASSPHRASE"  # nosec B105 - the name of a variable
CLIENT_VARIABLES: Final = frozenset({URL_VARIABLE, TOKEN_VARIABLE, PASSPHRASE_VARIABLE})
"""Variables that are for commands, and no options of a unit."""

_FILE: Final = "url"


def write_url(data: Path, url: str) -> None:
    """Let commands know that the unit on *data* answers at *url*."""
    fresh = data / f"{_FILE}.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{url}\n")
    fresh.rename(data / _FILE)


def forget_url(data: Path) -> None:
    """Let commands know that no unit answers any more."""
    (data / _FILE).unlink(missing_ok=True)


def find_url(data: Path) -> str | None:
    """The URL of the unit that runs on *data*; None when none does, or none is ready.

    A unit that was killed leaves its file behind, but never its claim on the folder.
    """
    try:
        return (data / _FILE).read_text(encoding="utf-8").strip() if is_claimed(data) else None
    except FileNotFoundError:
        return None
