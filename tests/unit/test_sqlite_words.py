"""The index of words that a large set gets when it is searched: it finds what a look at every entity would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from alveary.adapters.sqlite.indexes import LARGE_SET
from alveary.adapters.sqlite.words import TABLES, search
from alveary.model.entities import Entity, EntityKind, JsonValue
from alveary.model.queries import Query
from alveary.model.words import holds, tokens
from tests.stores import HandClock, Unit, eventually, new_id, on_sqlite, open_registry

SCOPE = "people"
TEXTS = [
    "The quick brown fox",
    "quick-step, brown!",
    "東京都に住む",
    "京都の fox",
    "ジョン・スミス",
    "ジョン スミス",
    "か\u3099く",
    "Straße STRASSE",
    "a_b 7",
    '"quoted" OR not*',
    "𠮷野家 😀",
]
WORDS = [
    *("quick", "QUICK", "qui", "step", "brown", "brown fox", "quick fox", "fox brown", "b", "a", "7", "7.5", "or"),
    *("東京", "京都", "都", "東", "住む", "京東", "東京都に住む", "・", "ン・ス", "ンス", "スミス", "ジョン", "く"),
    *(
        "か\u3099く",
        "かく",
        "strasse",
        "straße",
        "quick-step",
        "step-quick",
        '"',
        "*",
        "!",
        "NOT",
        "𠮷",
        "𠮷野",
        "😀",
    ),
]


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with on_sqlite(tmp_path) as opened:
        yield opened


def person(number: int, **values: JsonValue) -> Entity:
    found = {"P001": TEXTS[number % len(TEXTS)], "P002": number / 2, **values}
    return Entity(new_id(), EntityKind.USER_DATA, SCOPE, f"k{number:05}", 1, number, number, found, node="node")


async def fill(unit: Unit, people: list[Entity]) -> None:
    async def act(tx: Any) -> None:
        for each in people:
            await tx.entities.add(each)

    await unit.write(act)


def asking(*words: str) -> Query:
    return Query(EntityKind.USER_DATA, scope=SCOPE, words=words)


async def found(unit: Unit, *words: str) -> list[str]:
    return [each.key for each in await unit.contents.look(lambda tx: tx.entities.query(asking(*words)))]


def expected(people: list[Entity], *words: str) -> list[str]:
    return [each.key for each in people if holds(each.values, words)]


def is_made(unit: Unit) -> bool:
    contents: Any = unit.contents
    return bool(contents.marks.words.serves(SCOPE)) and contents._tending is None


async def uses_it(unit: Unit) -> bool:
    """Whether a search asks the index."""
    statements: list[str] = []

    async def ask(tx: Any) -> None:
        tx.connection.exec_trace = lambda _, sql, bindings: statements.append(sql) or True
        try:
            await tx.entities.query(asking("quick"))
        finally:
            tx.connection.exec_trace = None

    await unit.read(ask)
    return any("MATCH" in each for each in statements)


class TestIndexOfWords:
    async def test_it_comes_by_itself_and_finds_what_was_found_before(self, unit: Unit) -> None:
        people = [person(number) for number in range(2 * LARGE_SET + 1)]  # three steps
        await fill(unit, people)
        assert not await uses_it(unit)
        assert await found(unit, "quick") == expected(people, "quick")
        await eventually(lambda: is_made(unit))
        assert await uses_it(unit)
        for word in WORDS:
            words = word.split()
            assert await found(unit, *words) == expected(people, *words), word
            count = await unit.contents.look(lambda tx, words=words: tx.entities.matching(asking(*words)))
            assert count == len(expected(people, *words))

    async def test_it_follows_every_change(self, unit: Unit) -> None:
        people = [person(number) for number in range(LARGE_SET)]
        await fill(unit, people)
        await found(unit, "quick")
        await eventually(lambda: is_made(unit))
        changed, added = replace(people[0], version=2, values={"P001": "zebra"}), person(LARGE_SET, P001="zebra two")
        await unit.write(lambda tx: tx.entities.save(changed))
        await unit.write(lambda tx: tx.entities.save(added))
        await unit.write(lambda tx: tx.entities.remove(people[1].id))
        people = [changed, *people[2:], added]
        for word in ("quick", "zebra", "two", "step"):
            assert await found(unit, word) == expected(people, word)
        await unit.write(lambda tx: tx.entities.remove(added.id))
        await fill(unit, [person(LARGE_SET, P001="lion")])  # in the place of the row that has gone
        assert (await found(unit, "zebra"), await found(unit, "lion")) == (["k00000"], [f"k{LARGE_SET:05}"])

    async def test_what_is_written_while_it_is_made_is_found(self, unit: Unit) -> None:
        people = [person(number) for number in range(3 * LARGE_SET)]
        await fill(unit, people)
        await found(unit, "quick")
        for number in (0, 1_500, 2_999):
            people[number] = replace(people[number], version=2, values={"P001": "zebra"})
            await unit.write(lambda tx, number=number: tx.entities.save(people[number]))
        people.append(person(3 * LARGE_SET, P001="zebra"))
        await unit.write(lambda tx: tx.entities.add(people[-1]))
        await eventually(lambda: is_made(unit))
        for word in ("quick", "zebra"):
            assert await found(unit, word) == expected(people, word)

    async def test_it_goes_on_after_the_next_start(self, tmp_path: Path) -> None:
        people = [person(number) for number in range(3 * LARGE_SET)]
        async with on_sqlite(tmp_path) as unit:
            await fill(unit, people)
            contents: Any = unit.contents

            async def step(tx: Any) -> None:
                contents.marks.words.want(SCOPE)
                assert contents.marks.words.step(tx.connection) is None

            await unit.write(step)  # one of three, and the end comes before the others
        registry = open_registry(tmp_path, HandClock())
        again = replace(unit, registry=registry, store=registry.store)
        assert not await uses_it(again)
        assert await found(again, "quick") == expected(people, "quick")
        await eventually(lambda: is_made(again))
        assert await found(again, "quick", "fox") == expected(people, "quick", "fox")
        await registry.close()
        registry = open_registry(tmp_path, HandClock())
        again = replace(unit, registry=registry, store=registry.store)
        assert await uses_it(again)
        assert await found(again, "quick") == expected(people, "quick")
        await registry.close()

    async def test_who_sees_an_older_state_does_not_ask_it(self, unit: Unit) -> None:
        people = [person(number) for number in range(LARGE_SET)]
        await fill(unit, people)
        begun, go_on = threading.Event(), threading.Event()

        async def slowly(tx: Any) -> list[str]:
            await tx.entities.count(EntityKind.ROLE)  # from here on the state is fixed
            begun.set()
            assert go_on.wait(20)
            return [each.key for each in await tx.entities.query(asking("quick"))]

        scanning = asyncio.create_task(unit.contents.scan(slowly))
        await asyncio.to_thread(begun.wait)
        await found(unit, "quick")
        await eventually(lambda: is_made(unit))
        go_on.set()
        assert await scanning == expected(people, "quick")

    async def test_a_set_that_is_not_large_has_none(self, unit: Unit) -> None:
        people = [person(number) for number in range(LARGE_SET - 1)]
        await fill(unit, people)
        assert await found(unit, "quick") == expected(people, "quick")
        contents: Any = unit.contents
        assert not contents.marks.words.wanted


def test_every_letter_of_every_script_is_found_by_the_index() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(TABLES.partition(";")[0])
    letters = {code: " ".join(tokens(chr(code))) for code in range(0x110000) if code not in range(0xD800, 0xE000)}
    rows = [(code, text) for code, text in letters.items() if text]
    with connection:
        connection.executemany("INSERT INTO word (rowid, text) VALUES (?, ?)", rows)
    sample = [row for row in rows if row[0] < 0x3400 or row[0] % 97 == 0]  # what comes after is nearly all one script
    query = "SELECT 1 FROM word WHERE word MATCH ? AND rowid = ?"
    assert [hex(code) for code, _ in sample if not connection.execute(query, (search([chr(code)]), code)).get] == []
