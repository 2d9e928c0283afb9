"""Lists of user data: their order, their parts and pages, what is shown, counted and searched; single values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.odata_site import JSON, Collection, code, follow, ids, names_field, results, shop
from tests.running import RunningUnit, running

COUNT = 23
NAMES = [f"i{number:02}" for number in range(COUNT)]


def values_of(number: int) -> dict[str, Any]:
    """Values with many ties and nulls among them."""
    return {
        "s": None if number % 5 == 0 else f"s{number % 3}",
        "i": None if number % 7 == 0 else number % 4 - 2,
        "d": None if number % 4 == 0 else (number % 3) / 3,
        "b": None if number % 3 == 0 else number % 2 == 0,
        "m": None if number % 6 == 0 else f"/Date({(number % 2) * 1000})/",
        "address": {"city": None if number % 2 else f"c{number % 4}"},
    }


def declare(collection: Collection) -> Collection:
    collection.complex_type("Address", city="Edm.String")
    collection.entity_type(
        "Item",
        s="Edm.String",
        i="Edm.Int32",
        d="Edm.Double",
        b="Edm.Boolean",
        m="Edm.DateTime",
        address="Address",
        ss="List Edm.String",
    )
    for number, name in enumerate(NAMES):
        collection.create("Item", __id=name, **values_of(number))
    return collection


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """Items ``i00`` to ``i22``, in the order of their making."""
    return declare(Collection.make(unit.cell()))


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """The same in a unit whose pages are short."""
    with running(tmp_path_factory.mktemp("paged") / "data", **{"limits.top_default": 4}) as unit:
        yield declare(Collection.make(unit.cell()))


class TestTopAndSkip:
    @pytest.mark.parametrize(
        ("options", "found"),
        [
            ({"top": 3}, NAMES[:3]),
            ({"skip": 20}, NAMES[20:]),
            ({"top": 3, "skip": 2}, NAMES[2:5]),
            ({"top": 0}, []),
            ({"top": 10_000}, NAMES),
            ({"skip": 0}, NAMES),
            ({"skip": COUNT}, []),
            ({"skip": 100_000}, []),
            ({"top": 5, "skip": 20}, NAMES[20:]),
        ],
    )
    def test_they_take_a_part_in_the_order_of_making(
        self, od: Collection, options: dict[str, int], found: list[str]
    ) -> None:
        assert ids(od.get("Item", **options)) == found

    @pytest.mark.parametrize("name", ["top", "skip"])
    @pytest.mark.parametrize("bad", ["", " ", "x", "1.5", "1e2", "0x1", "true", "null", "'1'", "1 ", "\u0661", "--1"])
    def test_what_is_no_number_is_refused(self, od: Collection, name: str, bad: str) -> None:
        assert code(od.get("Item", **{name: bad})) == "PR400-OD-0036"

    @pytest.mark.parametrize(
        ("name", "bad"),
        [("top", -1), ("top", 10_001), ("skip", -1), ("skip", 100_001), ("top", 2**31), ("skip", 2**31)],
    )
    def test_what_is_out_of_range_is_refused(self, od: Collection, name: str, bad: int) -> None:
        answer = od.get("Item", **{name: bad})
        assert code(answer) == "PR400-OD-0029"
        assert names_field(answer, f"${name}") and names_field(answer, str(bad))

    @pytest.mark.parametrize("bad", [2**63, 2**64, 10**100])
    @pytest.mark.parametrize("name", ["top", "skip"])
    def test_a_huge_number_is_refused(self, od: Collection, name: str, bad: int) -> None:
        assert code(od.get("Item", **{name: bad})) in {"PR400-OD-0029", "PR400-OD-0036"}


class TestInlineCount:
    def test_it_counts_all_whatever_part_is_shown(self, od: Collection) -> None:
        answer = od.get("Item", inlinecount="allpages", top=2, skip=5)
        assert answer.json()["d"]["__count"] == str(COUNT)
        assert od.get("Item", inlinecount="allpages", top=0).json()["d"] == {"results": [], "__count": str(COUNT)}
        filtered = od.get("Item", inlinecount="allpages", filter="s eq 's1'", top=1)
        assert filtered.json()["d"]["__count"] == str(sum(values_of(each)["s"] == "s1" for each in range(COUNT)))

    @pytest.mark.parametrize("options", [{}, {"inlinecount": "none"}])
    def test_without_it_there_is_no_count(self, od: Collection, options: dict[str, str]) -> None:
        assert "__count" not in od.get("Item", **options).json()["d"]

    @pytest.mark.parametrize("bad", ["", "AllPages", "ALLPAGES", "None", "true", "all", "allpages "])
    def test_any_other_word_is_refused(self, od: Collection, bad: str) -> None:
        assert code(od.get("Item", inlinecount=bad)) == "PR400-OD-0013"


def expected(order: str) -> list[str]:
    """The names in that order: nulls last either way, then in the order of making."""
    rows = [(name, {**values_of(number), "__id": name}) for number, name in enumerate(NAMES)]
    for part in reversed([each for each in order.split(",") if each]):
        path, _, way = part.strip().partition(" ")
        steps = path.split("/")

        def value(row: tuple[str, Any], steps: list[str] = steps) -> Any:
            found: Any = row[1]
            for step in steps:
                found = found.get(step) if found else None
            return found

        rows.sort(key=lambda row: (0,) if value(row) is None else (1, value(row)), reverse=way.strip() == "desc")
        rows.sort(key=lambda row: value(row) is None)
    return [name for name, _ in rows]


ORDERS = [
    "",
    "s",
    "s asc",
    "s desc",
    "i",
    "i desc",
    "d",
    "d desc",
    "b",
    "b desc",
    "m",
    "m desc",
    "__id",
    "__id desc",
    "address/city",
    "address/city desc",
    "s,i",
    "s desc,i",
    "b,s desc,i,d desc",
    " s  desc , i asc ",
]


class TestOrderBy:
    @pytest.mark.parametrize("order", ORDERS)
    def test_it_sorts_with_nulls_last_and_ties_by_age(self, od: Collection, order: str) -> None:
        options = {"orderby": order} if order else {}
        assert ids(od.get("Item", **options)) == expected(order)

    @pytest.mark.parametrize(
        ("order", "found"),
        [("__published", NAMES), ("__published desc", NAMES[::-1]), ("__updated desc", NAMES[::-1])],
    )
    def test_it_sorts_by_time(self, od: Collection, order: str, found: list[str]) -> None:
        assert ids(od.get("Item", orderby=f"{order},__id{' desc' if 'desc' in order else ''}")) == found

    @pytest.mark.parametrize("order", ["nothing", "nothing desc", "address", "nothing,s desc", "address,s desc"])
    def test_what_there_is_not_sorts_nothing(self, od: Collection, order: str) -> None:
        assert ids(od.get("Item", orderby=order)) == expected("s desc" if "s desc" in order else "")

    @pytest.mark.parametrize(
        ("bad", "refusal"),
        [
            ("", "PR400-OD-0015"),
            (" ", "PR400-OD-0015"),
            (",", "PR400-OD-0015"),
            ("s,", "PR400-OD-0015"),
            (",s", "PR400-OD-0015"),
            ("s,,i", "PR400-OD-0015"),
            ("s ASC", "PR400-OD-0015"),
            ("s DESC", "PR400-OD-0015"),
            ("s up", "PR400-OD-0015"),
            ("s asc desc", "PR400-OD-0015"),
            ("(s)", "PR400-OD-0015"),
            ("s;", "PR400-OD-0015"),
            ("length(s)", "PR400-OD-0015"),
            ("ss", "PR400-OD-0040"),
            ("s,ss desc", "PR400-OD-0040"),
            ("'s'", "PR400-OD-0003"),
            ("1", "PR400-OD-0003"),
            ("null", "PR400-OD-0003"),
        ],
    )
    def test_what_is_no_order_is_refused(self, od: Collection, bad: str, refusal: str) -> None:
        assert code(od.get("Item", orderby=bad)) == refusal


class TestPages:
    @pytest.mark.parametrize("order", ORDERS)
    def test_all_pages_together_are_the_whole_list(self, paged: Collection, order: str) -> None:
        options = {"orderby": order} if order else {}
        whole = ids(paged.get("Item", top=10_000, **options))
        pages = [ids(page) for page in follow(paged, paged.get("Item", **options))]
        assert [*itertools.chain(*pages)] == whole == expected(order)
        assert [len(page) for page in pages] == [4, 4, 4, 4, 4, 3]

    def test_filter_count_and_select_go_along(self, paged: Collection) -> None:
        options = {"filter": "i ne 1", "inlinecount": "allpages", "select": "i", "orderby": "i desc"}
        pages = [*follow(paged, paged.get("Item", **options))]
        found = [*itertools.chain(*map(ids, pages))]
        wanted = [name for name in expected("i desc") if values_of(NAMES.index(name))["i"] != 1]
        assert found == wanted
        assert {page.json()["d"]["__count"] for page in pages} == {str(len(wanted))}
        assert all("s" not in each for page in pages for each in results(page))

    def test_a_skip_counts_once(self, paged: Collection) -> None:
        pages = follow(paged, paged.get("Item", skip=3))
        assert [*itertools.chain(*map(ids, pages))] == NAMES[3:]

    def test_the_last_page_that_is_full_leads_nowhere(self, paged: Collection) -> None:
        pages = [ids(page) for page in follow(paged, paged.get("Item", filter="__id lt 'i08'"))]
        assert pages == [NAMES[:4], NAMES[4:8]]

    def test_a_client_that_says_how_many_gets_no_next(self, paged: Collection) -> None:
        assert "__next" not in paged.get("Item", top=4).json()["d"]

    def test_what_comes_and_goes_meanwhile_moves_nothing_else(self, paged: Collection) -> None:
        paged.entity_type("Moving", i="Edm.Int32")
        for number in range(10):
            paged.create("Moving", __id=f"m{number}", i=number)
        first = paged.get("Moving", orderby="i")
        paged.call("DELETE", "Moving('m1')")
        paged.create("Moving", __id="late", i=0)
        paged.create("Moving", __id="later", i=99)
        rest = [ids(page) for page in follow(paged, first)][1:]
        assert [*itertools.chain(*rest)] == [f"m{number}" for number in range(4, 10)] + ["later"]

    def test_the_next_page_is_at_the_same_place(self, paged: Collection) -> None:
        next_url = urlsplit(paged.get("Item", orderby="s desc").json()["d"]["__next"])
        assert f"{next_url.scheme}://{next_url.netloc}{next_url.path}" == f"{paged.url}Item"
        assert parse_qs(next_url.query).keys() == {"$orderby", "$skiptoken"}

    @pytest.mark.parametrize(
        "bad",
        [
            "",
            "x",
            "'i04'",
            "null",
            "bnVsbA",
            "W10",
            "WzFd",
            "W251bGwsbnVsbCxudWxsXQ",
            "{}",
            "e30",
            "日本",
            "A" * 10_000,
            ".",
            ".i04",
            ".日本",
        ],
    )
    def test_a_token_that_is_none_is_refused(self, paged: Collection, bad: str) -> None:
        assert code(paged.get("Item", skiptoken=bad)) == "PR400-OD-0029"

    def test_values_that_are_too_long_for_a_url_are_found_again(self, paged: Collection) -> None:
        paged.entity_type("Long", s="Edm.String")
        for number in range(10):
            paged.create("Long", __id=f"l{number}", s="長" * 17_000 + str(number % 3))
        first = paged.get("Long", orderby="s desc", filter="startswith(s,'長')")
        assert len(first.json()["d"]["__next"]) < 500
        found = [each for page in follow(paged, first) for each in ids(page)]
        assert found == ["l2", "l5", "l8", "l1", "l4", "l7", "l0", "l3", "l6", "l9"]
        (token,) = parse_qs(urlsplit(first.json()["d"]["__next"]).query)["$skiptoken"]
        paged.call("DELETE", f"Long('{ids(first)[-1]}')")
        assert code(paged.get("Long", orderby="s desc", skiptoken=token)) == "PR400-OD-0029"

    def test_the_token_of_an_entity_is_of_its_set(self, paged: Collection) -> None:
        paged.entity_type("Longer", s="Edm.String")
        for number in range(10):
            paged.create("Longer", __id=f"l{number}", s="長" * 10_000 + str(number))
        url = paged.get("Longer", orderby="s").json()["d"]["__next"]
        (token,) = parse_qs(urlsplit(url).query)["$skiptoken"]
        assert ids(paged.get("Longer", orderby="s", skiptoken=token)) == ["l4", "l5", "l6", "l7"]
        assert code(paged.get("Item", orderby="s", skiptoken=token)) == "PR400-OD-0029"

    def test_a_token_is_of_its_order(self, paged: Collection) -> None:
        url = paged.get("Item", orderby="s").json()["d"]["__next"]
        (token,) = parse_qs(urlsplit(url).query)["$skiptoken"]
        for order in ("i", "s,i", "m"):
            assert code(paged.get("Item", orderby=order, skiptoken=token)) == "PR400-OD-0029"


ALWAYS = {"__id", "__published", "__updated", "__metadata"}


class TestSelect:
    @pytest.mark.parametrize(
        ("select", "shown"),
        [
            ("s", {"s"}),
            ("s,i", {"s", "i"}),
            (" s , i ", {"s", "i"}),
            ("s,s", {"s"}),
            ("__id", set()),
            ("nothing", set()),
            ("nothing,s", {"s"}),
            ("address", {"address"}),
            ("address/city", {"address"}),
            ("ss", {"ss"}),
            ("*", {"s", "i", "d", "b", "m", "address", "ss"}),
        ],
    )
    def test_only_what_is_named_is_shown(self, od: Collection, select: str, shown: set[str]) -> None:
        for each in (results(od.get("Item", select=select, top=1))[0], results(od.get("Item('i00')", select=select))):
            assert each.keys() == ALWAYS | shown

    @pytest.mark.parametrize(
        "bad", ["", " ", ",", "s,", "*,s", "s,*", "'s'", "1", "s i", "null", "true", "s()", "s;"]
    )
    def test_what_is_no_name_is_refused(self, od: Collection, bad: str) -> None:
        for path in ("Item", "Item('i00')"):
            assert code(od.get(path, select=bad)) == "PR400-OD-0017"


class TestCount:
    def test_it_is_the_number_alone(self, od: Collection) -> None:
        answer = od.call("GET", "Item/$count")
        assert (answer.status_code, answer.text) == (200, str(COUNT))
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["dataserviceversion"] == "2.0"

    def test_it_counts_what_is_filtered_and_searched_for(self, od: Collection) -> None:
        assert od.get("Item/$count", filter="__id lt 'i05'").text == "5"
        assert od.get("Item/$count", q="s1").text == str(sum(values_of(each)["s"] == "s1" for each in range(COUNT)))
        assert od.get("Item/$count", filter="s eq 'nobody'").text == "0"

    def test_of_nothing_it_is_404(self, od: Collection) -> None:
        assert code(od.get("Nothing/$count")) == "PR404-OD-0001"
        assert od.get("Item('i00')/$count").status_code == 404


GEO = {"lat": 35.5, "place": "御所"}


class TestSingleValues:
    @pytest.fixture(scope="class")
    @staticmethod
    def persons(unit: RunningUnit) -> Collection:
        made = shop(unit.cell())
        made.create(
            "Person",
            __id="a",
            name="山田/太郎",
            active=True,
            age=-7,
            height=1.5,
            weight=60.0,
            born="/Date(1000)/",
            address={"city": "京都", "geo": GEO},
            tags=["x", "y"],
            dynamic="d",
        )
        made.create("Person", __id="b")
        return made

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("name", "山田/太郎"),
            ("active", True),
            ("age", -7),
            ("height", 1.5),
            ("weight", 60),
            ("born", "/Date(1000)/"),
            ("address", {"city": "京都", "zip": None, "geo": GEO}),
            ("address/city", "京都"),
            ("address/geo", GEO),
            ("address/geo/lat", 35.5),
            ("address/zip", None),
            ("tags", ["x", "y"]),
            ("scores", None),
            ("dynamic", "d"),
            ("__id", "a"),
        ],
    )
    def test_a_property_alone(self, persons: Collection, path: str, value: Any) -> None:
        answer = persons.get(f"Person('a')/{path}")
        assert answer.status_code == 200
        assert answer.json() == {"d": {path.rpartition("/")[2]: value}}
        assert answer.headers["content-type"].startswith("application/json")

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("name", "山田/太郎"),
            ("active", "true"),
            ("age", "-7"),
            ("height", "1.5"),
            ("weight", "60"),
            ("born", "1970-01-01T00:00:01.000"),
            ("address/city", "京都"),
            ("address/geo/lat", "35.5"),
            ("dynamic", "d"),
            ("__id", "a"),
        ],
    )
    def test_its_value_alone(self, persons: Collection, path: str, text: str) -> None:
        answer = persons.get(f"Person('a')/{path}/$value")
        assert (answer.status_code, answer.content.decode()) == (200, text)
        assert answer.headers["content-type"].startswith("text/plain")

    @pytest.mark.parametrize("name", ["__published", "__updated"])
    def test_its_times(self, persons: Collection, name: str) -> None:
        shown = results(persons.get("Person('a')"))[name]
        assert persons.get(f"Person('a')/{name}").json() == {"d": {name: shown}}
        assert persons.get(f"Person('a')/{name}/$value").text.startswith("20")

    @pytest.mark.parametrize(
        "path",
        [
            "nothing",
            "nothing/$value",
            "name/x",
            "address/nothing",
            "address/geo/nothing/$value",
            "tags/0",
            "homes/city",
            "address/$value",
            "tags/$value",
            "address/zip/$value",
            "$value",
            "name/$value/x",
            "name/$count",
            "__metadata",
        ],
    )
    def test_what_there_is_not_is_404(self, persons: Collection, path: str) -> None:
        assert persons.get(f"Person('a')/{path}").status_code == 404

    def test_of_what_there_is_not_neither(self, persons: Collection) -> None:
        assert code(persons.get("Person('nobody')/name")) == "PR404-OD-0002"
        assert code(persons.get("Nothing('a')/name")) == "PR404-OD-0001"
        assert persons.get("Person('b')/name/$value").status_code == 404
        assert persons.get("Person('b')/name").json() == {"d": {"name": None}}
        assert persons.get("Person('b')/address/city").json() == {"d": {"city": None}}


class TestUnknownOptions:
    @pytest.mark.parametrize("name", ["$search", "$apply", "$compute", "$unknown", "custom"])
    def test_what_nobody_knows_changes_nothing(self, od: Collection, name: str) -> None:
        answer = od.call("GET", "Item", params={name: "x", "$top": "2"}, headers=JSON)
        assert ids(answer) == NAMES[:2]
