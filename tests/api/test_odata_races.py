"""Many at once on one OData collection: one wins, nothing is lost, and what was acknowledged is read by everyone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import httpx
import pytest

from tests.odata_site import SCHEMA, Collection, code, ids, prop_path, results
from tests.running import Site

T = TypeVar("T")
WRITERS = 16


@pytest.fixture
def od(cell: Site) -> Collection:
    """A collection with two related types."""
    made = Collection.make(cell)
    made.entity_type("Item", number="Edm.Int32", text="Edm.String")
    made.entity_type("Part")
    return made


def at_once(ask: Callable[[int], T], count: int) -> list[T]:
    """What *ask* answers to each number below *count*, from sixteen threads."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return [*pool.map(ask, range(count))]


def codes(answers: list[httpx.Response]) -> Counter[str]:
    """How often each refusal came, or else each status."""
    return Counter(code(each) if each.status_code >= 400 else str(each.status_code) for each in answers)


class TestCreates:
    def test_of_a_hundred_of_one_id_exactly_one_is_201(self, od: Collection) -> None:
        answers = at_once(lambda number: od.post("Item", {"__id": "one", "number": number}), 100)
        assert codes(answers) == {"201": 1, "PR409-OD-0003": 99}
        (won,) = [results(each) for each in answers if each.status_code == 201]
        assert results(od.get("Item('one')"))["number"] == won["number"]
        assert od.get("Item/$count").text == "1"

    def test_of_a_hundred_of_one_unique_value_exactly_one_is_201(self, od: Collection) -> None:
        od.prop("Item", "mail", UniqueKey="mail")
        answers = at_once(lambda number: od.post("Item", {"mail": "same", "number": number}), 100)
        assert codes(answers) == {"201": 1, "PR409-OD-0003": 99}
        assert od.get("Item/$count").text == "1"

    def test_of_a_hundred_ids_none_is_lost(self, od: Collection) -> None:
        answers = at_once(lambda number: od.post("Item", {"__id": f"i{number}", "number": number}), 100)
        assert codes(answers) == {"201": 100}
        found = results(od.get("Item", top=1000, inlinecount="allpages"))
        assert {each["__id"]: each["number"] for each in found} == {f"i{number}": number for number in range(100)}

    def test_of_a_hundred_of_one_entity_type_exactly_one_is_201(self, od: Collection) -> None:
        answers = at_once(lambda _: od.post(f"{SCHEMA}EntityType", {"Name": "One"}), 100)
        assert codes(answers) == {"201": 1, "PR409-OD-0003": 99}
        assert results(od.get("One")) == []

    def test_of_many_relations_of_two_types_exactly_one_is_made(self, od: Collection) -> None:
        pairs = [(od.end("Item", f"e{number}", "*"), od.end("Part", f"e{number}", "*")) for number in range(WRITERS)]
        answers = at_once(lambda number: od.join(*pairs[number]), WRITERS)
        assert codes(answers) == {"204": 1, "PR409-OD-0006": WRITERS - 1}
        assert od.get("$metadata").text.count("<Association ") == 1


