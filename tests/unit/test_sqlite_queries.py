"""What only the adapter on SQLite does with queries: indexes that come by themselves, tallies, bounds, old files."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from alveary.adapters.sqlite.indexes import LARGE_SET
from alveary.errors import QUERY_TOO_LONG, Refusal
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, EntityKind
from alveary.model.keep import FamilyState, LoginHistory
from alveary.model.locks import Lock, LockScope
from alveary.model.queries import (
    All,
    Along,
    Call,
    Column,
    Compare,
    Comparison,
    Direction,
    Expression,
    Holds,
    Literal,
    Order,
    Query,
    Source,
)
from tests.stores import HandClock, Unit, eventually, new_id, on_sqlite, open_registry

SCOPE = "type-of_people"
NUMBER = Column(EdmType.INT32, path=("P001",))
TEXT = Column(EdmType.STRING, path=("P002",))
INNER = Column(EdmType.DOUBLE, path=("C001", "P003"))
TAGS = Column(EdmType.STRING, path=("P004",), is_list=True)
KEY = Column(EdmType.STRING, Source.KEY)


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with on_sqlite(tmp_path) as opened:
        yield opened


def person(number: int, scope: str = SCOPE, **fields: Any) -> Entity:
    values = {"P001": number, "P002": f"text {number:05}", "C001": {"P003": number / 4}, "P004": [str(number)]}
    return Entity(new_id(), EntityKind.USER_DATA, scope, f"key{number:05}", 1, number, number, values, **fields)


async def fill(unit: Unit, count: int, scope: str = SCOPE) -> None:
    """An entity type of that id, and so many entities of it."""

    async def act(tx: Any) -> None:
        await tx.entities.save(Entity(scope, EntityKind.ENTITY_TYPE, "node", scope, 1, 1, 1, node="node"))
        for number in range(count):
            await tx.entities.add(person(number, scope, node="node"))

    await unit.write(act)


def people(**parts: Any) -> Query:
    return Query(EntityKind.USER_DATA, scope=SCOPE, **parts)


def compared(column: Column, comparison: str, value: Any) -> Compare:
    return Compare(Comparison(comparison), column, Literal(value))


async def found(unit: Unit, query: Query) -> list[str]:
    return [each.key for each in await unit.contents.look(lambda tx: tx.entities.query(query))]


async def indexes(unit: Unit) -> list[str]:
    async def ask(tx: Any) -> list[str]:
        query = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'property%' ORDER BY rowid"
        return [name for (name,) in tx.connection.execute(query)]

    return list(await unit.read(ask))


def wanted(unit: Unit) -> bool:
    contents: Any = unit.contents
    return bool(contents.marks.indexes.wanted)


async def made(unit: Unit) -> list[str]:
    """The indexes there are, once none is wanted any more."""
    await eventually(lambda: not wanted(unit))
    return await indexes(unit)


@contextmanager
def traced(connection: Any) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run within the block, with their bindings."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    connection.exec_trace = note
    try:
        yield statements
    finally:
        connection.exec_trace = None


async def plan(unit: Unit, query: Query, *, counted: bool = False) -> str:
    """How SQLite goes about the very statement that *query* becomes."""

    async def ask(tx: Any) -> str:
        with traced(tx.connection) as statements:
            await (tx.entities.matching(query) if counted else tx.entities.query(query))
        ((sql, bindings),) = [each for each in statements if " FROM entity " in each[0]]
        return "\n".join(row[-1] for row in tx.connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings))

    return str(await unit.read(ask))


NARROWED: dict[str, tuple[Expression, str, list[int]]] = {
    "equal": (compared(NUMBER, "eq", 7), "P001", [7]),
    "a range": (compared(NUMBER, "lt", 2), "P001", [0, 1]),
    "a text": (compared(TEXT, "ge", "text 00998"), "P002", [998, 999]),
    "a value within": (compared(INNER, "eq", 2.5), "C001.P003", [10]),
    "a beginning": (Holds(Call("startswith", (TEXT, Literal("text 0001")))), "P002", list(range(10, 20))),
    "the first of several": (
        All((compared(KEY, "ne", "x"), compared(NUMBER, "gt", 997), compared(TEXT, "ne", "y"))),
        "P001",
        [998, 999],
    ),
}


class TestIndexes:
    @pytest.mark.parametrize("name", NARROWED)
    async def test_what_a_large_set_is_filtered_by_gets_one_by_itself(self, unit: Unit, name: str) -> None:
        where, path, numbers = NARROWED[name]
        await fill(unit, LARGE_SET)
        query = people(where=where)
        assert "property" not in await plan(unit, query)
        expected = [f"key{number:05}" for number in numbers]
        assert await found(unit, query) == expected
        assert await made(unit) == [f"property_{SCOPE}.{path}"]
        for counted in (False, True):
            found_by = await plan(unit, query, counted=counted)
            assert f"USING INDEX property_{SCOPE}.{path} (<expr>" in found_by
            if name == "equal":  # of a million of one moment, as an import brings them, no page sorts any
                assert "TEMP B-TREE" not in found_by
        assert await found(unit, query) == expected

    @pytest.mark.parametrize("descending", [False, True])
    async def test_what_a_large_set_is_sorted_by_gets_one_by_itself(self, unit: Unit, descending: bool) -> None:
        await fill(unit, LARGE_SET)
        await unit.write(lambda tx: tx.entities.save(replace(person(LARGE_SET), values={})))
        query = people(order=(Order(TEXT, descending),), top=3, skip=1)
        expected = ["key00998", "key00997", "key00996"] if descending else ["key00001", "key00002", "key00003"]
        assert await found(unit, query) == expected
        assert await made(unit) == [f"property_{SCOPE}.P002"]
        assert f"USING INDEX property_{SCOPE}.P002" in await plan(unit, query)
        assert await found(unit, query) == expected
        assert await found(unit, replace(query, skip=LARGE_SET)) == [f"key{LARGE_SET:05}"]

    async def test_it_follows_what_is_written_afterwards(self, unit: Unit) -> None:
        await fill(unit, LARGE_SET)
        query = people(where=compared(NUMBER, "eq", 7))
        (old,) = await unit.contents.look(lambda tx: tx.entities.query(query))
        await made(unit)
        await unit.write(lambda tx: tx.entities.save(replace(old, version=2, values={"P001": 8})))
        assert await found(unit, query) == []
        assert await found(unit, people(where=compared(NUMBER, "eq", 8))) == ["key00007", "key00008"]
        await unit.write(lambda tx: tx.entities.remove(old.id))
        assert await found(unit, people(where=compared(NUMBER, "eq", 8))) == ["key00008"]

    async def test_a_write_that_asks_wants_one_too(self, unit: Unit) -> None:
        await fill(unit, LARGE_SET)
        await unit.write(lambda tx: tx.entities.query(people(where=compared(NUMBER, "eq", 7), top=2)))
        assert await made(unit) == [f"property_{SCOPE}.P001"]

    async def test_a_set_that_is_not_large_gets_none(self, unit: Unit) -> None:
        await fill(unit, LARGE_SET - 1)
        query = people(where=compared(NUMBER, "eq", 7))
        assert await found(unit, query) == ["key00007"]
        assert not wanted(unit)
        await unit.write(lambda tx: tx.entities.add(person(LARGE_SET)))
        await found(unit, query)
        assert len(await made(unit)) == 1

    @pytest.mark.parametrize(
        "query",
        [
            people(),
            people(where=compared(NUMBER, "ne", 7)),
            people(where=compared(KEY, "eq", "key00007")),
            people(where=compared(TAGS, "eq", None)),
            people(where=Holds(Call("endswith", (TEXT, Literal("7"))))),
            people(order=(Order(KEY),)),
            people(where=compared(NUMBER, "eq", 7), along=Along("x", "y", Direction.TO)),
            Query(EntityKind.USER_DATA, where=compared(NUMBER, "eq", 7)),
            Query(EntityKind.ENTITY_TYPE, scope="node", where=compared(TEXT, "eq", "x")),
        ],
    )
    async def test_a_query_that_none_would_serve_wants_none(self, unit: Unit, query: Query) -> None:
        await fill(unit, LARGE_SET)
        await found(unit, query)
        assert not wanted(unit)

    async def test_no_more_are_made_than_may_be(self, unit: Unit) -> None:
        await fill(unit, LARGE_SET)
        for number in range(66):
            column = Column(EdmType.STRING, path=(f"P{number:03}",))
            await found(unit, people(where=compared(column, "eq", "x")))
        assert len(await made(unit)) == 64

    async def test_contents_that_are_locked_get_theirs_later(self, unit: Unit) -> None:
        await fill(unit, LARGE_SET)
        query = people(where=compared(NUMBER, "eq", 7))
        contents: Any = unit.contents
        async with unit.store.lock(unit.cell, "cell import"):
            assert await found(unit, query) == ["key00007"]
            await eventually(lambda: contents._tending is None)
            assert wanted(unit)
            assert await indexes(unit) == []
        await found(unit, query)
        assert await made(unit) == [f"property_{SCOPE}.P001"]

    async def test_a_store_stays_open_until_its_index_is_made(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path, open_cells=1) as unit:
            other = await unit.make_cell("other")
            await fill(unit, LARGE_SET)
            contents: Any = unit.contents
            await eventually(lambda: not contents.database.busy)
            await found(unit, people(where=compared(NUMBER, "eq", 7)))
            unit.store.contents(other)
            await eventually(lambda: contents._tending is None)
            assert not wanted(unit)
            assert await indexes(unit) == [f"property_{SCOPE}.P001"]

    async def test_an_end_does_not_wait_for_an_index(self, tmp_path: Path) -> None:
        problems: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, 3 * LARGE_SET)
            await found(unit, people(words=("text",), top=1))
        await asyncio.sleep(0)
        gc.collect()
        assert problems == []

    async def test_it_is_there_after_the_next_start_unless_its_type_has_gone(self, tmp_path: Path) -> None:
        gone, query = "gone-type", people(where=compared(NUMBER, "eq", 7))
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, LARGE_SET)
            await fill(unit, LARGE_SET, gone)
            for each in (query, replace(query, scope=gone)):
                await found(unit, each)
                await made(unit)
            await unit.write(lambda tx: tx.entities.remove(gone))
            assert await indexes(unit) == [f"property_{SCOPE}.P001", f"property_{gone}.P001"]
        async with opened_again(tmp_path, unit) as again:
            assert await indexes(again) == [f"property_{SCOPE}.P001"]
            assert f"property_{SCOPE}.P001" in await plan(again, query)
            assert await found(again, query) == ["key00007"]
            assert not wanted(again)


class opened_again:  # noqa: N801 - used as a function is
    """The unit after a restart over the same folder."""

    def __init__(self, folder: Path, unit: Unit) -> None:
        self._registry = open_registry(folder, HandClock())
        self._unit = replace(unit, registry=self._registry, store=self._registry.store)

    async def __aenter__(self) -> Unit:
        return self._unit

    async def __aexit__(self, *_: object) -> None:
        await self._registry.close()


LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n"


async def _many_short_ones(tx: Any) -> None:
    for _ in range(300_000):
        tx.connection.execute("SELECT 1")


async def _one_remembered_often(tx: Any) -> None:
    for _ in range(1_000_000):
        assert await tx.entities.find(EntityKind.ROLE, "", "key")


async def _long_functions(tx: Any) -> None:
    numbers = "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30)"
    tx.connection.execute(f"{numbers} SELECT count(odata_toupper(? || x)) FROM n", ("あt" * 500_000,))


class TestLongQueries:
    async def test_what_is_brief_stays_on_the_thread_of_the_loop(self, unit: Unit) -> None:
        threads: list[threading.Thread] = []

        async def brief(tx: Any) -> int:
            threads.append(threading.current_thread())
            return int(await tx.entities.count(EntityKind.ROLE))

        assert await unit.contents.look(brief) == 0
        assert threads == [threading.current_thread()]

    async def test_what_is_long_leaves_it_and_begins_again(self, unit: Unit) -> None:
        threads: list[threading.Thread] = []

        async def long(tx: Any) -> int:
            threads.append(threading.current_thread())
            return int(tx.connection.execute(LONG).get)

        looking = asyncio.create_task(unit.contents.look(long))
        await asyncio.sleep(0)
        assert not looking.done()
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 0  # others are served meanwhile
        assert await looking == 1_000_000
        here = threading.current_thread()
        assert [each is here for each in threads] == [True, False]

    async def test_what_is_slow_in_few_steps_leaves_it_too(self, unit: Unit) -> None:
        threads: list[threading.Thread] = []
        await fill(unit, 4 * LARGE_SET)

        async def search(tx: Any) -> int:
            threads.append(threading.current_thread())
            return int(await tx.entities.matching(people(words=("text",))))

        assert await unit.contents.look(search) == 4 * LARGE_SET
        here = threading.current_thread()
        assert [each is here for each in threads] == [True, False]

    @pytest.mark.parametrize(
        "slow", [_many_short_ones, _one_remembered_often, _long_functions], ids=lambda each: each.__name__
    )
    async def test_what_no_single_step_shows_to_be_slow_leaves_it_and_ends_in_time(
        self, tmp_path: Path, slow: Callable[[Any], Awaitable[None]]
    ) -> None:
        async with on_sqlite(tmp_path, query_s=0.02) as unit:
            await unit.write(lambda tx: tx.entities.save(Entity("role", EntityKind.ROLE, "", "key", 1, 1, 1)))
            threads: list[threading.Thread] = []

            async def look(tx: Any) -> None:
                threads.append(threading.current_thread())
                await slow(tx)

            with pytest.raises(Refusal) as caught:
                await unit.contents.look(look)
            assert caught.value.kind is QUERY_TOO_LONG
            here = threading.current_thread()
            assert [each is here for each in threads] == [True, False]

    async def test_what_takes_too_long_is_refused_and_harms_nothing(self, tmp_path: Path) -> None:
        async def long(tx: Any) -> int:
            return int(tx.connection.execute(LONG).get)

        async with on_sqlite(tmp_path, query_s=0) as unit:
            for _ in range(2):
                with pytest.raises(Refusal) as caught:
                    await unit.contents.look(long)
                assert caught.value.kind is QUERY_TOO_LONG
            # The bound is of lists alone, and whoever comes next is as free as ever.
            for run in (unit.read, unit.contents.scan, unit.write):
                assert await run(long) == 1_000_000
            await fill(unit, 3)
            assert await found(unit, people(order=(Order(NUMBER, descending=True),))) == [
                "key00002",
                "key00001",
                "key00000",
            ]


async def counts(unit: Unit, scope: str = SCOPE) -> tuple[int, int]:
    """How many entities the tally says there are, and how many there are."""
    query = Query(EntityKind.USER_DATA, scope=scope)

    async def ask(tx: Any) -> tuple[int, int]:
        return await tx.entities.matching(query), len(await tx.entities.query(query))

    told: tuple[int, int] = await unit.read(ask)
    return told


class TestTally:
    async def test_it_is_told_without_counting(self, unit: Unit) -> None:
        await fill(unit, 3)

        async def ask(tx: Any) -> list[str]:
            with traced(tx.connection) as statements:
                assert await tx.entities.matching(people()) == 3
            return [sql for sql, _ in statements if sql != "BEGIN"]

        assert await unit.read(ask) == ["SELECT count FROM tally WHERE scope = ?"]

    async def test_it_follows_every_change(self, unit: Unit) -> None:
        await fill(unit, 3)
        await fill(unit, 2, "another")
        one, again = person(7), person(7)
        for act, expected in (
            (lambda tx: tx.entities.save(one), 4),
            (lambda tx: tx.entities.save(replace(one, version=2, values={})), 4),
            (lambda tx: tx.entities.save(replace(one, version=3, key="renamed")), 4),
            (lambda tx: tx.entities.add(one), 4),
            (lambda tx: tx.entities.add(again), 5),
            (lambda tx: tx.entities.add(replace(again, id=new_id())), 5),
            (lambda tx: tx.entities.remove(one.id), 4),
            (lambda tx: tx.entities.remove(one.id), 4),
            (lambda tx: tx.entities.remove("nobody"), 4),
        ):
            await unit.write(act)
            assert await counts(unit) == (expected, expected)
        assert await counts(unit, "another") == (2, 2)
        assert await counts(unit, "nothing") == (0, 0)

    async def test_it_forgets_what_was_taken_back(self, unit: Unit) -> None:
        await fill(unit, 3)

        async def broken(tx: Any) -> None:
            for number in range(7, 9):
                await tx.entities.add(person(number))
            assert await tx.entities.matching(people()) == 5
            raise LookupError

        with pytest.raises(LookupError):
            await unit.write(broken)
        assert await counts(unit) == (3, 3)

    async def test_it_goes_down_with_the_collection_that_is_removed(self, unit: Unit) -> None:
        collection = await unit.make_collection(await unit.main_box(), "odata")

        async def plant(tx: Any) -> None:
            kind = Entity(SCOPE, EntityKind.ENTITY_TYPE, collection.id, "Person", 1, 1, 1, node=collection.id)
            await tx.entities.save(kind)
            for number in range(5):
                await tx.entities.add(person(number, node=collection.id))

        await unit.write(plant)
        await fill(unit, 2, "another")
        assert await counts(unit) == (5, 5)
        await unit.write(lambda tx: tx.nodes.remove(collection.id))
        assert await counts(unit) == (0, 0)
        assert await counts(unit, "another") == (2, 2)

    async def test_new_contents_have_their_own(self, unit: Unit) -> None:
        await fill(unit, 3)

        async def plant(tx: Any) -> None:
            for number in range(5):
                assert await tx.entities.add(person(number))

        async with unit.store.build(unit.cell) as build:
            await build.fill(plant)
            assert await counts(unit) == (3, 3)
            unit.cell = await build.swap()
        assert await counts(unit) == (5, 5)


LATER_THAN = {
    1: (
        "TRIGGER entity_added",
        "TRIGGER entity_removed",
        "TRIGGER word_removed",
        "TABLE tally",
        "TABLE word",
        "TABLE worded",
        "INDEX entity_by_time",
    ),
    2: ("TABLE lock", "TABLE orphan", "INDEX node_of_collection", "TABLE queued", "TABLE backlog"),
    3: ("TABLE upload", "TABLE piece"),
    4: (
        "TABLE usage",
        "TRIGGER node_counted",
        "TRIGGER node_recounted",
        "TRIGGER node_uncounted",
        "TRIGGER entity_counted",
        "TRIGGER entity_uncounted",
        "TRIGGER IF EXISTS piece_counted",
        "TRIGGER IF EXISTS piece_uncounted",
    ),
    5: ("ALTER TABLE piece DROP COLUMN data_key", "ALTER TABLE node DROP COLUMN data_key"),
}
"""What contents of each older format did not have that the next one had."""


def as_format(number: int, database: Path) -> None:
    """Take from contents what that format did not have."""
    connection = apsw.Connection(str(database))
    for what in (each for older in sorted(LATER_THAN, reverse=True) if older >= number for each in LATER_THAN[older]):
        connection.execute(what if what.startswith("ALTER") else f"DROP {what}")
    connection.execute(f"PRAGMA user_version={number}")
    connection.close()


def layout(database: Path) -> tuple[int, list[str]]:
    """The format that a file says it has, and the statements that it was made by."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    made_by = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")]
    version = int(connection.pragma("user_version"))
    connection.close()
    return version, sorted(made_by)


