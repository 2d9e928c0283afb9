"""A box for other people's WebDAV clients: a unit under RFC 4918, an account, a tree with odd names.

What does not belong here: what is claimed of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.running import RunningUnit, Site, running

ACCOUNT = "ann"
PASSWORD = "password-1"

NAMES = (
    "plain.txt",
    "with two  spaces.txt",
    " leading",
    "100%.txt",
    "%41.txt",
    "%2F.txt",
    "a+b.txt",
    "a&b=c;d,e.txt",
    "it's.txt",
    'say "hi".txt',
    "<tag>.xml",
    "#hash.txt",
    "who?.txt",
    "[x]{y}^z`.txt",
    "~tilde!$@(1).txt",
    "a:b|c*.txt",
    "日本語 のファイル.txt",
    unicodedata.normalize("NFC", "がぎぐ.txt"),
    unicodedata.normalize("NFD", "がぎぐ.txt"),
    "😀 bee 🐝.txt",
    "é è ü.txt",
    "no\u00a0break.txt",
    "ünïcödé" * 10,
    "n" * 200 + ".txt",
    ".hidden",
)


@dataclass(frozen=True, slots=True)
class Box:
    """The main box of a cell, and who may do everything there by Basic authentication."""

    cell: Site

    @property
    def url(self) -> str:
        """Its URL, which ends in a slash."""
        return f"{self.cell.url}__/"


@contextmanager
def rfc_unit(data: Path) -> Iterator[RunningUnit]:
    """A unit where RFC 4918 has the last word."""
    with running(data, **{"dav.semantics": "rfc4918"}) as unit:
        yield unit


def fresh_box(unit: RunningUnit) -> Box:
    """The main box of a new cell."""
    cell = unit.cell()
    cell.account(ACCOUNT, PASSWORD, roles=("everything",))
    assert cell.acl("__", {"everything": "all"}).status_code == 200
    return Box(cell)


def plant(folder: Path, numbers: range) -> Mapping[str, bytes]:
    """A file for each of *numbers* below *folder*, under odd names in folders with odd names; their bytes by path."""
    files: dict[str, bytes] = {}
    for number in numbers:
        name, above = NAMES[number % len(NAMES)], NAMES[number // len(NAMES) % len(NAMES)]
        path = f"{above} folder/{number // len(NAMES) ** 2}/{name}" if len(above) < 100 else f"deep/{number}/{name}"
        files[path] = f"{number} {name}".encode() * (1 + number % 50 * 20)
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[path])
    return files