class TestChanges:
    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH", "DELETE"])
    def test_of_sixteen_writers_with_one_etag_exactly_one_wins(self, od: Collection, method: str) -> None:
        for round_ in range(3):
            etag = od.create("Item", __id=f"i{round_}")["__metadata"]["etag"]
            path, headers = f"Item('i{round_}')", {"If-Match": etag}
            answers = at_once(
                lambda number, path=path, headers=headers: od.call(  # type: ignore[misc]
                    method, path, json={"number": number}, headers=headers
                ),
                WRITERS,
            )
            lost = "PR404-OD-0002" if method == "DELETE" else "PR412-OD-0002"
            assert codes(answers) == {"204": 1, lost: WRITERS - 1}
            if method != "DELETE":
                won = [number for number, each in enumerate(answers) if each.status_code == 204]
                assert [results(od.get(path))["number"]] == won

    def test_a_counter_that_all_raise_by_their_etag_loses_nothing(self, od: Collection) -> None:
        od.create("Item", __id="counter", number=0)
        rounds = 5

        def raise_it(_: int) -> int:
            tries = 0
            for _ in range(rounds):
                while True:
                    tries += 1
                    read = od.get("Item('counter')")
                    answer = od.call(
                        "MERGE",
                        "Item('counter')",
                        json={"number": results(read)["number"] + 1},
                        headers={"If-Match": read.headers["etag"]},
                    )
                    if answer.status_code == 204:
                        break
                    assert code(answer) == "PR412-OD-0002"
            return tries

        tries = at_once(raise_it, 8)
        shown = od.get("Item('counter')")
        assert results(shown)["number"] == 8 * rounds
        assert shown.headers["etag"].startswith(f'W/"{8 * rounds + 1}-')
        assert sum(tries) >= 8 * rounds

    def test_merges_of_different_properties_are_all_kept(self, od: Collection) -> None:
        od.create("Item", __id="a")
        for number in range(WRITERS):
            od.prop("Item", f"p{number}", "Edm.Int32")
        answers = at_once(lambda number: od.call("MERGE", "Item('a')", json={f"p{number}": number}), WRITERS)
        assert codes(answers) == {"204": WRITERS}
        assert results(od.get("Item('a')")).items() >= {f"p{number}": number for number in range(WRITERS)}.items()

    def test_one_way_to_one_end_is_taken_once(self, od: Collection) -> None:
        od.relate("Item", "0..1", "Part", "*")
        od.create("Part", __id="p")
        for number in range(WRITERS):
            od.create("Item", __id=f"i{number}")
        answers = at_once(lambda number: od.link(f"Item('i{number}')", "Part('p')"), WRITERS)
        assert codes(answers) == {"204": 1, "PR409-OD-0002": WRITERS - 1}
        (won,) = [number for number, each in enumerate(answers) if each.status_code == 204]
        assert od.related("Part('p')", "_Item") == [f"i{won}"]

    def test_links_to_many_are_all_kept(self, od: Collection) -> None:
        od.relate("Item", "*", "Part", "*")
        od.create("Item", __id="i")
        answers = at_once(lambda number: od.post("Item('i')/_Part", {"__id": f"p{number}"}), 50)
        assert codes(answers) == {"201": 50}
        assert od.get("Item('i')/_Part/$count").text == "50"


