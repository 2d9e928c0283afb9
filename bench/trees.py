"""How it is measured what whole trees cost: copied, moved, listed, removed.

What does not belong here: what is asked of the figures (``lines``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from bench.contestants import alveary, member
from bench.experiments import SETTLE_S, Bench
from bench.processes import peak_pss_mib
from bench.sites import Site

_IN_A_FOLDER: Final = 100
_LISTED: Final = 1_000
_LISTINGS: Final = 11
_COPIES: Final = 10
"""How many trees of ``scale.tree`` files are listed and removed at once."""

_SMALL: Final = b"x" * 1024
_WHOLE: Final = {"X-Personium-Recursive": "true"}


@contextmanager
def _box(folder: Path) -> Iterator[Site]:
    """A box of a unit that lists whole trees."""
    config = folder / "alveary.toml"
    config.write_text("[dav]\ninfinity = true\n")
    with alveary(folder, "--config", str(config)) as unit:
        yield member(unit)


def dav_trees(bench: Bench) -> None:
    """A tree is copied, moved, listed to its last file and removed, round by round."""
    with bench.started(_box) as site:
        _plant(site, f"{site.root}tree", bench.scale.tree)
        _make_files(site, f"{site.root}many", _LISTED)
        time.sleep(SETTLE_S)
        idle_mib = site.process.pss_mib()
        for each in bench.turns([site]):
            _carry(bench, each)
            _list(bench, each, idle_mib)
            bench.note("tree_list", each, median(_listing_ms(each) for _ in range(_LISTINGS)))
            bench.note("tree_delete", each, _took_s(each, "DELETE", "forest", _WHOLE))


def _plant(site: Site, path: str, files: int) -> None:
    """A tree of so many files, in folders of _IN_A_FOLDER each."""
    site.call("MKCOL", path)
    _make_files(site, f"{path}/0", _IN_A_FOLDER)
    for number in range(1, files // _IN_A_FOLDER):
        site.call("COPY", f"{path}/0", headers={"Destination": f"{path}/{number}"})


def _make_files(site: Site, path: str, count: int) -> None:
    site.call("MKCOL", path)
    for number in range(count):
        site.call("PUT", f"{path}/file-{number}.txt", _SMALL)


def _carry(bench: Bench, site: Site) -> None:
    """Copies of the tree, as many as make a forest; each is moved there."""
    site.call("MKCOL", f"{site.root}forest")
    for number in range(_COPIES):
        copy = {"Destination": f"{site.root}copy"}
        bench.note("tree_copy", site, _took_s(site, "COPY", "tree", copy))
        bench.note("tree_move", site, _took_s(site, "MOVE", "copy", {"Destination": f"{site.root}forest/{number}"}))


def _list(bench: Bench, site: Site, idle_mib: float) -> None:
    with peak_pss_mib(site.process) as peak:
        took_s = site.first_byte_s("PROPFIND", f"{site.root}forest", {"Depth": "infinity"})
    bench.note("tree_first", site, took_s * 1000)
    bench.note("tree_memory", site, peak[0] - idle_mib)


def _took_s(site: Site, method: str, name: str, headers: Mapping[str, str]) -> float:
    started = time.perf_counter()
    site.call(method, f"{site.root}{name}", headers=headers)
    return time.perf_counter() - started


def _listing_ms(site: Site) -> float:
    return _took_s(site, "PROPFIND", "many", {"Depth": "1"}) * 1000


TREE_EXPERIMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {"dav_trees": dav_trees}
