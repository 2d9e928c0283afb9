"""How each line of entities is measured: one by one and by the batch, and from a small set and a large one.

What does not belong here: who is measured (``odata_contestants``), and what is asked of the figures (``lines``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from timeit import timeit
from typing import Final
from urllib.parse import quote

from alveary.config import Limits
from alveary.model.edm import EntitySet, Property
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.user_edm import ID, ID_PROPERTY, NAMESPACE
from alveary.wire.odata_filter import parse_filter
from bench.archives import SHARES, Archive, item_key, item_title
from bench.contestants import ALVEARY, alveary
from bench.experiments import GIVEN, SETTLE_S, WARM_UP_S, Bench, give, job_s
from bench.lines import LARGE_SET, SMALL_SET
from bench.load import CONNECTIONS, Order, requests_per_s
from bench.odata_contestants import (
    PAGE,
    PEOPLE,
    Person,
    Served,
    find_odata_contestants,
    person,
    person_with_key,
)
from bench.processes import BenchProblem
from bench.sites import Site

_BATCH: Final = 1_000
_BATCHES: Final = 5
_PARSES: Final = 1_000

_FILTER: Final = (
    "startswith(name,'Per') and age ge 18 and age lt 65 and (city eq 'c1' or score gt 1.5d) and active eq true"
)
_TYPES: Final = {
    "name": EdmType.STRING,
    "city": EdmType.STRING,
    "age": EdmType.INT32,
    "score": EdmType.DOUBLE,
    "active": EdmType.BOOLEAN,
}

_JSON: Final = {"Content-Type": "application/json"}
_ACCEPT: Final = {"Accept": "application/json"}


def create(bench: Bench) -> None:
    """Many connections make entities, each request one, in a set that has an index."""
    with _filled(bench) as everyone:
        _load(bench, "odata_create", [(each.site, each.create) for each in everyone])


def read(bench: Bench) -> None:
    """Many connections get entities by key, then pages of those that an index finds."""
    with _filled(bench) as everyone:
        _load(bench, "odata_get", [(each.site, each.one) for each in everyone])
        _load(bench, "odata_filter", [(each.site, each.page) for each in everyone])


def batch(bench: Bench) -> None:
    """One connection makes a thousand entities with each request."""

    def entities_per_s(served: Served) -> float:
        return _BATCH / _make_s(served, [person(number) for number in range(_BATCH)])

    with _filled(bench) as everyone:
        for served in bench.turns(everyone):
            bench.note("odata_batch", served.site, median(entities_per_s(served) for _ in range(_BATCHES)))


def _load(bench: Bench, line: str, orders: Sequence[tuple[Site, Order]]) -> None:
    for site, order in orders:
        requests_per_s(site, order, WARM_UP_S)
    for site, order in bench.turns(list(orders)):
        bench.note(line, site, requests_per_s(site, order, bench.scale.load_s))


@contextmanager
def _filled(bench: Bench) -> Iterator[list[Served]]:
    """Every contestant, with PEOPLE in it; the page asked for lets Alveary make its index."""
    with bench.all_started(find_odata_contestants().values()) as everyone:
        for served in everyone:
            for start in range(0, PEOPLE, _BATCH):
                _make_s(served, [person_with_key(number) for number in range(start, start + _BATCH)])
            path = served.page.path % 0
            if (count := served.site.call("GET", path, headers=served.page.headers).count(b'"Person ')) != PAGE:
                raise BenchProblem(f"{served.site.name} answers {path} with {count} people.")
        yield everyone


def _make_s(served: Served, people: Sequence[Person]) -> float:
    """How long it took to make *people* with one request."""
    parcel = served.parcel(people)
    started = time.perf_counter()
    answer = served.site.call("POST", parcel.path, parcel.body, parcel.headers)
    took_s = time.perf_counter() - started
    if (count := answer.count(b'"Person ')) != len(people):
        raise BenchProblem(f"{served.site.name} made {count} of {len(people)} people.")
    return took_s


def sets(bench: Bench) -> None:
    """A small set and a large one: entities by key, by an index, and without one; and memory after it all."""
    with bench.started(alveary) as unit:
        time.sleep(SETTLE_S)
        idle_mib = unit.process.pss_mib()
        sizes = {SMALL_SET: PEOPLE, LARGE_SET: bench.scale.large_set}
        orders: dict[str, list[tuple[Site, Order]]] = {"set_get": [], "set_filter": []}
        for cell, (name, entities) in enumerate(sizes.items()):
            site = _imported(bench, replace(unit, name=name), f"cell-{cell}", entities)
            for line, order in _set_orders(site, entities).items():
                requests_per_s(site, order, WARM_UP_S)
                orders[line].append((site, order))
            for took_s in _scans_s(site, entities):
                bench.note("set_scan", site, took_s * 1000)
            time.sleep(SETTLE_S)
            bench.note("set_memory", site, site.process.pss_mib() - idle_mib)
        for line, those in orders.items():
            for site, order in bench.turns(those):
                bench.note(line, site, CONNECTIONS / requests_per_s(site, order, bench.scale.load_s) * 1000)


def _imported(bench: Bench, unit: Site, cell: str, entities: int) -> Site:
    """The set of that many entities in a new cell of *unit*."""
    give(bench, unit, cell, Archive(0, entities))
    job_s(unit, f"/{cell}/__import", GIVEN)
    return replace(unit, root=f"/{cell}/box/odata/Item")


def _set_orders(site: Site, entities: int) -> dict[str, Order]:
    """By line: entities from all over the set by key, and those with one value of a property that a hundredth has."""
    item, share = f"{site.root}('item%08d')", f"{site.root}?$filter=Share%%20eq%%20%d.5d&$top={PAGE}"
    return {
        "set_get": Order("GET", item, PEOPLE, entities // PEOPLE, headers=_ACCEPT),
        "set_filter": Order("GET", share, SHARES, headers=_ACCEPT),
    }


def _scans_s(site: Site, entities: int) -> Iterator[float]:
    """How long filters took that pass one entity at most, each by a property that was not in a filter before."""
    last = entities - 1
    for where, passing in ((f"Count eq {last}", 1), (f"Title eq '{item_title(last)}'", 1), ("Done eq false", 0)):
        started = time.perf_counter()
        answer = site.call("GET", f"{site.root}?$filter={quote(where)}", headers=_ACCEPT)
        yield time.perf_counter() - started
        if (count := len(json.loads(answer)["d"]["results"])) != passing:
            raise BenchProblem(f"{count} entities pass {where}.")
        _await_index(site)


def _await_index(site: Site) -> None:
    """Write, which happens after an index is made that an earlier query wants."""
    site.call("MERGE", f"{site.root}('{item_key(0)}')", json.dumps({"Count": 0}).encode(), _JSON)


def parse(bench: Bench) -> None:
    """A filter is parsed, without a server."""
    properties = (ID_PROPERTY, *(Property(name, kind, nullable=True) for name, kind in _TYPES.items()))
    people = EntitySet("Person", NAMESPACE, EntityKind.USER_DATA, (ID,), properties, type_id="person")
    limits = Limits()
    for _ in range(bench.scale.rounds):
        took_s = timeit(lambda: parse_filter(_FILTER, people, limits, str), number=_PARSES)
        bench.notes["odata_parse"][ALVEARY].append(took_s / _PARSES * 1000)


ODATA_EXPERIMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "odata_create": create,
    "odata_read": read,
    "odata_batch": batch,
    "odata_sets": sets,
    "odata_parse": parse,
}
