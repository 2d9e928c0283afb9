"""COPY and MOVE over HTTP: what goes along, what may be replaced, who may, and how it is told, in both semantics."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.odata_site import Collection
from tests.running import RunningUnit, Site, running

PERSONIUM = "urn:x-personium:xmlns"
AUTHOR = (
    '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z"><D:set><D:prop><Z:Author>Ann</Z:Author></D:prop></D:set>'
    "</D:propertyupdate>"
)


def mkcol(kind: str) -> str:
    return (
        f'<D:mkcol xmlns:D="DAV:" xmlns:p="{PERSONIUM}"><D:set><D:prop><D:resourcetype>'
        f"<D:collection/><p:{kind}/></D:resourcetype></D:prop></D:set></D:mkcol>"
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def carry(
    cell: Site, verb: str, source: str, goal: str, *, token: str | None = None, **headers: str
) -> httpx.Response:
    options = {} if token is None else {"token": token}
    return cell.call(verb, source, headers={"Destination": f"{cell.url}{goal}", **headers}, **options)


@pytest.fixture(scope="module")
def rfc_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit where RFC 4918 has the last word."""
    options = {"dav.semantics": "rfc4918", "limits.depth": 4, "limits.children": 5}
    with running(tmp_path_factory.mktemp("rfc") / "data", **options) as unit:
        yield unit


@pytest.fixture
def rfc(rfc_unit: RunningUnit) -> Site:
    """A fresh cell of that unit."""
    return rfc_unit.cell()


