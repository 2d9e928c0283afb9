"""What may come from anyone: too long, too deep, too large, rubbish, SQL. It is refused, and nothing happens."""

from __future__ import annotations

import json
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

import httpx
import pytest

from tests.odata_site import JSON, SCHEMA, Collection, asking, code, ids, results
from tests.running import RunningUnit

SQL = [
    "'; DROP TABLE entity; --",
    "' OR '1'='1",
    "') OR 1=1 --",
    '" OR ""="',
    "1; DELETE FROM entity",
    "x' UNION SELECT * FROM node --",
    "document ->> '$.P001'",
    "$.P001",
    "__id) FROM entity; --",
    "name' COLLATE NOCASE --",
    "randomblob(1000000000)",
    "\x00",
    "%00",
    "\\",
    "/* */",
]
TELLING = [
    "sqlite",
    "apsw",
    "traceback",
    "syntax error",
    " from ",
    "insert ",
    "no such column",
    "no such table",
    ".py",
]


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """A collection with two persons that no request of these may change."""
    made = Collection.make(unit.cell())
    made.complex_type("Address", city="Edm.String")
    made.entity_type("Person", name="Edm.String", age="Edm.Int32", weight="Edm.Double", address="Address")
    made.entity_type("Order")
    made.relate("Person", "0..1", "Order", "*")
    made.create("Person", __id="a", name="Alice", age=1)
    made.create("Person", __id="b", name="Bob", age=2)
    return made


def refused(answer: httpx.Response) -> str:
    """The code of a refusal that tells nothing of what is behind it."""
    found = code(answer)
    assert answer.status_code in {400, 404}, answer.text
    said = answer.json()["message"]["value"].lower()
    assert len(said) < 2_000
    asked = unquote_plus(str(answer.request.url)).lower() + answer.request.content.decode(errors="replace").lower()
    for telling in TELLING:
        assert telling not in said or telling in asked, said
    return found


@pytest.fixture(autouse=True)
def _nothing_changes(od: Collection) -> Iterator[None]:
    before = od.get("Person", orderby="__id").text, od.get("$metadata").text
    yield
    assert (od.get("Person", orderby="__id").text, od.get("$metadata").text) == before


class TestSql:
    @pytest.mark.parametrize("text", SQL)
    @pytest.mark.parametrize(
        "name", ["filter", "orderby", "select", "expand", "top", "skip", "inlinecount", "format"]
    )
    def test_in_every_option(self, od: Collection, name: str, text: str) -> None:
        answer = od.get("Person", **{name: text})
        if answer.status_code == 200:  # an unknown name sorts and selects nothing
            assert name in {"orderby", "select"}
            assert ids(answer) == ["a", "b"]
        else:
            assert refused(answer).startswith("PR400-OD-00")

    @pytest.mark.parametrize("text", SQL)
    def test_in_skiptoken(self, od: Collection, text: str) -> None:
        assert refused(od.get("Person", skiptoken=text)) == "PR400-OD-0029"

    @pytest.mark.parametrize("text", SQL)
    def test_as_a_value_it_is_a_value(self, od: Collection, text: str) -> None:
        spelled = text.replace("\\", "\\\\").replace("'", "''")
        for filter in (f"name eq '{spelled}'", f"startswith(name,'{spelled}')", f"substringof('{spelled}',name)"):
            assert ids(od.get("Person", filter=filter)) == []
        assert ids(od.get("Person", q=text)) == []

    @pytest.mark.parametrize("text", SQL)
    def test_as_a_key_it_names_nothing(self, od: Collection, text: str) -> None:
        for method in ("GET", "PUT", "MERGE", "DELETE"):
            spelled = quote(text.replace("'", "''"), safe="")
            answer = od.call(method, f"Person('{spelled}')", json={"age": 9})
            assert refused(answer) == ("PR400-CM-0006" if "\x00" in text else "PR404-OD-0002")

    @pytest.mark.parametrize("text", SQL)
    def test_as_a_name_it_declares_nothing(self, od: Collection, text: str) -> None:
        assert refused(od.post("Person", {text: "x"})) == "PR400-OD-0006"
        assert refused(od.post("Person", {"__id": text})) == "PR400-OD-0006"
        assert refused(od.post("Person", {"address": {text: "x"}})) == "PR400-OD-0006"
        for name in ("EntityType", "ComplexType"):
            assert refused(od.post(SCHEMA + name, {"Name": text})) == "PR400-OD-0006"

    @pytest.mark.parametrize("text", SQL)
    def test_as_a_type_it_is_none(self, od: Collection, text: str) -> None:
        body = {"Name": "p", "_EntityType.Name": "Person", "Type": text}
        assert refused(od.post(f"{SCHEMA}Property", body)) == "PR400-OD-0006"
        assert refused(od.post(f"{SCHEMA}Property", {**body, "_EntityType.Name": text})).startswith("PR400-OD-00")

    @pytest.mark.parametrize("text", SQL)
    def test_as_a_link_it_leads_nowhere(self, od: Collection, text: str) -> None:
        for uri in (text, f"Order('{text}')", f"{od.url}Order('{text}')"):
            assert refused(od.post("Person('a')/$links/_Order", {"uri": uri})) == "PR400-OD-0006"


