"""Links between user data: made, shown and taken away by ``$links``, and entities made and listed along them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.odata_site import JSON, SCHEMA, Collection, code, end_path, ids, names_field, results
from tests.running import RunningUnit, Site, running

ONE, MANY = ("0..1", "1"), ("*",)
PAIRS = [(one, other) for one in (*ONE, *MANY) for other in (*ONE, *MANY) if (one, other) != ("1", "1")]


def related(cell: Site, one: str, other: str) -> Collection:
    """Types A and B with that relation, and entities ``a1`` to ``a3`` and ``b1`` to ``b3``."""
    made = Collection.make(cell)
    made.entity_type("A", text="Edm.String")
    made.entity_type("B", text="Edm.String")
    made.relate("A", one, "B", other)
    for number in (1, 2, 3):
        made.create("A", __id=f"a{number}")
        made.create("B", __id=f"b{number}")
    return made


@pytest.fixture
def many(cell: Site) -> Collection:
    """An A has many B."""
    return related(cell, "0..1", "*")


class TestMultiplicities:
    @pytest.mark.parametrize(("one", "other"), PAIRS)
    def test_each_pair_of_ends(self, cell: Site, one: str, other: str) -> None:
        od = related(cell, one, other)
        assert od.link("A('a1')", "B('b1')").status_code == 204
        assert (od.related("A('a1')", "_B"), od.related("B('b1')", "_A")) == (["b1"], ["a1"])
        for again in [("A('a1')", "B('b1')"), ("B('b1')", "A('a1')")]:
            assert code(od.link(*again)) == "PR409-OD-0002"
        for (first, second), fits in {
            ("A('a1')", "B('b2')"): other == "*",
            ("B('b1')", "A('a2')"): one == "*",
            ("A('a3')", "B('b3')"): True,
        }.items():
            answer = od.link(first, second)
            assert answer.status_code == 204 if fits else code(answer) == "PR409-OD-0002"
        assert set(od.related("A('a1')", "_B")) == ({"b1", "b2"} if other == "*" else {"b1"})
        assert set(od.related("B('b1')", "_A")) == ({"a1", "a2"} if one == "*" else {"a1"})

    @pytest.mark.parametrize(("one", "other"), PAIRS)
    def test_from_the_other_side(self, cell: Site, one: str, other: str) -> None:
        od = related(cell, one, other)
        answer = od.link("B('b1')", "A('a1')")
        assert (answer.status_code, answer.content) == (204, b"")
        assert od.related("A('a1')", "_B") == ["b1"]
        assert od.call("DELETE", "A('a1')/$links/_B('b1')").status_code == 204
        assert (od.related("A('a1')", "_B"), od.related("B('b1')", "_A")) == ([], [])
        assert od.link("A('a1')", "B('b1')").status_code == 204
        assert od.call("DELETE", "B('b1')/$links/_A('a1')").status_code == 204
        assert (od.related("A('a1')", "_B"), od.related("B('b1')", "_A")) == ([], [])

    @pytest.mark.parametrize(("one", "other"), PAIRS)
    def test_an_entity_with_children_stays_and_other_links_go_with_it(self, cell: Site, one: str, other: str) -> None:
        od = related(cell, one, other)
        od.link("A('a1')", "B('b1')")
        a_is_parent, b_is_parent = one != "*" and other == "*", other != "*" and one == "*"
        for path, way, partner, is_parent in [
            ("A('a1')", "_A", "B('b1')", a_is_parent),
            ("B('b1')", "_B", "A('a1')", b_is_parent),
        ]:
            answer = od.call("DELETE", path)
            if is_parent:
                assert code(answer) == "PR409-OD-0001"
                assert od.get(path).status_code == 200
            else:
                assert answer.status_code == 204
                assert od.related(partner, way) == []
                od.create(path[0], __id=path[3:5])
                assert od.related(partner, way) == []
                od.link("A('a1')", "B('b1')")

    @pytest.mark.parametrize(("one", "other"), PAIRS)
    def test_entities_are_made_along_the_way(self, cell: Site, one: str, other: str) -> None:
        od = related(cell, one, other)
        answer = od.post("A('a1')/_B", {"__id": "new", "text": "値", "dynamic": 1})
        made = results(answer)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{od.url}B('new')" == made["__metadata"]["uri"]
        assert made.items() >= {"text": "値", "dynamic": 1}.items()
        shown = od.get("B('new')")
        assert answer.headers["etag"] == shown.headers["etag"] == made["__metadata"]["etag"]
        assert results(shown).items() >= {"text": "値", "dynamic": 1}.items()
        assert od.related("A('a1')", "_B") == ["new"]
        assert od.related("B('new')", "_A") == ["a1"]
        again = od.post("A('a1')/_B", {"__id": "more"})
        if other == "*":
            assert again.status_code == 201
            assert set(od.related("A('a1')", "_B")) == {"new", "more"}
        else:
            assert code(again) == "PR409-OD-0002"
            assert code(od.get("B('more')")) == "PR404-OD-0002"

    def test_within_one_type(self, cell: Site) -> None:
        od = Collection.make(cell)
        od.entity_type("A")
        od.relate("A", "*", "A", "*")
        for name in ("x", "y", "z"):
            od.create("A", __id=name)
        assert od.link("A('x')", "A('y')").status_code == 204
        assert od.link("A('x')", "A('z')").status_code == 204
        assert set(od.related("A('x')", "_A")) == {"y", "z"}
        assert od.related("A('y')", "_A") == ["x"]
        assert od.call("DELETE", "A('y')/$links/_A('x')").status_code == 204
        assert od.related("A('x')", "_A") == ["z"]


class TestLinking:
    @pytest.mark.parametrize("form", ["{url}B('b1')", "B('b1')", "{url}B(__id='b1')", "{url}B(%27b1%27)"])
    def test_a_uri_is_absolute_or_relative(self, many: Collection, form: str) -> None:
        uri = form.format(url=many.url)
        assert many.post("A('a1')/$links/_B", {"uri": uri}).status_code == 204
        assert many.related("A('a1')", "_B") == ["b1"]

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "x",
            "B",
            "B()",
            "B(b1)",
            "B('b1'",
            "B(1)",
            "A('a2')",
            "B('nobody')",
            "B('b1')/_A",
            "B('b1')x",
            "/B('b1')",
            "../B('b1')",
            "http://elsewhere.example/B('b1')",
            "{url}A('a2')",
            "{url}B('nobody')",
            "{url}$metadata/B('b1')",
            "{url}x/B('b1')",
            7,
            None,
            [],
            {},
        ],
    )
    def test_any_other_is_refused(self, many: Collection, uri: Any) -> None:
        body = {"uri": uri.format(url=many.url) if isinstance(uri, str) else uri}
        answer = many.post("A('a1')/$links/_B", body)
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "uri")
        assert many.related("A('a1')", "_B") == []

    def test_the_entity_of_another_collection_is_refused(self, many: Collection) -> None:
        other = Collection.make(many.site)
        other.entity_type("B")
        other.create("B", __id="b1")
        answer = many.post("A('a1')/$links/_B", {"uri": f"{other.url}B('b1')"})
        assert code(answer) == "PR400-OD-0006"

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
    def test_a_body_that_is_no_json_is_refused(self, many: Collection, body: bytes) -> None:
        assert code(many.call("POST", "A('a1')/$links/_B", content=body)) == "PR400-OD-0001"
        assert code(many.call("POST", "A('a1')/_B", content=body)) == "PR400-OD-0001"

    def test_a_uri_must_be_there(self, many: Collection) -> None:
        answer = many.post("A('a1')/$links/_B", {"url": f"{many.url}B('b1')"})
        assert code(answer) == "PR400-OD-0006"

    @pytest.mark.parametrize(
        ("method", "path", "refusal"),
        [
            ("POST", "A('nobody')/$links/_B", "PR404-OD-0000"),
            ("GET", "A('nobody')/$links/_B", "PR404-OD-0002"),
            ("DELETE", "A('nobody')/$links/_B('b1')", "PR404-OD-0000"),
            ("DELETE", "A('a1')/$links/_B('nobody')", "PR404-OD-0000"),
            ("DELETE", "A('a1')/$links/_B('b1')", "PR404-OD-0000"),
            ("GET", "A('nobody')/_B", "PR404-OD-0002"),
            ("POST", "A('nobody')/_B", "PR404-OD-0000"),
            ("POST", "A('a1')/$links/_C", "PR400-OD-0008"),
            ("GET", "A('a1')/$links/_C", "PR400-OD-0008"),
            ("DELETE", "A('a1')/$links/_C('b1')", "PR400-OD-0008"),
            ("GET", "A('a1')/$links/_A", "PR400-OD-0008"),
            ("GET", "A('a1')/$links/B", "PR400-OD-0008"),
            ("GET", "A('a1')/$links/_b", "PR400-OD-0008"),
            ("GET", "A('a1')/_C", "PR404-OD-0003"),
            ("POST", "A('a1')/_C", "PR404-OD-0003"),
            ("GET", "A('a1')/_A", "PR404-OD-0003"),
            ("POST", "A('a1')/$links/_B('b1')", "PR400-OD-0010"),
            ("GET", "A('a1')/$links/_B('b1')", "PR400-OD-0010"),
            ("PUT", "A('a1')/$links/_B('b1')", "PR501-MC-0001"),
            ("PUT", "A('a1')/$links/_B", "PR400-OD-0011"),
            ("DELETE", "A('a1')/$links/_B", "PR400-OD-0011"),
            ("DELETE", "A('a1')/$links/_B(b1)", "PR400-OD-0028"),
            ("DELETE", "A('a1')/$links/_B()", "PR400-OD-0028"),
            ("DELETE", "A('a1')/$links/_B(1)", "PR400-OD-0028"),
            ("GET", "A('a1')/_B('b1')", "PR400-OD-0010"),
            ("POST", "A('a1')/_B('b1')", "PR400-OD-0010"),
            ("GET", "A('a1')/_B('b1')/$count", "PR400-OD-0010"),
            ("GET", "A('a1')/_B(b1)/$count", "PR400-OD-0010"),
            ("GET", "A(a1)/$links/_B", "PR400-OD-0004"),
            ("GET", "A(a1)/_B", "PR400-OD-0004"),
            ("POST", "A(a1)/_B", "PR400-OD-0004"),
            ("GET", "C('a1')/_B", "PR404-OD-0001"),
            ("POST", "C('a1')/$links/_B", "PR404-OD-0001"),
            ("MERGE", "A('a1')/$links/_B", "PR405-MC-0001"),
            ("PUT", "A('a1')/_B", "PR405-MC-0001"),
            ("DELETE", "A('a1')/_B", "PR405-MC-0001"),
        ],
    )
    def test_what_makes_no_sense(self, many: Collection, method: str, path: str, refusal: str) -> None:
        body = {"uri": f"{many.url}B('b1')"} if "$links" in path else {}
        assert code(many.call(method, path, json=body)) == refusal
        assert many.related("A('a1')", "_B") == []
        assert many.get("B/$count").text == "3"

    def test_an_unknown_way_is_told_before_the_key_behind_it(self, many: Collection) -> None:
        assert many.get("A('a1')/$links").status_code == 404
        assert many.get("A('a1')/$links/_B/x").status_code == 404

    def test_options_names_the_methods(self, many: Collection) -> None:
        for path, methods in [
            ("A('a1')/$links/_B", {"GET", "DELETE", "PUT", "POST"}),
            ("A('a1')/_B", {"GET", "POST"}),
        ]:
            answer = many.call("OPTIONS", path)
            assert answer.status_code == 200
            assert set(answer.headers["allow"].split(", ")) == {*methods, "OPTIONS", "HEAD"}

    def test_a_link_to_one_end_raises_the_version_of_what_holds_it(self, many: Collection) -> None:
        before = many.get("B('b1')").headers["etag"]
        many.link("A('a1')", "B('b1')")
        assert many.get("B('b1')").headers["etag"] != before
        assert results(many.get("B('b1')"))["text"] is None

    def test_values_stay_when_links_change(self, many: Collection) -> None:
        many.call("PUT", "B('b1')", json={"text": "値"})
        many.link("A('a1')", "B('b1')")
        many.call("MERGE", "B('b1')", json={"dynamic": 1})
        assert many.related("A('a1')", "_B") == ["b1"]
        many.call("PUT", "B('b1')", json={"text": "別"})
        assert many.related("B('b1')", "_A") == ["a1"]
        many.call("DELETE", "A('a1')/$links/_B('b1')")
        assert results(many.get("B('b1')"))["text"] == "別"


class TestListing:
    @pytest.fixture(scope="class")
    @staticmethod
    def od(unit: RunningUnit) -> Collection:
        """A product ``a`` with thirty orders, which come in another order than their ids."""
        made = Collection.make(unit.cell())
        made.entity_type("A")
        made.entity_type("B", number="Edm.Int32")
        made.relate("A", "*", "B", "*")
        made.create("A", __id="a")
        made.create("A", __id="none")
        for number in range(30):
            made.create("B", __id=f"b{number * 7 % 30:02}", number=number)
            made.link("A('a')", f"B('b{number * 7 % 30:02}')")
        made.create("B", __id="loose", number=0)
        return made

    def test_uris_are_sorted_by_their_keys(self, od: Collection) -> None:
        uris = [each["uri"] for each in results(od.get("A('a')/$links/_B"))]
        assert uris == [f"{od.url}B('b{number:02}')" for number in range(25)]
        assert results(od.get("A('none')/$links/_B")) == []
        assert results(od.get("B('b07')/$links/_A")) == [{"uri": f"{od.url}A('a')"}]

    @pytest.mark.parametrize(
        ("options", "start", "end"),
        [
            ({"top": 3}, 0, 3),
            ({"skip": 28}, 28, 30),
            ({"top": 2, "skip": 4}, 4, 6),
            ({"top": 0}, 0, 0),
            ({"top": 100}, 0, 30),
        ],
    )
    def test_a_part_of_them(self, od: Collection, options: dict[str, int], start: int, end: int) -> None:
        uris = [each["uri"] for each in results(od.get("A('a')/$links/_B", **options))]
        assert uris == [f"{od.url}B('b{number:02}')" for number in range(start, end)]

    @pytest.mark.parametrize("path", ["A('a')/$links/_B", "A('a')/_B"])
    @pytest.mark.parametrize(
        ("options", "refusal"),
        [
            ({"top": "x"}, "PR400-OD-0036"),
            ({"skip": ""}, "PR400-OD-0036"),
            ({"top": 10_001}, "PR400-OD-0029"),
            ({"skip": 100_001}, "PR400-OD-0029"),
        ],
    )
    def test_bad_parts_are_refused(self, od: Collection, path: str, options: dict[str, Any], refusal: str) -> None:
        assert code(od.get(path, **options)) == refusal

    def test_related_entities_are_listed_as_all_others(self, od: Collection) -> None:
        assert ids(od.get("A('a')/_B", top=2)) == ["b00", "b07"]
        answer = od.get(
            "A('a')/_B", filter="number ge 10", orderby="number desc", top=2, skip=1, inlinecount="allpages"
        )
        assert [each["number"] for each in results(answer)] == [28, 27]
        assert answer.json()["d"]["__count"] == "20"
        selected = results(od.get("A('a')/_B", select="__id", top=1))[0]
        assert "number" not in selected
        assert ids(od.get("A('none')/_B")) == []

    def test_a_list_goes_on_behind_its_page(self, od: Collection) -> None:
        first = od.get("A('a')/_B", orderby="number desc")
        assert len(ids(first)) == 25
        next_url = first.json()["d"]["__next"]
        assert next_url.startswith(f"{od.url}A('a')/_B?")
        path, _, query = next_url.removeprefix(od.url).partition("?")
        rest = od.call("GET", f"{path}?{query}", headers=JSON)
        assert [each["number"] for each in results(rest)] == [4, 3, 2, 1, 0]
        assert "loose" not in ids(rest)

    def test_they_are_searched(self, od: Collection) -> None:
        assert [each["number"] for each in results(od.get("A('a')/_B", q="17"))] == [17]
        assert ids(od.get("A('none')/_B", q="17")) == []
        assert od.get("A('a')/_B/$count", q="17").text == "1"

    def test_they_are_counted(self, od: Collection) -> None:
        assert od.get("A('a')/_B/$count").text == "30"
        assert od.get("A('a')/_B/$count", filter="number lt 5").text == "5"
        assert od.get("A('none')/_B/$count").text == "0"
        assert code(od.get("A('nobody')/_B/$count")) == "PR404-OD-0002"
        assert code(od.get("A('a')/_C/$count")) == "PR404-OD-0003"

    @pytest.mark.parametrize(
        ("options", "refusal"),
        [
            ({"filter": "nothing eq 1"}, "PR400-OD-0045"),
            ({"orderby": ""}, "PR400-OD-0015"),
            ({"expand": "_C"}, "PR400-OD-0025"),
            ({"select": ""}, "PR400-OD-0017"),
            ({"inlinecount": "x"}, "PR400-OD-0013"),
        ],
    )
    def test_other_options_are_checked_too(self, od: Collection, options: dict[str, str], refusal: str) -> None:
        assert code(od.get("A('a')/_B", **options)) == refusal


class TestCreating:
    def test_an_id_that_is_taken_is_a_link_that_exists(self, many: Collection) -> None:
        assert code(many.post("A('a1')/_B", {"__id": "b1"})) == "PR409-OD-0002"
        assert many.related("A('a1')", "_B") == []

    @pytest.mark.parametrize("said", [{"UniqueKey": "badge"}, {"IsKey": True}])
    def test_a_unique_value_that_is_taken_is_an_entity_that_exists(self, many: Collection, said: Any) -> None:
        many.prop("B", "badge", "Edm.Int32", **said)
        assert many.post("A('a1')/_B", {"__id": "new", "badge": 7}).status_code == 201
        assert code(many.post("A('a2')/_B", {"__id": "other", "badge": 7})) == "PR409-OD-0003"
        assert code(many.post("A('a2')/_B", {"__id": "new", "badge": 7})) == "PR409-OD-0002"
        assert code(many.post("A('a2')/_B", {"__id": "new", "badge": 8})) == "PR409-OD-0002"
        assert code(many.post("B", {"__id": "new", "badge": 7})) == "PR409-OD-0003"
        assert many.related("A('a2')", "_B") == []

    @pytest.mark.parametrize(
        ("body", "refusal"),
        [
            ({"__id": "a b"}, "PR400-OD-0006"),
            ({"text": []}, "PR400-OD-0006"),
            ({"__published": "x"}, "PR400-OD-0007"),
            ({"_bad": "x"}, "PR400-OD-0006"),
        ],
    )
    def test_what_is_refused_elsewhere_is_refused_here(
        self, many: Collection, body: dict[str, Any], refusal: str
    ) -> None:
        assert code(many.post("A('a1')/_B", body)) == refusal
        assert many.get("B/$count").text == "3"

    def test_the_relation_of_a_moment_ago_is_there(self, many: Collection) -> None:
        many.entity_type("C")
        many.relate("A", "*", "C", "*")
        assert many.post("A('a1')/_C", {"__id": "c"}).status_code == 201
        assert many.related("C('c')", "_A") == ["a1"]

    def test_a_relation_that_was_taken_away_is_gone(self, many: Collection) -> None:
        key = end_path("B", "to-A").removeprefix(f"{SCHEMA}AssociationEnd")
        many.call("DELETE", f"{end_path('A', 'to-B')}/$links/_AssociationEnd{key}")
        assert code(many.post("A('a1')/_B", {})) == "PR404-OD-0003"
        assert code(many.link("A('a1')", "B('b1')")) == "PR400-OD-0008"


class TestLimits:
    @pytest.fixture(scope="class")
    @staticmethod
    def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
        with running(tmp_path_factory.mktemp("links") / "data", **{"limits.links_per_entity": 2}) as unit:
            yield unit

    def test_links_of_many_to_many_are_bounded_on_either_side(self, narrow: RunningUnit) -> None:
        od = related(narrow.cell(), "*", "*")
        assert od.link("A('a1')", "B('b1')").status_code == 204
        assert od.link("A('a1')", "B('b2')").status_code == 204
        assert code(od.link("A('a1')", "B('b3')")) == "PR400-OD-0038"
        assert code(od.link("B('b3')", "A('a1')")) == "PR400-OD-0038"
        assert code(od.post("A('a1')/_B", {"__id": "more"})) == "PR400-OD-0038"
        assert code(od.get("B('more')")) == "PR404-OD-0002"
        od.call("DELETE", "A('a1')/$links/_B('b1')")
        assert od.link("A('a1')", "B('b3')").status_code == 204

    def test_one_to_many_is_not(self, narrow: RunningUnit) -> None:
        od = related(narrow.cell(), "0..1", "*")
        for name in ("b1", "b2", "b3"):
            assert od.link("A('a1')", f"B('{name}')").status_code == 204
