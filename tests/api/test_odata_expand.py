"""``$expand``: related entities in the place of their links, also further on; how many, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.odata_site import VERBOSE, Collection, asking, code, ids, results, shop
from tests.running import RunningUnit, running


def stock(od: Collection) -> Collection:
    """Persons ``a`` with two orders and a card and ``b`` without; products in both orders."""
    od.create("Person", __id="a", name="花子", address={"city": "京都", "geo": {"lat": 1.5}}, tags=["x"])
    od.create("Person", __id="b", name="次郎")
    for name in ("o1", "o2"):
        od.create("Order", __id=name, number=int(name[1]), note="n")
        assert od.link("Person('a')", f"Order('{name}')").status_code == 204
    for name in ("p1", "p2", "p3"):
        od.create("Product", __id=name, title=name)
    for order, product in [("o1", "p1"), ("o1", "p2"), ("o2", "p2"), ("o2", "p3")]:
        assert od.link(f"Order('{order}')", f"Product('{product}')").status_code == 204
    od.create("Card", __id="c", number="1")
    assert od.link("Person('a')", "Card('c')").status_code == 204
    return od


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """That stock, which tests only read."""
    return stock(shop(unit.cell()))


def names(related: list[dict[str, Any]]) -> set[str]:
    return {each["__id"] for each in related}


class TestExpanding:
    def test_without_it_all_ways_are_deferred(self, od: Collection) -> None:
        for shown in (results(od.get("Person('b')")), results(od.get("Person", orderby="__id desc"))[0]):
            for way in ("_Order", "_Card"):
                assert shown[way] == {"__deferred": {"uri": f"{od.url}Person('b')/{way}"}}

    @pytest.mark.parametrize(
        ("path", "way", "found"),
        [
            ("Person('a')", "_Order", {"o1", "o2"}),
            ("Person('b')", "_Order", set()),
            ("Person('a')", "_Card", {"c"}),
            ("Person('b')", "_Card", set()),
            ("Order('o1')", "_Person", {"a"}),
            ("Order('o1')", "_Product", {"p1", "p2"}),
            ("Product('p2')", "_Order", {"o1", "o2"}),
            ("Card('c')", "_Person", {"a"}),
        ],
    )
    def test_related_entities_are_a_list_whatever_the_multiplicity(
        self, od: Collection, path: str, way: str, found: set[str]
    ) -> None:
        assert names(results(od.get(path, expand=way))[way]) == found
        entity_set, _, key = path.partition("('")
        listed = results(od.get(entity_set, expand=way, filter=f"__id eq '{key[:-2]}'"))
        assert names(listed[0][way]) == found

    def test_they_are_whole(self, od: Collection) -> None:
        (person,) = results(od.get("Order('o1')", expand="_Person"))["_Person"]
        assert person == results(od.get("Person('a')"))
        assert person["address"] == {"city": "京都", "zip": None, "geo": {"lat": 1.5, "place": None}}

    def test_select_takes_nothing_from_them(self, od: Collection) -> None:
        shown = results(od.get("Order('o1')", expand="_Person", select="__id"))
        assert "note" not in shown
        assert shown["_Person"] == [results(od.get("Person('a')"))]
        listed = results(od.get("Order", expand="_Person", select="number", orderby="__id"))
        assert [each["_Person"] for each in listed] == [[results(od.get("Person('a')"))]] * 2

    @pytest.mark.parametrize("select", ["_Card", "name,_Order"])
    def test_select_keeps_the_ways(self, od: Collection, select: str) -> None:
        shown = results(od.get("Person('a')", expand="_Order", select=select))
        assert names(shown["_Order"]) == {"o1", "o2"}
        assert "__deferred" in shown["_Card"]

    def test_several_ways_at_once(self, od: Collection) -> None:
        shown = results(od.get("Person('a')", expand="_Order,_Card"))
        assert (names(shown["_Order"]), names(shown["_Card"])) == ({"o1", "o2"}, {"c"})
        listed = results(od.get("Person", expand="_Card,_Order", orderby="__id"))
        assert [names(each["_Order"]) for each in listed] == [{"o1", "o2"}, set()]
        assert results(od.get("Person('a')", expand="_Order,_Order")) == results(
            od.get("Person('a')", expand="_Order")
        )

    def test_the_newest_come_first(self, od: Collection) -> None:
        assert [each["__id"] for each in results(od.get("Person('a')", expand="_Order"))["_Order"]] == ["o2", "o1"]

    def test_ways_go_on_in_what_they_lead_to(self, od: Collection) -> None:
        shown = results(od.get("Person('a')", expand="_Order/_Product,_Card"))
        found = {order["__id"]: names(order["_Product"]) for order in shown["_Order"]}
        assert found == {"o1": {"p1", "p2"}, "o2": {"p2", "p3"}}
        assert all("__deferred" in order["_Person"] for order in shown["_Order"])
        back = results(od.get("Card('c')", expand="_Person/_Order/_Product"))
        (person,) = back["_Person"]
        assert {each["__id"] for order in person["_Order"] for each in order["_Product"]} == {"p1", "p2", "p3"}

    def test_a_list_of_related_entities_expands_too(self, od: Collection) -> None:
        listed = results(od.get("Person('a')/_Order", expand="_Product", orderby="__id"))
        assert [names(each["_Product"]) for each in listed] == [{"p1", "p2"}, {"p2", "p3"}]

    def test_in_the_shape_of_v2_one_is_an_object_and_many_have_results(self, od: Collection) -> None:
        asked = asking({"expand": "_Person,_Product"})
        shown = od.call("GET", "Order('o1')", params=asked, headers=VERBOSE).json()["d"]
        assert shown["_Person"]["__id"] == "a"
        assert names(shown["_Product"]["results"]) == {"p1", "p2"}
        alone = od.call("GET", "Person('b')", params=asking({"expand": "_Card,_Order"}), headers=VERBOSE).json()["d"]
        assert (alone["_Card"], alone["_Order"]) == (None, {"results": []})

    def test_what_is_linked_or_not_any_more_shows_at_once(self, unit: RunningUnit) -> None:
        own = stock(shop(unit.cell()))
        own.call("DELETE", "Order('o1')/$links/_Product('p1')")
        own.call("DELETE", "Product('p2')")
        assert names(results(own.get("Order('o1')", expand="_Product"))["_Product"]) == set()
        own.link("Order('o1')", "Product('p3')")
        assert names(results(own.get("Order('o1')", expand="_Product"))["_Product"]) == {"p3"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("bad", "refusal"),
        [
            ("", "PR400-OD-0026"),
            (" ", "PR400-OD-0026"),
            ("Order", "PR400-OD-0026"),
            ("_Order, _Card", "PR400-OD-0026"),
            (" _Order", "PR400-OD-0026"),
            ("_Order,", "PR400-OD-0026"),
            (",_Order", "PR400-OD-0026"),
            ("_Order/", "PR400-OD-0026"),
            ("_Order/Product", "PR400-OD-0026"),
            ("/_Order", "PR400-OD-0026"),
            ("_Order//_Product", "PR400-OD-0026"),
            ("_Order desc", "PR400-OD-0026"),
            ("*", "PR400-OD-0026"),
            ("'_Order'", "PR400-OD-0026"),
            ("_Order;", "PR400-OD-0026"),
            ("_Order($top=1)", "PR400-OD-0026"),
            ("_日本", "PR400-OD-0026"),
            ("_Nothing", "PR400-OD-0025"),
            ("_order", "PR400-OD-0025"),
            ("_Order,_Nothing", "PR400-OD-0025"),
            ("_Product", "PR400-OD-0025"),
            ("_Order/_Nothing", "PR400-OD-0025"),
            ("__id", "PR400-OD-0025"),
        ],
    )
    def test_what_cannot_be_expanded(self, od: Collection, bad: str, refusal: str) -> None:
        for path in ("Person", "Person('a')", "Card('c')/_Person"):
            assert code(od.get(path, expand=bad)) == refusal, path

    def test_it_is_refused_of_an_empty_set_too(self, od: Collection) -> None:
        od.entity_type("Lonely")
        assert code(od.get("Lonely", expand="_Order")) == "PR400-OD-0025"

    def test_a_way_that_is_missing_further_on_is_refused(self, od: Collection) -> None:
        assert code(od.get("Person('a')", expand="_Order/_Product/_Card")) == "PR400-OD-0025"

    def test_of_what_there_is_not_it_is_404(self, od: Collection) -> None:
        assert code(od.get("Person('nobody')", expand="_Order")) == "PR404-OD-0002"


class TestLimits:
    @pytest.mark.parametrize("path", ["Person", "Card('c')/_Person"])
    def test_two_ways_of_a_list_and_ten_of_one_entity(self, od: Collection, path: str) -> None:
        assert od.get(path, expand="_Order,_Card").status_code == 200
        assert od.get(path, expand="_Order/_Product").status_code == 200
        assert code(od.get(path, expand="_Order,_Card,_Nothing")) == "PR400-OD-0039"
        assert code(od.get(path, expand="_Order/_Product,_Card")) == "PR400-OD-0039"
        most = ",".join(f"_N{number}" for number in range(10))
        assert code(od.get("Person('a')", expand=most)) == "PR400-OD-0025"
        assert code(od.get("Person('a')", expand=f"{most},_N10")) == "PR400-OD-0039"

    def test_three_ways_after_one_another(self, od: Collection) -> None:
        assert od.get("Card('c')", expand="_Person/_Order/_Product").status_code == 200
        assert code(od.get("Card('c')", expand="_Person/_Order/_Product/_Order")) == "PR400-OD-0026"

    def test_a_list_that_expands_takes_100_at_most(self, od: Collection) -> None:
        assert od.get("Person", expand="_Order", top=100).status_code == 200
        assert code(od.get("Person", expand="_Order", top=101)) == "PR400-OD-0029"
        assert od.get("Person", top=101).status_code == 200
        assert code(od.get("Card('c')/_Person", expand="_Order", top=101)) == "PR400-OD-0029"

    @pytest.fixture(scope="class")
    @staticmethod
    def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
        most = {"list_max": 2, "retrieve_max": 3, "top_max": 2, "total_max": 6}
        options = {f"limits.expand_{name}": value for name, value in most.items()}
        with running(tmp_path_factory.mktemp("expand") / "data", **options) as unit:
            made = shop(unit.cell())
            for name in ("a", "b", "c"):
                made.create("Person", __id=name)
            for number in range(4):
                made.create("Order", __id=f"o{number}")
                made.link("Person('a')", f"Order('o{number}')")
                made.create("Product", __id=f"p{number}")
                made.link("Order('o0')", f"Product('p{number}')")
            yield made

    def test_the_newest_of_related_entities_are_shown(self, narrow: Collection) -> None:
        shown = results(narrow.get("Person('a')", expand="_Order"))["_Order"]
        assert [each["__id"] for each in shown] == ["o3", "o2", "o1"]
        listed = results(narrow.get("Person", expand="_Order", filter="__id eq 'a'"))[0]["_Order"]
        assert [each["__id"] for each in listed] == ["o3", "o2"]
        assert len(results(narrow.get("Order('o0')", expand="_Product"))["_Product"]) == 3

    def test_the_page_of_a_list_that_expands_is_shorter_and_goes_on(self, narrow: Collection) -> None:
        first = narrow.get("Person", expand="_Order")
        assert ids(first) == ["a", "b"]
        assert "__next" in first.json()["d"]
        assert ids(narrow.get("Person")) == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("path", "within", "beyond"),
        [
            ("Order('o0')", "_Product/_Order", "_Product/_Order,_Person"),
            ("Person('a')", "_Order/_Person", "_Order/_Person/_Order"),
        ],
    )
    def test_all_that_is_expanded_in_one_answer_is_bounded(
        self, narrow: Collection, path: str, within: str, beyond: str
    ) -> None:
        assert narrow.get(path, expand=within).status_code == 200
        refused = narrow.get(path, expand=beyond)
        assert code(refused) == "PR400-OD-0039"
        assert "6 related entities" in refused.text


def test_an_answer_with_many_entities_is_as_one_with_few(unit: RunningUnit) -> None:
    od = shop(unit.cell())
    od.create("Person", __id="a")
    for number in range(600):
        od.post("Person('a')/_Order", {"__id": f"o{number:03}", "number": number})
    listed = results(od.get("Order", top=600))
    assert [each["__id"] for each in listed] == [f"o{number:03}" for number in range(600)]
    assert listed == results(od.get("Order", top=500)) + results(od.get("Order", skip=500, top=100))
    related = results(od.get("Person('a')", expand="_Order"))["_Order"]
    assert sorted(related, key=lambda each: each["__id"]) == listed
    assert od.get("Order", top=600, format="atom").text.count("<entry") == 600
    assert len(results(od.get("Person('a')/$links/_Order", top=600))) == 600