class TestTooMuch:
    def posted(self, od: Collection, **options: str) -> httpx.Response:
        """A list with options that are long: a blank is a plus sign there, and parentheses stay as they are."""
        query = "&".join(f"{name}={quote_plus(value, safe='()/,')}" for name, value in asking(options).items())
        return od.call("GET", f"Person?{query}", headers=JSON)

    @pytest.mark.parametrize("joint", ["or", "and"])
    def test_ten_thousand_terms(self, od: Collection, joint: str) -> None:
        many = f"+{joint}+".join(["age+eq+1"] * 10_000)
        url = urlsplit(f"{od.url}Person?$filter={many}")
        request = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n"
        assert len(request) > 100_000
        with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
            connection.sendall(request.encode())
            assert b" 414 " in connection.makefile("rb").readline()
        body = f"--B\nContent-Type: application/http\n\nGET Person?$filter={many} HTTP/1.1\n\n--B--\n"
        headers = {"Content-Type": "multipart/mixed; boundary=B"}
        answer = od.call("POST", "$batch", content=body, headers=headers)
        assert code(answer) == "PR400-OD-0023"

    @pytest.mark.parametrize(("terms", "fits"), [(500, True), (501, False)])
    def test_as_many_terms_as_may_be(self, od: Collection, terms: int, fits: bool) -> None:
        text = " or ".join(f"age eq {number}" for number in range(terms))
        answer = self.posted(od, filter=text)
        if fits:
            assert ids(answer) == ["a", "b"]
        else:
            assert refused(answer) == "PR400-OD-0003"

    @pytest.mark.parametrize(("depth", "fits"), [(50, True), (51, False), (5_000, False)])
    @pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not (", ")")])
    def test_deep_parentheses(self, od: Collection, depth: int, fits: bool, opening: str, closing: str) -> None:
        count = depth if opening == "(" else depth // 2
        answer = self.posted(od, filter=f"{opening * count}age eq 1{closing * count}")
        if fits:
            assert answer.status_code == 200
        elif depth > 51 or opening == "(":
            assert refused(answer) == "PR400-OD-0003"

    @pytest.mark.parametrize(
        "text",
        [
            "(" * 5_000,
            "not " * 5_000 + "age eq 1",
            "-" * 5_000 + "age eq 1",
            "tolower(" * 2_000 + "name" + ")" * 2_000 + " eq 'x'",
            "age" + " add 1" * 2_000 + " eq 1",
            "name eq '" + "x" * 20_000 + "'",
            "name eq '" + "''" * 5_000,
            "name eq '" + "\\u0041" * 3_000 + "'",
            "age eq " + "9" * 20_000,
            "weight eq 0." + "9" * 20_000,
            "a/" * 5_000 + "b eq 1",
            "n" * 20_000 + " eq 1",
            " " * 20_000 + "age eq 1" + " " * 10_000,
            "age eq 1 " * 2_000,
            "," * 20_000,
            ")" * 20_000,
        ],
        ids=lambda text: text[:12],
    )
    def test_long_filters(self, od: Collection, text: str) -> None:
        answer = self.posted(od, filter=text)
        if answer.status_code == 200:
            assert set(ids(answer)) <= {"a"}
        else:
            assert refused(answer).startswith("PR400-OD-00")

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"orderby": ",".join(["name"] * 1_000)}, None),
            ({"orderby": ",".join(f"n{number}" for number in range(3_000))}, None),
            ({"orderby": "name desc," * 2_000}, "PR400-OD-0015"),
            ({"select": ",".join(f"n{number}" for number in range(3_000))}, None),
            ({"select": "a" * 30_000}, None),
            ({"expand": "_Order," * 2_000 + "_Order"}, None),
            ({"expand": "/".join(["_Order"] * 1_000)}, "PR400-OD-0026"),
            ({"expand": ",".join(f"_N{number}" for number in range(1_000))}, "PR400-OD-0039"),
            ({"top": "9" * 20_000}, "PR400-OD-0036"),
            ({"skip": "9" * 20_000}, "PR400-OD-0036"),
            ({"skiptoken": "W" * 30_000}, "PR400-OD-0029"),
            ({"skiptoken": "WzE" * 10_000}, "PR400-OD-0029"),
            ({"q": "x " * 10_000}, "PR400-OD-0029"),
            ({"format": "x" * 20_000}, "PR400-OD-0005"),
        ],
    )
    def test_long_options(self, od: Collection, options: dict[str, str], expected: str | None) -> None:
        answer = self.posted(od, **options)
        if expected is None:
            assert ids(answer) == ["a", "b"]
        else:
            assert code(answer) == expected

    @pytest.mark.parametrize("size", [201, 10_000, 40_000])
    def test_over_long_ids(self, od: Collection, size: int) -> None:
        assert refused(od.post("Person", {"__id": "x" * size})) == "PR400-OD-0006"
        for method in ("GET", "PUT", "DELETE"):
            assert refused(od.call(method, f"Person('{'x' * size}')", json={})) == "PR404-OD-0002"
        assert refused(od.call("DELETE", f"Person('a')/$links/_Order('{'x' * size}')")) == "PR404-OD-0000"

    def test_deep_json(self, od: Collection) -> None:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            body = f'{{"name": {opening * 100_000}1{closing * 100_000}}}'
            answer = od.call("POST", "Person", content=body.encode())
            assert refused(answer) in {"PR400-OD-0001", "PR400-OD-0006"}

    def test_many_members(self, od: Collection) -> None:
        body = {f"p{number}": 1 for number in range(401)}
        assert refused(od.post("Person", body)) == "PR400-OD-0032"
        assert refused(od.post("Person", {f"p{number}": 1 for number in range(20_000)})) == "PR400-OD-0032"

    @pytest.mark.parametrize("number", ["1" * 5_000, f"-{'9' * 400}", "1e999999999", f"0.{'0' * 5_000}1"])
    @pytest.mark.parametrize("name", ["age", "weight", "name", "unknown"])
    def test_huge_numbers(self, od: Collection, name: str, number: str) -> None:
        for spelled in (number, f'"{number}"'):
            if name in {"age", "weight"} or not spelled.startswith('"'):
                answer = od.call("PUT", "Person('nobody')", content=f'{{"{name}": {spelled}}}'.encode())
                assert refused(answer) in {"PR400-OD-0001", "PR400-OD-0006", "PR404-OD-0002"}


