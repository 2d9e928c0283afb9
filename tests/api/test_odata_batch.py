"""``$batch`` over HTTP: what it takes, what it refuses as a whole, and how each of its requests is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api import batches
from tests.api.batches import BOUNDARY, CHANGESET, Part, answers, body_of, changeset, parts, post, request, statuses
from tests.api.controls import code_of, in_role, results
from tests.running import RunningUnit, Site, running


@pytest.fixture(scope="module")
def world(unit: RunningUnit) -> tuple[Site, str]:
    """A cell with a collection that holds one person, Ada; tests leave her as she is, and use ids of their own."""
    cell = unit.cell()
    path = batches.collection(cell)
    assert cell.call("POST", f"{path}Person", json={"__id": "ada", "age": 36, "name": "Ada"}).status_code == 201
    return cell, path


@pytest.fixture
def fresh(cell: Site) -> tuple[Site, str]:
    """A cell with an empty collection."""
    return cell, batches.collection(cell)


def raw(world: tuple[Site, str], body: str | bytes, kind: str | None) -> httpx.Response:
    cell, path = world
    headers = {} if kind is None else {"Content-Type": kind}
    return cell.call("POST", f"{path}$batch", content=body, headers=headers)


def ids(cell: Site, path: str, entity_set: str = "Person", **options: str) -> list[str]:
    params = {"$top": "10000", **{f"${name}": value for name, value in options.items()}}
    return [each["__id"] for each in results(cell.call("GET", f"{path}{entity_set}", params=params))]


KIND = f"multipart/mixed; boundary={BOUNDARY}"
GET_ADA = request("GET", "Person('ada')")


class TestWhole:
    """What is wrong with the form of a batch is answered by 400, and nothing of it is done."""

    @pytest.mark.parametrize(
        ("broken", "code"),
        [
            (GET_ADA.replace("Content-Type: application/http\n", ""), "PR400-OD-0021"),
            (GET_ADA.replace("application/http", "application/json"), "PR400-OD-0021"),
            (GET_ADA.replace("application/http", "text/plain"), "PR400-OD-0021"),
            (changeset([GET_ADA.replace("application/http", "text/plain")]), "PR400-OD-0021"),
            (changeset([changeset([GET_ADA], "inner")]), "PR400-OD-0022"),
            (changeset([GET_ADA]).replace(f"; boundary={CHANGESET}", ""), "PR400-OD-0023"),
            (changeset([GET_ADA]).removesuffix(f"--{CHANGESET}--"), "PR400-OD-0023"),
            (request("OPTIONS", "Person"), "PR400-OD-0035"),
            (request("HEAD", "Person('ada')"), "PR400-OD-0035"),
            (request("PROPFIND", "Person"), "PR400-OD-0035"),
            (request("get", "Person"), "PR400-OD-0035"),
            (request("POST", "Person", X_HTTP_Method="PROPFIND"), "PR400-OD-0035"),
            (request("POST", "Person('ada')", {}), "PR400-OD-0034"),
            (request("PUT", "Person", {}), "PR400-OD-0034"),
            (request("MERGE", "Person", {}), "PR400-OD-0034"),
            (request("PATCH", "Person", {}), "PR400-OD-0034"),
            (request("DELETE", "Person"), "PR400-OD-0034"),
            (request("GET", ""), "PR400-OD-0034"),
            (request("GET", "https://elsewhere.example/Person('ada')"), "PR400-OD-0034"),
            (request("GET", "Person/$count"), "PR400-OD-0034"),
            (request("GET", "$metadata"), "PR400-OD-0034"),
            (request("GET", "$batch"), "PR400-OD-0034"),
            (request("POST", "$1/_Order", {}), "PR400-OD-0034"),
            (request("GET", "Person('ada')/age"), "PR400-OD-0034"),
            (request("GET", "Person('a/da')"), "PR400-OD-0034"),
            (request("GET", "Person('a da')"), "PR400-OD-0034"),
        ],
    )
    def test_a_form_that_is_wrong_keeps_all_from_being_done(
        self, world: tuple[Site, str], broken: str, code: str
    ) -> None:
        cell, path = world
        create = request("POST", "Person", {"__id": "never"})
        for items in ((create, broken), (broken, create), (create, [create], broken)):
            assert code_of(post(cell, path, *items)) == code
        assert code_of(cell.call("GET", f"{path}Person('never')")) == "PR404-OD-0002"

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ("", KIND),
            ("\n", KIND),
            ("no batch", KIND),
            (body_of(GET_ADA).removesuffix(f"--{BOUNDARY}--\n"), KIND),
            (body_of(GET_ADA, boundary="other"), KIND),
            (body_of(GET_ADA), "multipart/mixed"),
            (body_of(GET_ADA), "multipart/mixed; boundary="),
            (body_of(GET_ADA), f"multipart/form-data; boundary={BOUNDARY}"),
            (body_of(GET_ADA), "application/json"),
            (body_of(GET_ADA), None),
        ],
    )
    def test_what_is_no_batch_is_refused(self, world: tuple[Site, str], body: str, kind: str | None) -> None:
        assert code_of(raw(world, body, kind)) == "PR400-OD-0023"

    def test_all_tops_together_are_bounded(self, world: tuple[Site, str]) -> None:
        cell, path = world
        half = request("GET", "Person?$top=5000")
        assert statuses(post(cell, path, half, half)) == [200, 200]
        assert code_of(post(cell, path, half, half, request("GET", "Person?$top=1"))) == "PR400-OD-0037"
        assert code_of(post(cell, path, half, [request("GET", "Person?%24top=5001")])) == "PR400-OD-0037"

    def test_only_post_is_served(self, world: tuple[Site, str]) -> None:
        cell, path = world
        for method in ("GET", "PUT", "DELETE", "MERGE"):
            answer = cell.call(method, f"{path}$batch")
            assert (code_of(answer), answer.headers["allow"]) == ("PR405-MC-0001", "POST")

    def test_a_body_beyond_the_limit_is_refused(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.batch_bytes": 10_000}) as unit:
            cell = unit.cell()
            path = batches.collection(cell)
            large = request("POST", "Person", {"__id": "x", "text": "x" * 10_000})
            assert code_of(post(cell, path, large)) == "PR413-CM-0001"
            assert statuses(post(cell, path, request("POST", "Person", {"__id": "x"}))) == [201]

    def test_what_is_found_is_bounded_in_one_list_and_in_all_of_a_batch(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.answer_bytes": 64 * 1024}) as unit:
            cell = unit.cell()
            path = batches.collection(cell)
            for number in range(10):
                made = cell.call("POST", f"{path}Person", json={"__id": f"p{number}", "text": "x" * 10_000})
                assert made.status_code == 201
            for _ in range(2):  # what is remembered counts too
                assert cell.call("GET", f"{path}Person?$top=6").status_code == 200
                refused = cell.call("GET", f"{path}Person?$top=7")
                assert (refused.status_code, code_of(refused)) == (400, "PR400-OD-0052")
                assert "65536 bytes" in refused.text
            reads = [request("GET", f"Person('p{number}')") for number in range(10)]
            found = parts(post(cell, path, *reads, request("POST", "Person", {"__id": "new"})))
            assert [each.status for each in found] == [200] * 7 + [400] * 3 + [201]
            assert "PR400-OD-0052" in found[-2].body

    def test_a_batch_of_nothing_is_answered_by_nothing(self, world: tuple[Site, str]) -> None:
        assert answers(raw(world, f"--{BOUNDARY}--\n", KIND)) == []

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize(
        "kind", [KIND, f'multipart/mixed; boundary="{BOUNDARY}"', f"Multipart/Mixed;boundary={BOUNDARY}"]
    )
    def test_line_ends_and_spellings_do_not_matter(self, world: tuple[Site, str], newline: str, kind: str) -> None:
        body = body_of(GET_ADA, [GET_ADA]).replace("\n", newline)
        assert statuses(raw(world, body, kind)) == [200, [200]]


class TestForms:
    """Each form of request is answered as it would be by itself."""

    def test_a_create(self, world: tuple[Site, str]) -> None:
        cell, path = world
        (made,) = parts(post(cell, path, request("POST", "Person", {"__id": "made", "age": "7", "name": "山田"})))
        url = f"{cell.url}{path}Person('made')"
        assert (made.status, made.reason, made.outer) == (201, "Created", {"Content-Type": "application/http"})
        assert made.headers["Location"] == url and made.headers["DataServiceVersion"] == "2.0"
        assert made.headers["Content-Type"] == "application/json"
        assert (made.results["age"], made.results["name"]) == (7, "山田")
        shown = results(cell.call("GET", f"{path}Person('made')"))
        assert made.results["__metadata"] == shown["__metadata"]
        assert made.headers["ETag"] == shown["__metadata"]["etag"]

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH"])
    def test_a_change(self, world: tuple[Site, str], method: str) -> None:
        cell, path = world
        key = f"changed-{method.lower()}"
        cell.call("POST", f"{path}Person", json={"__id": key, "age": 1, "name": "n"})
        (changed,) = parts(post(cell, path, request(method, f"Person('{key}')", {"age": 2})))
        shown = results(cell.call("GET", f"{path}Person('{key}')"))
        assert (changed.status, changed.reason, changed.body.strip()) == (204, "No Content", "")
        assert changed.headers["ETag"] == shown["__metadata"]["etag"]
        assert (shown["age"], shown["name"]) == (2, None if method == "PUT" else "n")

    @pytest.mark.parametrize("header", ["X_HTTP_Method", "X_HTTP_Method_Override"])
    def test_a_post_that_stands_for_a_merge(self, world: tuple[Site, str], header: str) -> None:
        cell, path = world
        key = f"tunnelled-{len(header)}"
        cell.call("POST", f"{path}Person", json={"__id": key, "age": 1, "name": "n"})
        tunnelled = request("POST", f"Person('{key}')", {"age": 2}, **{header: "MERGE"})
        assert statuses(post(cell, path, tunnelled)) == [204]
        shown = results(cell.call("GET", f"{path}Person('{key}')"))
        assert (shown["age"], shown["name"]) == (2, "n")

    def test_a_delete(self, world: tuple[Site, str]) -> None:
        cell, path = world
        cell.call("POST", f"{path}Person", json={"__id": "gone"})
        (gone, again) = parts(post(cell, path, *2 * [request("DELETE", "Person('gone')")]))
        assert (gone.status, gone.body.strip(), again.code) == (204, "", "PR404-OD-0002")

    def test_one_entity(self, world: tuple[Site, str]) -> None:
        cell, path = world
        (one,) = parts(post(cell, path, GET_ADA))
        alone = cell.call("GET", f"{path}Person('ada')")
        assert (one.status, one.reason, one.json) == (200, "OK", alone.json())
        assert one.headers["ETag"] == alone.headers["etag"]

    @pytest.mark.parametrize("query", ["", "?$filter=age%20eq%2036", "?$filter=age%20eq%201&$inlinecount=allpages"])
    def test_a_list(self, world: tuple[Site, str], query: str) -> None:
        cell, path = world
        query = query or "?$filter=__id%20eq%20'ada'&$select=age"
        (listed,) = parts(post(cell, path, request("GET", f"Person{query}")))
        alone = cell.call("GET", f"{path}Person{query}")
        assert (listed.status, listed.json) == (200, alone.json())
        assert listed.headers["Content-Type"] == alone.headers["content-type"]

    def test_a_path_may_begin_with_a_slash_or_the_url_of_the_service(self, world: tuple[Site, str]) -> None:
        cell, path = world
        urls = ("/Person('ada')", f"{cell.url}{path}Person('ada')", f"/{cell.name}/{path}Person('ada')")
        assert statuses(post(cell, path, *(request("GET", url) for url in urls))) == [200, 200, 200]

    def test_keys_are_decoded(self, world: tuple[Site, str]) -> None:
        cell, path = world
        forms = ("Person(__id='ada')", "Person(%27ada%27)", "Person('%61da')")
        assert statuses(post(cell, path, *(request("GET", form) for form in forms))) == [200, 200, 200]

    def test_a_create_at_the_end_of_a_link_keeps_all_values(self, world: tuple[Site, str]) -> None:
        cell, path = world
        order = {"__id": "order-1", "amount": 2.5, "text": "some", "paid": True}
        (made,) = parts(post(cell, path, request("POST", "Person('ada')/_Order", order)))
        assert (made.status, made.headers["Location"]) == (201, f"{cell.url}{path}Order('order-1')")
        shown = results(cell.call("GET", f"{path}Order('order-1')"))
        assert {name: shown[name] for name in order} == {name: made.results[name] for name in order} == order
        (person,) = results(cell.call("GET", f"{path}Order('order-1')/_Person"))
        assert person["__id"] == "ada"
        again = parts(post(cell, path, request("POST", "Person('ada')/_Order", order)))[0]
        assert again.code == "PR409-OD-0002"

    def test_a_link(self, world: tuple[Site, str]) -> None:
        cell, path = world
        cell.call("POST", f"{path}Tag", json={"__id": "tag-1"})
        link = request("POST", "Person('ada')/$links/_Tag", {"uri": f"{cell.url}{path}Tag('tag-1')"})
        (linked, again) = parts(post(cell, path, link, link))
        assert (linked.status, linked.body.strip(), again.code) == (204, "", "PR409-OD-0002")
        assert len(results(cell.call("GET", f"{path}Person('ada')/$links/_Tag"))) == 1

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (("GET", "Person('ada')/_Order"), "PR501-MC-0001"),
            (("GET", "Person('ada')/$links/_Order"), "PR501-MC-0001"),
            (("PUT", "Person('ada')/$links/_Tag('x')"), "PR501-MC-0001"),
            (("DELETE", "Person('ada')/$links/_Tag('x')"), "PR501-MC-0001"),
            (("POST", "Person('ada')/_Order('x')", {}), "PR400-OD-0010"),
            (("GET", "Person('ada')/_Order('x')"), "PR400-OD-0010"),
            (("GET", "Person('ada')/_Order%28x%29"), "PR400-OD-0010"),
            (("PUT", "Person('ada')/_Order('x')", {}), "PR400-OD-0010"),
            (("DELETE", "Person('ada')/_Order('x')"), "PR400-OD-0010"),
            (("DELETE", "Person('ada')/_Order"), "PR501-MC-0001"),
            (("POST", "Person('none')/_Order", {}), "PR404-OD-0000"),
            (("POST", "Person('ada')/_Nothing", {}), "PR404-OD-0003"),
            (("POST", "Person('ada')/$links/_Nothing", {}), "PR400-OD-0008"),
            (("POST", "Person('ada')/$links/_Tag", {}), "PR400-OD-0006"),
            (("GET", "Nothing"), "PR404-OD-0001"),
            (("GET", "Nothing('x')"), "PR404-OD-0001"),
            (("POST", "Nothing", {}), "PR404-OD-0001"),
            (("GET", "Person('none')"), "PR404-OD-0002"),
            (("GET", "Person(ada)"), "PR400-OD-0004"),
            (("GET", "Person()"), "PR400-OD-0004"),
            (("PUT", "Person('none')", {}), "PR404-OD-0002"),
            (("MERGE", "Person('none')", {}), "PR404-OD-0002"),
            (("POST", "Person", {"__id": "ada"}), "PR409-OD-0003"),
            (("POST", "Person", {"__id": "_"}), "PR400-OD-0006"),
            (("POST", "Person", {"age": "old"}), "PR400-OD-0006"),
            (("POST", "Person", {"__published": "/Date(0)/"}), "PR400-OD-0007"),
            (("POST", "Person", "no json"), "PR400-OD-0001"),
            (("POST", "Person"), "PR400-OD-0001"),
            (("GET", "Person?$filter=Colour%20eq%201"), "PR400-OD-0045"),
            (("GET", "Person?$top=x"), "PR400-OD-0036"),
            (("GET", "Person?$top=10001"), "PR400-OD-0029"),
        ],
    )
    def test_one_that_is_refused_leaves_the_others_alone(
        self, world: tuple[Site, str], line: tuple[Any, ...], code: str
    ) -> None:
        cell, path = world
        before, refused, behind = parts(post(cell, path, GET_ADA, request(*line), GET_ADA))
        assert (before.status, refused.code, behind.status) == (200, code, 200)
        assert before.json == behind.json

    def test_the_options_of_one_entity_are_heeded(self, world: tuple[Site, str]) -> None:
        cell, path = world
        (one,) = parts(post(cell, path, request("GET", "Person('ada')?$select=age")))
        assert one.json == cell.call("GET", f"{path}Person('ada')?$select=age").json()
        assert "name" not in one.results

    def test_in_the_shape_of_v2_links_are_followed_and_taken_away(self, world: tuple[Site, str]) -> None:
        cell, path = world
        cell.call("POST", f"{path}Person", json={"__id": "v2"})
        cell.call("POST", f"{path}Person('v2')/_Tag", json={"__id": "tag-v2"})
        verbose = {"Accept": "application/json;odata=verbose"}
        answer = post(
            cell,
            path,
            request("GET", "Person('v2')/_Tag", **verbose),
            request("GET", "Person('v2')/$links/_Tag", **verbose),
            request("DELETE", "Person('v2')/$links/_Tag('tag-v2')", **verbose),
        )
        followed, told, gone = answer.text.split(f"--{BOUNDARY}\r\n")[1:]
        assert "HTTP/1.1 200" in followed and '"__id":"tag-v2"' in followed
        assert "HTTP/1.1 200" in told and f"""{{"uri":"{cell.url}{path}Tag('tag-v2')"}}""" in told
        assert "HTTP/1.1 204" in gone
        assert results(cell.call("GET", f"{path}Person('v2')/_Tag")) == []

    def test_etags_are_heeded(self, world: tuple[Site, str]) -> None:
        cell, path = world
        etag = cell.call("POST", f"{path}Person", json={"__id": "tagged"}).headers["etag"]
        stale, fits, gone = parts(
            post(
                cell,
                path,
                request("PUT", "Person('tagged')", {"age": 1}, If_Match='W/"1-1"'),
                request("PUT", "Person('tagged')", {"age": 2}, If_Match=etag),
                request("DELETE", "Person('tagged')", If_Match=etag),
            )
        )
        assert (stale.code, fits.status, gone.code) == ("PR412-OD-0002", 204, "PR412-OD-0002")
        unchanged = request("GET", "Person('tagged')", If_None_Match=fits.headers["ETag"])
        (same,) = parts(post(cell, path, unchanged))
        assert (same.status, same.body.strip()) == (304, "")

    def test_content_ids_come_back(self, world: tuple[Site, str]) -> None:
        cell, path = world
        (one, (two,)) = answers(
            post(
                cell,
                path,
                request("GET", "Person('ada')", head={"Content-ID": "1"}),
                [request("GET", "Person('none')", head={"Content-ID": "two"})],
            )
        )
        assert isinstance(one, Part) and one.outer["Content-ID"] == "1"
        assert two.outer["Content-ID"] == "two"

    def test_the_boundaries_of_the_client_come_back(self, world: tuple[Site, str]) -> None:
        cell, path = world
        answer = post(cell, path, GET_ADA, [GET_ADA])
        assert answer.headers["content-type"] == KIND
        text = answer.text
        assert text.startswith(f"--{BOUNDARY}\nContent-Type: application/http\n\nHTTP/1.1 200 OK\n")
        assert f"Content-Type: multipart/mixed; boundary={CHANGESET}\n\n--{CHANGESET}\n" in text
        assert text.endswith(f"--{CHANGESET}--\n--{BOUNDARY}--\n")
        ((_, (two,)),) = [answers(answer)]
        assert two.outer["Content-Transfer-Encoding"] == "binary"


class TestMany:
    def test_a_thousand_creates_are_all_there_and_one_more_is_refused(self, fresh: tuple[Site, str]) -> None:
        cell, path = fresh
        creates = [request("POST", "Person", {"__id": f"p{n:04}", "age": n}) for n in range(1001)]
        assert code_of(post(cell, path, *creates)) == "PR400-OD-0030"
        assert code_of(post(cell, path, creates[:1000], creates[1000])) == "PR400-OD-0030"
        assert cell.call("GET", f"{path}Person/$count").text == "0"
        made = parts(post(cell, path, *creates[:1000]))
        assert {each.status for each in made} == {201}
        assert [each.results["__id"] for each in made] == [f"p{n:04}" for n in range(1000)]
        assert ids(cell, path, orderby="age") == [f"p{n:04}" for n in range(1000)]
        assert ids(cell, path) == [f"p{n:04}" for n in range(1000)]

    def test_of_equal_ids_the_first_is_made(self, fresh: tuple[Site, str]) -> None:
        cell, path = fresh
        same = [request("POST", "Person", {"__id": f"p{n % 10}", "age": n}) for n in range(100)]
        made = parts(post(cell, path, *same))
        assert [each.status for each in made] == [201] * 10 + [409] * 90
        assert {each.code for each in made[10:]} == {"PR409-OD-0003"}
        shown = results(cell.call("GET", f"{path}Person?$orderby=age"))
        assert [each["age"] for each in shown] == list(range(10))

    def test_requests_are_done_in_their_order(self, fresh: tuple[Site, str]) -> None:
        cell, path = fresh
        items: list[str] = []
        for n in range(40):
            items += (
                request("POST", "Person", {"__id": f"p{n}", "age": 1, "text": "a"}),
                request("MERGE", f"Person('p{n}')", {"age": 2, f"new{n}": n}),
                request("POST", f"Person('p{n}')/_Order", {"__id": f"o{n}", "price": n}),
                request("POST", "Tag", {"__id": f"t{n}"}),
                request("POST", f"Person('p{n}')/$links/_Tag", {"uri": f"Tag('t{n}')"}),
                request("DELETE", f"Order('o{n}')"),
                request("PUT", f"Person('p{n}')", {"age": 3}),
                request("DELETE", f"Tag('t{n}')"),
            )
        expected = [201, 204, 201, 201, 204, 204, 204, 204]
        assert [each.status for each in parts(post(cell, path, *items))] == expected * 40
        shown = results(cell.call("GET", f"{path}Person?$top=100"))
        assert [(each["age"], each["text"]) for each in shown] == [(3, None)] * 40
        assert ids(cell, path, "Order") == ids(cell, path, "Tag") == []

    def test_what_was_written_is_read_behind_it(self, fresh: tuple[Site, str]) -> None:
        cell, path = fresh
        items: list[str] = []
        for n in range(20):
            items += (
                request("POST", "Person", {"__id": f"p{n}"}),
                request("GET", "Person?$inlinecount=allpages&$top=0"),
            )
        counted = parts(post(cell, path, *items))[1::2]
        assert [each.json["d"]["__count"] for each in counted] == [str(n + 1) for n in range(20)]

    def test_new_properties_in_many_creates_are_declared_once(self, fresh: tuple[Site, str]) -> None:
        cell, path = fresh
        creates = [request("POST", "Person", {"__id": f"p{n}", f"new{n % 7}": n, "same": "s"}) for n in range(60)]
        assert {each.status for each in parts(post(cell, path, *creates))} == {201}
        declared = results(cell.call("GET", f"{path}$metadata/Property?$top=100"))
        names = sorted(each["Name"] for each in declared)
        assert names == sorted(["age", "same", *(f"new{n}" for n in range(7))])


class TestPrivileges:
    @pytest.fixture(scope="class")
    @classmethod
    def guarded(cls, unit: RunningUnit) -> tuple[Site, str, dict[str, str]]:
        cell = unit.cell()
        path = batches.collection(cell)
        cell.call("POST", f"{path}Person", json={"__id": "ada"})
        tokens = {role: in_role(cell, f"has-{role}", role) for role in ("read", "write", "both", "none", "inherits")}
        granted = {"read": "read", "write": "write", "both": "read write", "none": "read-acl"}
        assert cell.acl(path, granted).status_code == 200
        assert cell.acl("data", {"inherits": "read write"}).status_code == 200
        return cell, path, tokens

    @pytest.mark.parametrize(
        ("role", "expected"),
        [
            ("read", [200, 200, 403, 403, 403, 403, 403, 403, [200]]),
            ("write", [403, 403, 201, 204, 201, 204, 404, 204, [403]]),
            ("both", [200, 200, 201, 204, 201, 204, 404, 204, [200]]),
            ("inherits", [200, 200, 201, 204, 201, 204, 404, 204, [200]]),
        ],
    )
    def test_each_request_needs_what_it_needs_alone(
        self, guarded: tuple[Site, str, dict[str, str]], role: str, expected: list[Any]
    ) -> None:
        cell, path, tokens = guarded
        items = (
            GET_ADA,
            request("GET", "Person"),
            request("POST", "Person", {"__id": role}),
            request("MERGE", f"Person('{role}')", {"age": 1}),
            request("POST", f"Person('{role}')/_Order", {"__id": role}),
            request("DELETE", f"Order('{role}')"),
            request("DELETE", "Order('none')"),
            request("DELETE", f"Person('{role}')"),
            [GET_ADA],
        )
        answer = post(cell, path, *items, token=tokens[role])
        assert statuses(answer) == expected
        for each in answers(answer):
            if isinstance(each, Part) and each.status == 403:
                assert each.code == "PR403-AU-0002"

    @pytest.mark.parametrize("body", [body_of(GET_ADA), "no batch"])
    def test_who_may_neither_read_nor_write_is_not_let_in(
        self, guarded: tuple[Site, str, dict[str, str]], body: str
    ) -> None:
        cell, path, tokens = guarded
        for token, code in (
            (None, "PR401-AU-0001"),
            ("rubbish", "PR401-AU-0006"),
            (tokens["none"], "PR403-AU-0002"),
        ):
            answer = cell.call("POST", f"{path}$batch", token=token, content=body, headers={"Content-Type": KIND})
            assert code_of(answer) == code

    def test_credentials_of_a_part_give_nothing(self, guarded: tuple[Site, str, dict[str, str]]) -> None:
        cell, path, tokens = guarded
        create = request("POST", "Person", {"__id": "smuggled"}, Authorization=f"Bearer {tokens['write']}")
        assert statuses(post(cell, path, create, token=tokens["read"])) == [403]

    def test_a_batch_beyond_a_collection_is_not_found(self, guarded: tuple[Site, str, dict[str, str]]) -> None:
        cell, _, _ = guarded
        assert post(cell, "data/none/", GET_ADA).status_code == 404
        assert post(cell, "data/none/", GET_ADA, token=None).status_code == 401


class TestOtherServices:
    def test_control_objects_are_made_changed_and_linked(self, cell: Site) -> None:
        made = answers(
            post(
                cell,
                "__ctl/",
                request("POST", "Box", {"Name": "b"}),
                request("POST", "Role", {"Name": "r", "_Box.Name": "b"}),
                request("POST", "Account", {"Name": "a"}, X_Personium_Credential="password-1"),
                request("POST", "Account('a')/$links/_Role", {"uri": "Role(Name='r',_Box.Name='b')"}),
                request("POST", "Account('a')/_Role", {"Name": "s"}),
                request("MERGE", "Account('a')", {"Status": "active"}),
                request("GET", "Account('a')"),
                request("GET", "Role?$filter=Name%20eq%20'r'"),
                request("DELETE", "Box('b')"),
                request("MERGE", "Rule('x')", {}),
            )
        )
        assert [each.status for each in made if isinstance(each, Part)] == [
            *(201, 201, 201, 204, 201, 204, 200, 200, 409, 405)
        ]
        assert cell.grant("a").status_code == 200
        assert len(results(cell.call("GET", "__ctl/Account('a')/_Role"))) == 2
        assert cell.call("PUT", "b/file", content=b"f").status_code == 201

    def test_each_request_on_control_objects_needs_its_own_privilege(self, cell: Site) -> None:
        token = in_role(cell, "anna", "r")
        assert cell.acl("", {"r": "p:auth p:social-read"}).status_code == 200
        answer = post(
            cell,
            "__ctl/",
            request("POST", "Role", {"Name": "x"}),
            request("POST", "Relation", {"Name": "x"}),
            request("GET", "Relation"),
            request("GET", "Box"),
            request("POST", "Role('x')/_Relation", {"Name": "x"}),
            token=token,
        )
        assert statuses(answer) == [201, 403, 200, 403, 403]
        assert cell.acl("", {"r": "p:acl"}).status_code == 200
        assert code_of(post(cell, "__ctl/", request("GET", "Role"), token=token)) == "PR403-AU-0002"
        assert code_of(post(cell, "__ctl/", request("GET", "Role"), token=None)) == "PR401-AU-0001"

    def test_a_schema_is_made_in_one_batch(self, cell: Site) -> None:
        path = batches.collection(cell)
        answer = post(
            cell,
            f"{path}$metadata/",
            request("POST", "EntityType", {"Name": "New"}),
            request("POST", "Property", {"Name": "p", "_EntityType.Name": "New", "Type": "Edm.String"}),
            [request("POST", "ComplexType", {"Name": "C"})],
        )
        assert statuses(answer) == [201, 201, [201]]
        assert cell.call("POST", f"{path}New", json={"p": "x"}).status_code == 201

    def test_the_unit_takes_no_batch(self, unit: RunningUnit, cell: Site) -> None:
        answer = cell.http.post(
            f"{unit.url}__ctl/$batch", content=body_of(request("GET", "Cell")), headers={"Content-Type": KIND}
        )
        assert answer.status_code in {401, 404}


class TestTime:
    """A batch of low priority lets others go first; one that takes too long is answered, but not done, to its end."""

    @pytest.fixture(scope="class")
    @classmethod
    def slow(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
        limits = {"batch_timeout_s": 1, "batch_pause_ms": 250, "batch_pause_interval_ms": 1}
        options = {f"limits.{name}": value for name, value in limits.items()}
        with running(tmp_path_factory.mktemp("slow") / "data", **options) as unit:
            cell = unit.cell()
            yield cell, batches.collection(cell)

    @staticmethod
    def items(name: str) -> list[Any]:
        found: list[Any] = []
        for n in range(10):
            found += request("GET", "Person"), request("POST", "Person", {"__id": f"{name}{n}"})
        return [*found, [request("POST", "Person", {"__id": f"{name}-last"})]]

    def test_what_is_left_after_the_time_is_not_done(self, slow: tuple[Site, str]) -> None:
        cell, path = slow
        found = answers(post(cell, path, *self.items("late")))
        last = found[-1]
        assert isinstance(last, list) and [each.code for each in last] == ["PR408-MC-0001"]
        told = [each.status for each in found if isinstance(each, Part)]
        done = told.index(408)
        assert done >= 1 and told[:done] == ([200, 201] * 10)[:done]
        assert set(told[done:]) == {408}
        assert len(ids(cell, path, filter="startswith(__id,'late')")) == done // 2

    def test_one_of_high_priority_does_not_pause(self, slow: tuple[Site, str]) -> None:
        cell, path = slow
        found = statuses(post(cell, path, *self.items("soon"), headers={"X-Personium-Priority": "high"}))
        assert found == [*[200, 201] * 10, [201]]