class TestCopy:
    def test_a_copy_has_the_bytes_and_properties_and_goes_its_own_way(self, cell: Site) -> None:
        body = b"x" * 100_000
        cell.call("PUT", "__/a", content=body, headers={"Content-Type": "text/x"})
        cell.call("PROPPATCH", "__/a", content=AUTHOR)
        answer = carry(cell, "COPY", "__/a", "__/b")
        assert (answer.status_code, answer.headers["location"]) == (201, f"{cell.url}__/b")
        assert answer.headers["etag"].startswith('"1-')
        cell.call("PUT", "__/a", content=b"other")
        copy = cell.call("GET", "__/b")
        assert (copy.content, copy.headers["content-type"], copy.headers["etag"]) == (
            body,
            "text/x",
            answer.headers["etag"],
        )
        assert b"Ann" in cell.call("PROPFIND", "__/b", headers={"Depth": "0"}).content
        cell.call("DELETE", "__/b")
        assert cell.call("GET", "__/a").content == b"other"

    def test_a_blob_stays_until_its_last_file_goes(self, cell: Site) -> None:
        body = b"y" * 100_000
        cell.call("PUT", "__/a", content=body)
        for goal in ("__/b", "__/c"):
            assert carry(cell, "COPY", "__/a", goal).status_code == 201
        for name in ("__/a", "__/b"):
            cell.call("DELETE", name)
            assert cell.call("GET", "__/c").content == body

    def test_a_collection_is_copied_with_all_that_is_below(self, cell: Site) -> None:
        for path in ("__/c", "__/c/d"):
            cell.call("MKCOL", path)
        cell.call("PUT", "__/c/d/f", content=b"1")
        cell.acl("__/c/d", {"all": "read"})
        assert carry(cell, "COPY", "__/c", "__/e").status_code == 201
        assert cell.call("GET", "__/e/d/f", token=None).content == b"1"
        cell.call("PUT", "__/c/d/f", content=b"2")
        assert cell.call("GET", "__/e/d/f").content == b"1"

    def test_depth_0_copies_a_collection_alone_even_into_itself(self, cell: Site) -> None:
        cell.call("MKCOL", "__/c")
        cell.call("PUT", "__/c/f", content=b"1")
        cell.call("PROPPATCH", "__/c", content=AUTHOR)
        for goal in ("__/alone", "__/c/inside"):
            assert carry(cell, "COPY", "__/c", goal, Depth="0").status_code == 201
            assert b"Ann" in cell.call("PROPFIND", goal, headers={"Depth": "1"}).content
            assert cell.call("GET", f"{goal}/f").status_code == 404

    @pytest.mark.parametrize("depth", ["0", "infinity"])
    def test_a_service_comes_with_its_source_collection(self, cell: Site, depth: str) -> None:
        cell.call("MKCOL", "__/s", content=mkcol("service"))
        cell.call("PUT", "__/s/__src/a.js", content=b"1")
        assert carry(cell, "COPY", "__/s", "__/t", Depth=depth).status_code == 201
        found = cell.call("GET", "__/t/__src/a.js")
        assert found.status_code == (200 if depth == "infinity" else 404)
        assert cell.call("PUT", "__/t/__src/b.js", content=b"2").status_code == 201

    def test_an_odata_collection_comes_with_schema_entities_and_links(self, cell: Site) -> None:
        cell.call("MKCOL", "__/c")
        shop = Collection.make(cell, "__/c/shop")
        shop.entity_type("Person", name="Edm.String", age="Edm.Int32")
        shop.entity_type("Club", name="Edm.String")
        shop.relate("Person", "*", "Club", "*")
        shop.entity_type("Order", title="Edm.String")
        shop.relate("Person", "0..1", "Order", "*")
        shop.post("Person", {"__id": "ann", "name": "Ann", "age": 5})
        shop.post("Club", {"__id": "go", "name": "Go"})
        shop.link("Person('ann')", "Club('go')")
        shop.post("Person('ann')/_Order", {"__id": "o1", "title": "Tea"})
        assert carry(cell, "COPY", "__/c", "__/d").status_code == 201
        twin = Collection(cell, "__/d/shop")
        assert [each["name"] for each in twin.get("Person", filter="age eq 5").json()["d"]["results"]] == ["Ann"]
        for path in ("Person('ann')/_Club", "Person('ann')/_Order", "Club('go')/_Person"):
            assert len(twin.get(path).json()["d"]["results"]) == 1, path
        twin.call("DELETE", "Person('ann')/$links/_Order('o1')")
        twin.call("DELETE", "Order('o1')")
        assert twin.get("Order").json()["d"]["results"] == []
        assert len(shop.get("Person('ann')/_Order").json()["d"]["results"]) == 1
        assert shop.call("GET", "$metadata").text.count("EntityType Name") == 3
        assert twin.call("GET", "$metadata").text == shop.call("GET", "$metadata").text

    @pytest.mark.parametrize(
        ("source", "goal", "expected"),
        [
            ("__", "__/x", (400, "PR400-DV-0015")),
            ("__/none", "__/x", (404, "PR404-DV-0001")),
            ("__/f", "__/f", (403, "PR403-DV-0005")),
            ("__/f", "__/no/x", (409, "PR409-DV-0001")),
            ("__/f", "__/od/x", (400, "PR400-DV-0013")),
            ("__/f", "__/s/x", (400, "PR400-DV-0016")),
            ("__/c", "__/f/x", (400, "PR400-DV-0014")),
            ("__/c", "__/s/__src/x", (400, "PR400-DV-0018")),
            ("__/s/__src", "__/x", (400, "PR400-DV-0011")),
            ("__/c", "__/c/inside", (400, "PR400-DV-0009")),
            ("__/f", "__/a%20b", (403, "PR403-DV-0004")),
            ("__/f", "__/g", (412, "PR412-DV-0002")),
        ],
    )
    def test_copies_that_cannot_be(self, cell: Site, source: str, goal: str, expected: tuple[int, str]) -> None:
        cell.call("MKCOL", "__/c")
        for name in ("f", "g"):
            cell.call("PUT", f"__/{name}", content=b"1")
        cell.call("MKCOL", "__/s", content=mkcol("service"))
        cell.call("MKCOL", "__/od", content=mkcol("odata"))
        assert code(carry(cell, "COPY", source, goal)) == expected

    def test_overwriting_takes_an_etag_that_neither_had_and_a_condition_is_heeded(self, cell: Site) -> None:
        etags = {cell.call("PUT", f"__/{name}", content=name.encode()).headers["etag"] for name in "ab"}
        assert code(carry(cell, "COPY", "__/a", "__/b", Overwrite="T", **{"If-Match": '"9-9"'})) == (
            412,
            "PR412-DV-0001",
        )
        answer = carry(cell, "COPY", "__/a", "__/b", Overwrite="T")
        assert answer.status_code == 204
        assert answer.headers["etag"] not in etags
        assert [cell.call("GET", f"__/{name}").content for name in "ab"] == [b"a", b"a"]

    def test_options_names_it_with_and_without_credentials(self, cell: Site) -> None:
        cell.call("PUT", "__/x", content=b"1")
        assert "COPY" in cell.call("OPTIONS", "__/x").headers["allow"]
        assert "COPY" in cell.http.options(f"{cell.url}__/x").headers["access-control-allow-methods"]