class TestRubbish:
    @pytest.mark.parametrize(
        "query",
        [
            "$filter=%",
            "$filter=%ZZ",
            "$filter=%FF%FE",
            "$filter=%ed%a0%80",
            "$filter=name%20eq%20%27%00%27",
            "$filter=name%20eq%20%27%ff%27",
            "$orderby=%ff",
            "$select=%ff",
            "$top=%ff",
            "$top=1&$top=x",
            "&&&=&$",
            "$filter",
            "$filter&$top=1",
            "%24filter=age%20eq%20x",
            "=x",
            "$$filter=x",
        ],
    )
    def test_queries(self, od: Collection, query: str) -> None:
        answer = od.call("GET", f"Person?{query}", headers=JSON)
        if answer.status_code == 200:
            assert set(ids(answer)) <= {"a", "b"}
        else:
            assert refused(answer).startswith("PR400-")

    @pytest.mark.parametrize(
        "path",
        [
            "Person('a",
            "Person('a')')",
            "Person('a'))",
            "Person(('a'))",
            "Person('a')('a')",
            "Person%28%27a%27%29%27",
            "Person('%00')",
            "Person('%ff')",
            "Person(\u3000)",
            "('a')",
            "()",
            "Person('a')//name",
            "Person('a')/$value/$value",
            "Person('a')/_Order/_Person",
            "Person('a')/_Order('x')/_Person",
            "$metadata/",
            "$metadata/x/y/z",
            "$batch/x",
            "..%2f..%2f__ctl/Account",
            "Person('a')/..%2f..",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
    def test_paths(self, od: Collection, method: str, path: str) -> None:
        answer = od.call(method, path, json={}, headers=JSON)
        assert 400 <= answer.status_code < 500 or (method == "GET" and answer.status_code == 200), answer.text
        if answer.status_code >= 400 and answer.content:
            assert code(answer).startswith("PR4")

    @pytest.mark.parametrize(
        "body", [b"\x00", b"\xff\xfe{\x00}\x00", b"{" * 10_000, b"[" * 10_000, b'{"a":' * 10_000]
    )
    @pytest.mark.parametrize(
        "path", ["Person", "Person('a')/_Order", "Person('a')/$links/_Order", f"{SCHEMA}Property"]
    )
    def test_bodies(self, od: Collection, path: str, body: bytes) -> None:
        assert refused(od.call("POST", path, content=body)) == "PR400-OD-0001"

    @pytest.mark.parametrize("spelled", ["NaN", "Infinity", "-Infinity", "nan", "undefined"])
    def test_what_is_no_number(self, od: Collection, spelled: str) -> None:
        assert refused(od.call("POST", "Person", content=f'{{"weight": {spelled}}}'.encode())) == "PR400-OD-0001"
        assert refused(od.post("Person", {"weight": spelled})) == "PR400-OD-0006"
        answer = od.get("Person", filter=f"weight eq {spelled}")
        assert refused(answer) in {"PR400-OD-0003", "PR400-OD-0045"}

    @pytest.mark.parametrize(
        "token", ["W251bGxd", "WzEsMiwzXQ", "WyJ4IiwieSIsInoiXQ", "W3t9LFtdLDFd", "WzFlOTk5LDEsMV0"]
    )
    def test_tokens_of_pages_that_hold_something_else(self, od: Collection, token: str) -> None:
        for options in ({}, {"orderby": "name"}, {"orderby": "age,name desc"}):
            assert refused(od.get("Person", skiptoken=token, **options)) == "PR400-OD-0029"

    def test_a_token_may_not_widen_what_is_found(self, od: Collection) -> None:
        before_all = urlsafe_b64encode(json.dumps([0, "", ""]).encode()).decode().rstrip("=")
        assert ids(od.get("Person", skiptoken=before_all)) == ["a", "b"]
        assert ids(od.get("Person", filter="age eq 1", skiptoken=before_all)) == ["a"]

    def test_a_name_twice_in_json_counts_once(self, od: Collection) -> None:
        made = results(od.call("POST", "Order", content=b'{"__id": "x", "__id": "y"}', headers=JSON))
        assert made["__id"] == "y"
        assert od.get("Order/$count").text == "1"
        od.call("DELETE", "Order('y')")