class TestOlderFiles:
    @pytest.mark.parametrize("number", LATER_THAN)
    async def test_contents_of_an_older_format_are_brought_to_this_one_with_a_copy_kept(
        self, tmp_path: Path, number: int
    ) -> None:
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, 5)
            await fill(unit, 2, "another")
            await unit.write(lambda tx: tx.entities.save(Entity(new_id(), EntityKind.ROLE, "", "r", 1, 1, 1)))
        (database,) = (tmp_path / "cells").glob("*/contents/*/db.sqlite")
        now = layout(database)
        as_format(number, database)
        before = layout(database)
        assert before[0] == number
        async with opened_again(tmp_path, unit) as again:
            assert (await counts(again), await counts(again, "another")) == ((5, 5), (2, 2))
            await again.write(lambda tx: tx.entities.add(person(9)))
            assert await counts(again) == (6, 6)
            assert await found(again, people(order=(Order(KEY, descending=True),), top=1)) == ["key00009"]
        assert layout(database) == now
        copy = database.with_name(f"db.format{number}")
        assert layout(copy) == before

    async def test_contents_of_the_second_format_get_a_place_for_locks(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, 2)
        (database,) = (tmp_path / "cells").glob("*/contents/*/db.sqlite")
        now = layout(database)
        as_format(2, database)
        lock = Lock("urn:uuid:1", "box", ("a",), LockScope.SHARED, True, "", "", 10**15)
        async with opened_again(tmp_path, unit) as again:
            assert await counts(again) == (2, 2)
            await again.write(lambda tx: tx.locks.save(lock))
        async with opened_again(tmp_path, unit) as again:
            assert list(await again.read(lambda tx: tx.locks.of("box"))) == [lock]
        assert layout(database) == now
        assert layout(database.with_name("db.format2"))[0] == 2

    async def test_a_keep_of_an_older_format_is_brought_to_this_one_with_a_copy_kept(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path) as unit:
            await unit.keep.write(lambda tx: tx.logins.save("ann", LoginHistory(1, 2, 3)))
        (database,) = (tmp_path / "cells").glob("*/keep/db.sqlite")
        now = layout(database)
        sealed = "ALTER TABLE snapshot DROP COLUMN data_key; ALTER TABLE job DROP COLUMN seal;"
        identity = "DROP TABLE family; DROP TABLE signing_key;"
        for old, less in ((1, sealed + identity), (2, sealed + identity), (3, sealed)):
            connection = apsw.Connection(str(database))
            connection.execute(f"{less} PRAGMA user_version={old}")
            connection.close()
            async with opened_again(tmp_path, unit) as again:
                assert await again.keep.read(lambda tx: tx.logins.find("ann")) == LoginHistory(1, 2, 3)
                await again.keep.write(lambda tx: tx.families.save("f", FamilyState.REVOKED, 1))
            assert layout(database) == now
            assert layout(database.with_name(f"db.format{old}"))[0] == old

    async def test_contents_of_this_format_are_left_alone(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, 2)
        async with opened_again(tmp_path, unit) as again:
            assert await counts(again) == (2, 2)
        assert not list((tmp_path / "cells").rglob("*.format*"))


class TestRememberedAnswers:
    async def test_what_is_asked_now_is_remembered_however_much_was_asked_before(self, unit: Unit) -> None:
        async def ask(query: Query) -> list[Entity]:
            return await unit.contents.look(lambda tx: tx.entities.query(query))

        await fill(unit, 100)
        for most in range(200):
            await ask(people(where=compared(NUMBER, "ge", -most), top=100))
        asked_now = people(top=1)
        (first,) = await ask(asked_now)
        (again,) = await ask(asked_now)
        assert again is first
        await unit.write(lambda tx: tx.entities.save(replace(first, version=2)))
        assert await ask(asked_now) == [replace(first, version=2)]
