"""What the project says of itself: generated pages, the catalogue of errors, the locks."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from alveary.errors import ERROR, INFO, WARN, catalogue
from tests.architecture.sources import ROOT, texts

PAGES: dict[str, Callable[[], str]] = runpy.run_path(str(ROOT / "docs" / "make_pages.py"))["PAGES"]
KINDS = catalogue()
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MACHINE_WORDS = re.compile(r"/work/|/root/|/tmp/brief|pypi\.org|pythonhosted|--(?:extra-)?index-url|trusted-host")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(page: str) -> None:
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == PAGES[page](), "run: make docs"


def test_every_code_is_used_once() -> None:
    assert [code for code, uses in Counter(kind.code for kind in KINDS.values()).items() if uses > 1] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_a_code_a_sentence_and_a_level(name: str) -> None:
    kind = KINDS[name]
    assert re.fullmatch(r"PR[45]\d\d-[A-Z]{2}-\d{4}", kind.code)
    assert kind.text.endswith(".")
    assert kind.level in {INFO, WARN, ERROR}


def test_nothing_tells_where_the_project_was_made() -> None:
    here = Path(__file__).relative_to(ROOT)
    assert [str(path) for path, text in texts() if path != here and MACHINE_WORDS.search(text)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda each: each.name)
def test_a_lock_pins_every_package_to_hashes(lock: Path) -> None:
    blocks = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", block) for block in blocks)
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_locks_agree_on_versions() -> None:
    pins = {pin for lock in LOCKS for pin in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE)}
    assert len(pins) == len({name for name, _ in pins})


def test_every_test_that_a_ledger_names_exists() -> None:
    written = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "compliance").glob("*.md"))
    named = set(re.findall(r"`(test_\w+)`", written))
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = sorted(name for name in named if f"def {name}(" not in tests)
    assert missing == []
    assert len(named) > 100


def test_every_deviation_that_the_code_names_is_told() -> None:
    page = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    told = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^##+ (.*)", page, re.M)
    }
    named = {anchor for _, text in texts() for anchor in re.findall(r"deviations\.md#([a-z-]+)", text)}
    assert named - told == set()
