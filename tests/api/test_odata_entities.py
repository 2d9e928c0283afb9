"""User data one by one: made, retrieved, changed and deleted; ids, keys, ETags, undeclared and unique properties."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.odata_site import JSON, SCHEMA, Collection, code, names_field, prop_path, results
from tests.running import RunningUnit, Site

LONGEST_ID = "i" * 200


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """A collection with an entity type that every test adds to."""
    made = Collection.make(unit.cell())
    made.entity_type("Item", name="Edm.String", count="Edm.Int32")
    made.prop("Item", "kind", DefaultValue="plain")
    return made


@pytest.fixture
def alone(cell: Site) -> Collection:
    """A collection with an entity type that no other test knows."""
    made = Collection.make(cell)
    made.entity_type("Item", name="Edm.String", count="Edm.Int32")
    return made


class TestCreate:
    def test_it_answers_the_entity_its_place_and_its_etag(self, od: Collection) -> None:
        answer = od.post("Item", {"__id": "made", "name": "山田", "count": 3})
        made = results(answer)
        assert answer.status_code == 201
        assert made.items() >= {"__id": "made", "name": "山田", "count": 3, "kind": "plain"}.items()
        assert answer.headers["location"] == f"{od.url}Item('made')" == made["__metadata"]["uri"]
        assert answer.headers["etag"] == made["__metadata"]["etag"]
        assert re.fullmatch(r'W/"1-\d{13}"', answer.headers["etag"])
        assert made["__metadata"]["type"] == "UserData.Item"
        assert made["__published"] == made["__updated"]
        assert re.fullmatch(r"/Date\(\d{13}\)/", made["__published"])
        assert answer.headers["dataserviceversion"] == "2.0"

    def test_what_was_written_is_read_at_once(self, od: Collection) -> None:
        for number in range(20):
            made = od.create("Item", name="read your writes", count=number)
            assert results(od.get(f"Item('{made['__id']}')"))["count"] == number
            assert od.get("Item/$count", filter="name eq 'read your writes'").text == str(number + 1)

    @pytest.mark.parametrize("given", [{}, {"__id": None}])
    def test_an_id_that_nobody_gave_is_32_hex_digits(self, od: Collection, given: dict[str, Any]) -> None:
        made = od.create("Item", **given)
        assert re.fullmatch("[0-9a-f]{32}", made["__id"])
        assert results(od.get(f"Item('{made['__id']}')"))["__id"] == made["__id"]
        assert od.create("Item", **given)["__id"] != made["__id"]

    @pytest.mark.parametrize("good", ["a", "7", "0-_:", "A:b-C_9", LONGEST_ID])
    def test_an_id_has_letters_digits_and_three_marks(self, od: Collection, good: str) -> None:
        assert od.create("Item", __id=good)["__id"] == good
        assert results(od.get(f"Item('{good}')"))["__id"] == good

    @pytest.mark.parametrize(
        "bad", ["", "-a", "_a", ":a", "a b", "a/b", "a'b", "a.b", "a\n", "日本", f"{LONGEST_ID}i", [], {}]
    )
    def test_any_other_id_is_refused(self, od: Collection, bad: Any) -> None:
        answer = od.post("Item", {"__id": bad, "name": "bad id"})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "__id")
        assert od.get("Item/$count", filter="name eq 'bad id'").text == "0"

    def test_a_number_is_an_id_too(self, od: Collection) -> None:
        assert od.create("Item", __id=4711)["__id"] == "4711"

    def test_an_id_is_taken_once_in_its_set(self, od: Collection) -> None:
        od.create("Item", __id="once", name="first")
        assert code(od.post("Item", {"__id": "once", "name": "second"})) == "PR409-OD-0003"
        assert results(od.get("Item('once')"))["name"] == "first"
        od.entity_type("Elsewhere")
        od.create("Elsewhere", __id="once")
        od.call("DELETE", "Item('once')")
        assert od.create("Item", __id="once")["name"] is None

    @pytest.mark.parametrize("name", ["__published", "__updated", "__metadata"])
    @pytest.mark.parametrize("value", ["x", None, "/Date(0)/", {}])
    def test_what_is_the_servers_is_refused(self, od: Collection, name: str, value: Any) -> None:
        answer = od.post("Item", {"name": "reserved", name: value})
        assert code(answer) == "PR400-OD-0007"
        assert names_field(answer, name)
        path = f"Item('{od.create('Item')['__id']}')"
        for method in ("PUT", "MERGE"):
            assert code(od.call(method, path, json={name: value})) == "PR400-OD-0007"

    @pytest.mark.parametrize("method", ["POST", "PUT", "MERGE", "PATCH"])
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"{'a': 1}", b"\xff", b"<entry/>"])
    def test_a_body_that_is_no_json_object_is_refused(self, alone: Collection, method: str, body: bytes) -> None:
        alone.create("Item", __id="a", name="kept")
        path = "Item" if method == "POST" else "Item('a')"
        assert code(alone.call(method, path, content=body)) == "PR400-OD-0001"
        assert alone.get("Item/$count").text == "1"
        assert results(alone.get("Item('a')"))["name"] == "kept"

    @pytest.mark.parametrize("media_type", ["text/plain", "application/atom+xml", "multipart/mixed", "", None])
    def test_a_body_is_json_whatever_its_content_type_says(self, od: Collection, media_type: str | None) -> None:
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = od.call("POST", "Item", content=b'{"name": "typeless"}', headers={**headers, **JSON})
        assert results(answer)["name"] == "typeless"

    def test_an_unknown_set_is_404(self, od: Collection) -> None:
        assert code(od.post("Nothing", {})) == "PR404-OD-0001"
        assert code(od.get("Nothing")) == "PR404-OD-0001"
        for method in ("GET", "PUT", "MERGE", "DELETE"):
            assert code(od.call(method, "Nothing('a')", json={})) == "PR404-OD-0001"


class TestKeys:
    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def _entity(od: Collection) -> None:
        od.create("Item", __id="key", name="by key")

    @pytest.mark.parametrize("key", ["('key')", "(__id='key')", "(%27key%27)", "( 'key' )", "(__id = 'key')"])
    def test_it_is_found_by_each_form_of_its_key(self, od: Collection, key: str) -> None:
        assert results(od.get(f"Item{key}"))["name"] == "by key"

    @pytest.mark.parametrize(
        "key",
        [
            "()",
            "(1)",
            "(1L)",
            "(key)",
            "(null)",
            "(__id=null)",
            "(')",
            "('key)",
            '("key")',
            "('key',)",
            "(name='by key')",
            "(__id='key',name='by key')",
            "(__id='key',__id='key')",
            "('key''",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "PUT", "MERGE", "DELETE"])
    def test_any_other_key_is_refused(self, od: Collection, method: str, key: str) -> None:
        assert code(od.call(method, f"Item{key}", json={})) == "PR400-OD-0004"

    @pytest.mark.parametrize("key", ["('KEY')", "('no')", "('')", "('a''b')", "('日本')", f"('{'x' * 1000}')"])
    @pytest.mark.parametrize("method", ["GET", "PUT", "MERGE", "DELETE"])
    def test_what_there_is_not_is_404_and_put_makes_nothing(self, od: Collection, method: str, key: str) -> None:
        assert code(od.call(method, f"Item{key}", json={})) == "PR404-OD-0002"
        assert code(od.get(f"Item{key}")) == "PR404-OD-0002"


class TestChange:
    @pytest.fixture
    def made(self, od: Collection) -> dict[str, Any]:
        made: dict[str, Any] = od.create("Item", name="old", count=1, kind="special", extra="dynamic")
        return made

    def test_put_says_all_there_is(self, od: Collection, made: dict[str, Any]) -> None:
        path = f"Item('{made['__id']}')"
        answer = od.call("PUT", path, json={"name": "new"})
        assert answer.status_code == 204
        assert not answer.content
        assert re.fullmatch(r'W/"2-\d{13}"', answer.headers["etag"])
        shown = results(od.get(path))
        assert shown.items() >= {"name": "new", "count": None, "kind": "plain", "extra": None}.items()
        assert shown["__metadata"]["etag"] == answer.headers["etag"]
        assert shown["__published"] == made["__published"]
        assert shown["__updated"] > made["__updated"]

    @pytest.mark.parametrize("method", ["MERGE", "PATCH"])
    def test_merge_keeps_what_it_does_not_mention(self, od: Collection, made: dict[str, Any], method: str) -> None:
        path = f"Item('{made['__id']}')"
        answer = od.call(method, path, json={"name": "new"})
        assert answer.status_code == 204
        shown = results(od.get(path))
        assert shown.items() >= {"name": "new", "count": 1, "kind": "special", "extra": "dynamic"}.items()
        assert shown["__metadata"]["etag"] == answer.headers["etag"]
        assert shown["__published"] == made["__published"]

    def test_merge_by_a_post_with_the_override(self, od: Collection, made: dict[str, Any]) -> None:
        path, override = f"Item('{made['__id']}')", {"X-HTTP-Method-Override": "MERGE"}
        assert od.call("POST", path, json={"count": 7}, headers=override).status_code == 204
        assert results(od.get(path)).items() >= {"name": "old", "count": 7}.items()

    @pytest.mark.parametrize("method", ["MERGE", "PATCH"])
    def test_an_explicit_null_is_the_default_or_null(self, od: Collection, made: dict[str, Any], method: str) -> None:
        path = f"Item('{made['__id']}')"
        assert od.call(method, path, json={"name": None, "kind": None, "extra": None}).status_code == 204
        shown = results(od.get(path))
        assert shown.items() >= {"name": None, "kind": "plain", "extra": None, "count": 1}.items()

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH"])
    @pytest.mark.parametrize("given", ["other", None, "not an id", 7])
    def test_the_id_in_the_url_counts(self, od: Collection, made: dict[str, Any], method: str, given: Any) -> None:
        path = f"Item('{made['__id']}')"
        assert od.call(method, path, json={"__id": given, "name": "same"}).status_code == 204
        assert results(od.get(path)).items() >= {"__id": made["__id"], "name": "same"}.items()
        assert code(od.get("Item('other')")) == "PR404-OD-0002"

    def test_delete_takes_it_away(self, od: Collection, made: dict[str, Any]) -> None:
        path = f"Item('{made['__id']}')"
        answer = od.call("DELETE", path)
        assert answer.status_code == 204
        assert not answer.content
        assert code(od.get(path)) == "PR404-OD-0002"
        assert code(od.call("DELETE", path)) == "PR404-OD-0002"

    @pytest.mark.parametrize("method", ["PUT", "MERGE"])
    def test_a_refused_change_changes_nothing(self, od: Collection, made: dict[str, Any], method: str) -> None:
        path = f"Item('{made['__id']}')"
        assert code(od.call(method, path, json={"name": "new", "count": "many"})) == "PR400-OD-0006"
        assert results(od.get(path)).items() >= {"name": "old", "count": 1}.items()
        assert results(od.get(path))["__metadata"]["etag"] == made["__metadata"]["etag"]


class TestETags:
    @pytest.fixture
    def etag(self, alone: Collection) -> str:
        return str(alone.create("Item", __id="a", name="old")["__metadata"]["etag"])

    def ask(self, od: Collection, method: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return od.call(method, "Item('a')", json={"name": "new"}, headers={**JSON, **named})

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH", "DELETE"])
    def test_the_right_one_or_a_star_lets_change(self, alone: Collection, method: str, etag: str) -> None:
        assert self.ask(alone, method, If_Match=etag).status_code == 204
        if method != "DELETE":
            assert self.ask(alone, method, If_Match="*").status_code == 204

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH", "DELETE"])
    def test_any_other_does_not(self, alone: Collection, method: str, etag: str) -> None:
        weak = etag.removeprefix("W/")
        version, updated = weak.strip('"').split("-")
        others = (weak, f'W/"{version}-0"', f'W/"2-{updated}"', 'W/"x"', "x", version)
        for bad in (*others, f"{etag}x", f"x{etag}", f"{etag};q=1", f"*, {etag}"):
            assert code(self.ask(alone, method, If_Match=bad)) == "PR412-OD-0002", bad
        assert results(alone.get("Item('a')"))["name"] == "old"

    def test_it_changes_with_every_change_and_is_told_by_each_answer(self, alone: Collection, etag: str) -> None:
        seen = [etag]
        for method in ("PUT", "MERGE", "PATCH"):
            answer = self.ask(alone, method, If_Match=seen[-1])
            seen.append(answer.headers["etag"])
            assert alone.get("Item('a')").headers["etag"] == seen[-1]
            assert results(alone.get("Item"))[0]["__metadata"]["etag"] == seen[-1]
        assert len(set(seen)) == 4
        assert [each.partition("-")[0] for each in seen] == [f'W/"{version}' for version in (1, 2, 3, 4)]

    def test_a_missing_entity_is_404_whatever_the_tag(self, alone: Collection) -> None:
        assert code(self.ask(alone, "PUT", If_Match='W/"1-1"')) == "PR404-OD-0002"
        assert code(self.ask(alone, "DELETE", If_Match='W/"1-1"')) == "PR404-OD-0002"

    def test_if_none_match_on_get_is_304_without_a_body(self, alone: Collection, etag: str) -> None:
        answer = self.ask(alone, "GET", If_None_Match=etag)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert self.ask(alone, "GET", If_None_Match='W/"9-9"').status_code == 200
        self.ask(alone, "MERGE")
        assert self.ask(alone, "GET", If_None_Match=etag).status_code == 200

    def test_one_that_is_made_again_has_another(self, alone: Collection, etag: str) -> None:
        self.ask(alone, "DELETE")
        again = alone.create("Item", __id="a", name="old")["__metadata"]["etag"]
        assert again != etag


class TestMethods:
    def test_options_names_the_methods(self, od: Collection) -> None:
        for path, methods in [
            ("Item", {"GET", "POST"}),
            ("Item('nobody')", {"GET", "PUT", "MERGE", "DELETE", "PATCH"}),
            ("$metadata", {"GET"}),
        ]:
            answer = od.call("OPTIONS", path)
            assert answer.status_code == 200
            assert set(answer.headers["allow"].split(", ")) == {*methods, "OPTIONS", "HEAD"}, path

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "Item"),
            ("DELETE", "Item"),
            ("MERGE", "Item"),
            ("POST", "Item('key')"),
            ("PROPFIND", "Item"),
            ("MKCOL", "Item"),
            ("POST", "$metadata"),
            ("DELETE", "$metadata"),
            ("PUT", "Item('key')/name"),
            ("DELETE", "Item('key')/name/$value"),
            ("POST", "Item/$count"),
            ("GET", "$batch"),
        ],
    )
    def test_what_is_not_served_is_405(self, od: Collection, method: str, path: str) -> None:
        answer = od.call(method, path, json={})
        assert code(answer) == "PR405-MC-0001"

    @pytest.mark.parametrize("path", ["Item/x", "Item/x/y", "$unknown", "Item('key')/$links", "$metadata/$count"])
    def test_what_leads_nowhere_is_404(self, od: Collection, path: str) -> None:
        assert od.get(path).status_code == 404

    def test_head_is_get_without_a_body(self, od: Collection) -> None:
        od.create("Item", __id="head")
        for path in ("Item", "Item('head')", "$metadata", "Item/$count"):
            head, whole = od.call("HEAD", path, headers=JSON), od.get(path)
            assert (head.status_code, head.content) == (200, b""), path
            assert head.headers.get("etag") == whole.headers.get("etag")
            assert head.headers["content-type"] == whole.headers["content-type"]


class TestDynamicProperties:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [(1, "Edm.Double"), (1.5, "Edm.Double"), (True, "Edm.Boolean"), ("x", "Edm.String"), (None, "Edm.String")],
    )
    def test_the_first_value_declares_it(self, alone: Collection, value: Any, kind: str) -> None:
        made = alone.create("Item", __id="a", dynamic=value)
        assert made["dynamic"] == value if value is not None else made.get("dynamic") is None
        assert results(alone.get("Item('a')"))["dynamic"] == value
        declared = results(alone.get(prop_path("Item", "dynamic")))
        assert (
            declared.items()
            >= {
                "Type": kind,
                "IsDeclared": False,
                "Nullable": True,
                "CollectionKind": "None",
                "DefaultValue": None,
            }.items()
        )
        assert 'Name="dynamic"' in alone.get("$metadata").text

    @pytest.mark.parametrize("method", ["PUT", "MERGE"])
    def test_a_change_declares_too(self, alone: Collection, method: str) -> None:
        alone.create("Item", __id="a", name="n")
        assert alone.call(method, "Item('a')", json={"dynamic": 7}).status_code == 204
        assert results(alone.get("Item('a')"))["dynamic"] == 7
        assert results(alone.get(prop_path("Item", "dynamic")))["Type"] == "Edm.Double"

    @pytest.mark.parametrize(
        ("first", "good", "bad"),
        [
            (1, ["2", 2.5, None, -1e10], ["x", True, "1,5"]),
            (True, [False, "true", None], ["x", 1, 0]),
            ("x", [1, True, "", None, 1.5], []),
            (None, ["x", 1, False], []),
        ],
    )
    def test_the_first_type_wins(self, alone: Collection, first: Any, good: list[Any], bad: list[Any]) -> None:
        alone.create("Item", dynamic=first)
        for value in good:
            assert alone.post("Item", {"dynamic": value}).status_code == 201, value
        for value in [*bad, [], ["x"], {}, {"a": 1}]:
            answer = alone.post("Item", {"dynamic": value})
            assert code(answer) == "PR400-OD-0006", value
            assert names_field(answer, "dynamic")

    @pytest.mark.parametrize("value", [[], ["x"], [1], {}, {"a": 1}])
    def test_lists_and_objects_declare_nothing(self, alone: Collection, value: Any) -> None:
        answer = alone.post("Item", {"dynamic": value})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "dynamic")
        assert code(alone.get(prop_path("Item", "dynamic"))) == "PR404-OD-0002"

    @pytest.mark.parametrize("name", ["", "_x", "-x", "a b", "a.b", "日本", "n" * 129, "a'", 'a"', "__x", "$x"])
    def test_a_name_is_one_of_a_property(self, alone: Collection, name: str) -> None:
        answer = alone.post("Item", {name: "x"})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, name)
        assert alone.get("Item/$count").text == "0"

    @pytest.mark.parametrize("name", ["a", "7", "A-b_9", "n" * 128, "eq", "null", "Name"])
    def test_odd_names_are_kept(self, alone: Collection, name: str) -> None:
        assert alone.create("Item", **{name: "x"})[name] == "x"

    def test_all_show_it_but_the_one_just_made_without(self, alone: Collection) -> None:
        alone.create("Item", __id="a")
        alone.create("Item", __id="b", dynamic="x")
        assert {each["__id"]: each["dynamic"] for each in results(alone.get("Item"))} == {"a": None, "b": "x"}
        assert results(alone.get("Item('a')"))["dynamic"] is None
        assert "dynamic" not in alone.create("Item", __id="c")
        assert alone.create("Item", __id="d", name=None)["name"] is None

    def test_a_refused_entity_declares_nothing(self, alone: Collection) -> None:
        alone.create("Item", __id="a")
        assert code(alone.post("Item", {"__id": "b", "count": "x", "dynamic": 1})) == "PR400-OD-0006"
        assert code(alone.post("Item", {"__id": "a", "dynamic": 1})) == "PR409-OD-0003"
        stale = {"If-Match": 'W/"9-9"'}
        assert alone.call("MERGE", "Item('a')", json={"dynamic": 1}, headers=stale).status_code == 412
        assert alone.call("MERGE", "Item('no')", json={"dynamic": 1}).status_code == 404
        assert code(alone.get(prop_path("Item", "dynamic"))) == "PR404-OD-0002"

    def test_many_may_be_new_at_once(self, alone: Collection) -> None:
        values = {f"p{number}": number for number in range(100)}
        alone.create("Item", __id="a", **values)
        assert results(alone.get("Item('a')")).items() >= values.items()
        assert alone.get("Item/$count", filter="p99 eq 99 and p0 eq 0").text == "1"

    def test_it_stays_when_nothing_has_a_value_of_it(self, alone: Collection) -> None:
        alone.create("Item", __id="a", dynamic=1)
        alone.call("DELETE", "Item('a')")
        assert results(alone.get(prop_path("Item", "dynamic")))["IsDeclared"] is False
        assert code(alone.post("Item", {"dynamic": "x"})) == "PR400-OD-0006"

    def test_what_is_declared_already_cannot_be_declared_again(self, alone: Collection) -> None:
        alone.create("Item", dynamic=1)
        body = {"Name": "dynamic", "_EntityType.Name": "Item", "Type": "Edm.String"}
        assert code(alone.post(f"{SCHEMA}Property", body)) == "PR409-OD-0003"


class TestUniqueKeys:
    @pytest.fixture
    def keyed(self, cell: Site) -> Collection:
        made = Collection.make(cell)
        made.entity_type("Item", free="Edm.String")
        made.prop("Item", "country", IsKey=True)
        made.prop("Item", "number", "Edm.Int32", IsKey=True)
        made.prop("Item", "mail", UniqueKey="contact")
        made.prop("Item", "phone", UniqueKey="contact")
        made.prop("Item", "badge", "Edm.Int32", UniqueKey="badge")
        return made

    def test_key_properties_are_unique_together(self, keyed: Collection) -> None:
        keyed.create("Item", country="jp", number=1)
        keyed.create("Item", country="jp", number=2)
        keyed.create("Item", country="de", number=1)
        assert code(keyed.post("Item", {"country": "jp", "number": "1"})) == "PR409-OD-0003"
        assert keyed.get("Item/$count").text == "3"

    def test_properties_of_one_unique_key_are_unique_together(self, keyed: Collection) -> None:
        keyed.create("Item", mail="a", phone="1", badge=1)
        keyed.create("Item", mail="a", phone="2", badge=2)
        assert code(keyed.post("Item", {"mail": "a", "phone": "1", "badge": 3})) == "PR409-OD-0003"
        assert code(keyed.post("Item", {"mail": "b", "phone": "1", "badge": 1})) == "PR409-OD-0003"
        keyed.create("Item", mail="b", phone="1", badge=3)

    def test_with_a_null_among_them_any_may(self, keyed: Collection) -> None:
        for _ in range(2):
            keyed.create("Item", country="jp", mail="a")
            keyed.create("Item", free="x")

    @pytest.mark.parametrize("method", ["PUT", "MERGE"])
    def test_a_change_may_not_take_what_is_another_ones(self, keyed: Collection, method: str) -> None:
        keyed.create("Item", __id="a", country="jp", number=1, badge=1)
        keyed.create("Item", __id="b", country="jp", number=2, badge=2)
        body = {"country": "jp", "number": 1, "badge": 2}
        assert code(keyed.call(method, "Item('b')", json=body)) == "PR409-OD-0003"
        assert code(keyed.call("MERGE", "Item('b')", json={"badge": 1})) == "PR409-OD-0003"
        assert results(keyed.get("Item('b')")).items() >= {"number": 2, "badge": 2}.items()
        assert keyed.call(method, "Item('a')", json={**body, "badge": 1}).status_code == 204

    def test_what_is_given_up_is_free(self, keyed: Collection) -> None:
        keyed.create("Item", __id="a", badge=1)
        keyed.call("MERGE", "Item('a')", json={"badge": 2})
        keyed.create("Item", __id="b", badge=1)
        keyed.call("DELETE", "Item('b')")
        keyed.create("Item", badge=1)

    def test_another_set_knows_nothing_of_it(self, keyed: Collection) -> None:
        keyed.entity_type("Other")
        keyed.prop("Other", "badge", "Edm.Int32", UniqueKey="badge")
        keyed.create("Item", badge=1)
        keyed.create("Other", badge=1)
        assert code(keyed.post("Other", {"badge": 1})) == "PR409-OD-0003"

    @pytest.mark.parametrize(
        ("kind", "one", "same"),
        [
            ("Edm.String", "", ""),
            ("Edm.String", "é", "é"),
            ("Edm.Boolean", True, "true"),
            ("Edm.Single", 1.0, 1),
            ("Edm.Double", 1e20, "100000000000000000000"),
            ("Edm.DateTime", "/Date(0)/", "\\/Date(0)\\/"),
        ],
    )
    def test_values_of_every_type_may_be_unique(self, alone: Collection, kind: str, one: Any, same: Any) -> None:
        alone.prop("Item", "unique", kind, UniqueKey="u")
        alone.create("Item", unique=one)
        body = f'{{"unique": "{same}"}}' if isinstance(same, str) else f'{{"unique": {same}}}'
        assert code(alone.call("POST", "Item", content=body.encode())) == "PR409-OD-0003"