class TestWhoMay:
    """Read on the source with all below it, bind on the collection that it comes into, unbind where one goes."""

    def site(self, cell: Site) -> str:
        cell.account("alice", roles=("r",))
        for path in ("__/from", "__/from/deep", "__/to"):
            cell.call("MKCOL", path)
        for path in ("__/from/f", "__/from/deep/f", "__/to/old"):
            cell.call("PUT", path, content=b"1")
        return cell.token("alice")

    @pytest.mark.parametrize(
        ("verb", "source", "goal", "statuses"),
        [
            ("COPY", "read", "bind", (201, 403)),
            ("COPY", "read", "bind unbind", (201, 204)),
            ("COPY", "read", "unbind", (403, 403)),
            ("COPY", "read-properties", "bind unbind", (403, 403)),
            ("COPY", "unbind", "bind unbind", (403, 403)),
            ("MOVE", "unbind", "bind", (201, 403)),
            ("MOVE", "unbind", "bind unbind", (201, 204)),
            ("MOVE", "read", "bind unbind", (403, 403)),
            ("MOVE", "unbind", "unbind", (403, 403)),
        ],
    )
    def test_each_needs_its_privileges_on_both_sides(
        self, cell: Site, verb: str, source: str, goal: str, statuses: tuple[int, int]
    ) -> None:
        token = self.site(cell)
        cell.acl("__/from", {"r": source})
        cell.acl("__/to", {"r": goal})
        found = [carry(cell, verb, "__/from/f", "__/to/new", token=token).status_code]
        cell.call("PUT", "__/from/f", content=b"1")
        found.append(carry(cell, verb, "__/from/f", "__/to/old", token=token, Overwrite="T").status_code)
        assert tuple(found) == statuses

    def test_what_is_closed_further_down_is_not_copied_by_way_of_what_is_open(self, cell: Site) -> None:
        token = self.site(cell)
        cell.acl("__", {"r": "read bind"})
        assert carry(cell, "COPY", "__/from", "__/to/a", token=token).status_code == 201
        cell.acl("__/from/deep", {}, authz="confidential")
        assert carry(cell, "COPY", "__/from", "__/to/b", token=token).status_code == 403
        assert carry(cell, "COPY", "__/from", "__/to/c", token=token, Depth="0").status_code == 201