class TestReading:
    def test_each_reads_what_was_just_written(self, od: Collection) -> None:
        def write_and_read(number: int) -> None:
            path = f"Item('{od.create('Item', number=number, text='first')['__id']}')"
            assert results(od.get(path))["text"] == "first"
            assert od.call("MERGE", path, json={"text": f"second {number}"}).status_code == 204
            assert results(od.get(path))["text"] == f"second {number}"
            assert len(ids(od.get("Item", filter=f"text eq 'second {number}'"))) == 1
            assert len(ids(od.get("Item", q=f"second {number}", filter=f"number eq {number}"))) == 1
            assert od.call("DELETE", path).status_code == 204
            assert code(od.get(path)) == "PR404-OD-0002"
            assert ids(od.get("Item", filter=f"number eq {number}")) == []

        at_once(write_and_read, 48)
        assert od.get("Item/$count").text == "0"

    def test_a_list_never_holds_half_a_change(self, od: Collection) -> None:
        for name in "abcd":
            od.create("Item", __id=name, number=0, text="0")

        def read_or_write(number: int) -> None:
            if number % 4 == 0:
                name = "abcd"[number // 4 % 4]
                body = {"number": number, "text": str(number)}
                assert od.call("PUT", f"Item('{name}')", json=body).status_code == 204
            else:
                shown = results(od.get("Item", orderby="__id"))
                assert [each["__id"] for each in shown] == [*"abcd"]
                assert all(each["text"] == str(each["number"]) for each in shown)

        at_once(read_or_write, 200)


class TestSchemas:
    def test_a_property_that_many_bring_at_once_is_declared_once(self, od: Collection) -> None:
        answers = at_once(lambda number: od.post("Item", {"__id": f"i{number}", "dynamic": number}), 100)
        assert codes(answers) == {"201": 100}
        assert od.get(f"{SCHEMA}Property/$count", filter="Name eq 'dynamic'").text == "1"
        found = results(od.get("Item", top=1000))
        assert {each["__id"]: each["dynamic"] for each in found} == {f"i{number}": number for number in range(100)}

    def test_each_may_bring_its_own(self, od: Collection) -> None:
        answers = at_once(lambda number: od.post("Item", {"__id": f"i{number}", f"d{number}": f"v{number}"}), 64)
        assert codes(answers) == {"201": 64}
        for each in results(od.get("Item", top=1000)):
            number = each["__id"][1:]
            values = {name: value for name, value in each.items() if name.startswith("d") and value is not None}
            assert values == {f"d{number}": f"v{number}"}

    def test_of_two_types_that_come_at_once_one_wins_for_all(self, od: Collection) -> None:
        answers = at_once(lambda number: od.post("Item", {"mixed": number if number % 2 else f"text {number}"}), 32)
        kind = results(od.get(prop_path("Item", "mixed")))["Type"]
        found = codes(answers)
        if kind == "Edm.Double":
            assert found == {"201": 16, "PR400-OD-0006": 16}
        else:
            assert (kind, found) == ("Edm.String", {"201": 32})
        types = {type(each["mixed"]) for each in results(od.get("Item", top=1000))}
        assert len(types) == 1

    def test_declaring_and_bringing_one_name_makes_one_property(self, od: Collection) -> None:
        body = {"Name": "both", "_EntityType.Name": "Item", "Type": "Edm.String"}

        def ask(number: int) -> httpx.Response:
            return od.post(f"{SCHEMA}Property", body) if number % 4 == 0 else od.post("Item", {"both": f"v{number}"})

        found = codes(at_once(ask, 40))
        assert found["201"] in {30, 31}
        assert found["PR409-OD-0003"] == 40 - found["201"]
        assert od.get(f"{SCHEMA}Property/$count", filter="Name eq 'both'").text == "1"
        assert all(each["both"].startswith("v") for each in results(od.get("Item", top=1000)))

    def test_a_type_goes_or_gets_data_but_not_both(self, od: Collection) -> None:
        for round_ in range(10):
            od.entity_type("Fleeting")
            barrier = Barrier(2)

            def ask(number: int, barrier: Barrier = barrier) -> httpx.Response:
                barrier.wait(10)
                if number:
                    return od.call("DELETE", f"{SCHEMA}EntityType('Fleeting')")
                return od.post("Fleeting", {"__id": "x"})

            gone, made = reversed(at_once(ask, 2))
            outcome = (gone.status_code, made.status_code)
            assert outcome in {(204, 404), (409, 201)}, round_
            if outcome == (204, 404):
                assert code(od.get("Fleeting")) == "PR404-OD-0001"
                continue
            assert od.call("DELETE", "Fleeting('x')").status_code == 204
            assert od.call("DELETE", f"{SCHEMA}EntityType('Fleeting')").status_code == 204

    def test_a_rename_mixes_up_no_values(self, od: Collection) -> None:
        od.prop("Item", "one", "Edm.String")
        od.create("Item", __id="a", one="first")
        names = ["one", "two"]

        def ask(number: int) -> None:
            if number % 5 == 0:
                old, new = names[number // 5 % 2], names[(number // 5 + 1) % 2]
                body = {"Name": new, "_EntityType.Name": "Item", "Type": "Edm.String"}
                assert od.call("PUT", prop_path("Item", old), json=body).status_code in {204, 404}
            else:
                shown = results(od.get("Item('a')"))
                assert [shown[name] for name in names if name in shown] == ["first"]

        at_once(ask, 100)