class TestRfc4918:
    @pytest.mark.parametrize("verb", ["COPY", "MOVE"])
    def test_what_is_there_is_replaced_unless_the_client_forbids_it(self, rfc: Site, verb: str) -> None:
        rfc.call("MKCOL", "__/c")
        rfc.call("MKCOL", "__/d")
        rfc.call("PUT", "__/c/new", content=b"1")
        rfc.call("PUT", "__/d/old", content=b"1")
        assert code(carry(rfc, verb, "__/c", "__/d", Overwrite="F")) == (412, "PR412-DV-0002")
        assert carry(rfc, verb, "__/c", "__/d").status_code == 204
        assert [rfc.call("GET", f"__/d/{name}").status_code for name in ("new", "old")] == [200, 404]
        assert rfc.call("GET", "__/c/new").status_code == (200 if verb == "COPY" else 404)

    @pytest.mark.parametrize("verb", ["COPY", "MOVE"])
    def test_a_collection_does_not_replace_one_that_it_is_in(self, rfc: Site, verb: str) -> None:
        for path in ("__/c", "__/c/d"):
            rfc.call("MKCOL", path)
        assert code(carry(rfc, verb, "__/c/d", "__/c")) == (400, "PR400-DV-0009")
        assert code(carry(rfc, verb, "__/c", "__/c/d/e")) == (400, "PR400-DV-0009")
        assert rfc.call("GET", "__/c/d").status_code == 200

    def test_files_that_come_for_others_of_the_same_name_repeat_no_etag(self, rfc: Site) -> None:
        rfc.call("MKCOL", "__/c")
        rfc.call("PUT", "__/c/f", content=b"0")
        seen = []
        for _ in range(20):
            assert carry(rfc, "COPY", "__/c", "__/d").status_code in {201, 204}
            seen.append(rfc.call("GET", "__/d/f").headers["etag"])
        assert len(set(seen)) == len(seen)

    def test_limits_hold_where_it_comes_to(self, rfc: Site) -> None:
        for path in ("__/a", "__/a/b", "__/a/b/c", "__/full"):
            rfc.call("MKCOL", path)
        assert code(carry(rfc, "COPY", "__/a", "__/full/a/b")) == (409, "PR409-DV-0001")
        rfc.call("MKCOL", "__/full/x")
        assert code(carry(rfc, "COPY", "__/a", "__/full/x/a")) == (400, "PR400-DV-0008")
        for number in range(4):
            rfc.call("PUT", f"__/full/{number}", content=b"1")
        assert code(carry(rfc, "COPY", "__/full/0", "__/full/5")) == (400, "PR400-DV-0007")
        assert carry(rfc, "MOVE", "__/full/0", "__/full/5").status_code == 201
        assert carry(rfc, "COPY", "__/full/1", "__/full/5").status_code == 204

    @pytest.mark.parametrize(
        "destination", ["http://elsewhere.example/__/x", "/other-cell/__/x", "https://localhost/__/x", "/x"]
    )
    def test_a_destination_elsewhere_is_502(self, rfc: Site, destination: str) -> None:
        rfc.call("PUT", "__/f", content=b"1")
        answer = rfc.call("COPY", "__/f", headers={"Destination": destination})
        assert code(answer) == (502, "PR502-DV-0001")

    @pytest.mark.parametrize("destination", ["__/%zz", "__/../x", "__/a%2fb/%00", "__"])
    def test_a_destination_that_names_nothing_is_400(self, rfc: Site, destination: str) -> None:
        rfc.call("PUT", "__/f", content=b"1")
        assert carry(rfc, "COPY", "__/f", destination).status_code in {400, 502}

    def test_a_full_collection_goes_without_being_asked_twice(self, rfc: Site) -> None:
        rfc.call("MKCOL", "__/c")
        rfc.call("PUT", "__/c/f", content=b"1")
        assert rfc.call("DELETE", "__/c").status_code == 204
        assert rfc.call("GET", "__/c/f").status_code == 404

    def test_mkcol_takes_xml_and_refuses_other_bodies(self, rfc: Site) -> None:
        answer = rfc.call("MKCOL", "__/c", content=b"afafafaf", headers={"Content-Type": "xzy-foo/bar-512"})
        assert code(answer) == (415, "PR415-MC-0001")
        headers = {"Content-Type": "application/xml; charset=utf-8"}
        assert rfc.call("MKCOL", "__/c", content=mkcol("odata"), headers=headers).status_code == 201

    def test_options_says_which_classes_are_served(self, rfc: Site) -> None:
        assert "3" in rfc.call("OPTIONS", "__").headers["dav"].split(", ")
