"""Queries of cells and of control sets: filtered, sorted, paged, counted, expanded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.api.controls import BOUND, KEYS, Members, code_of, made, results, with_messages
from tests.running import MASTER, RunningUnit, Site

ROLES: list[Members] = [
    {"Name": "admin"},
    {"Name": "reader"},
    {"Name": "writer"},
    {"Name": "admin", **BOUND},
    {"Name": "viewer", **BOUND},
    {"Name": "It"},
]
ACCOUNTS: list[Members] = [
    {"Name": "anna"},
    {"Name": "bert", "Status": "deactivated"},
    {"Name": "carl@example.com", "IPAddressRange": "192.0.2.1"},
    {"Name": "dora", "IPAddressRange": "192.0.2.0/24", "Cell": "x"},
]
RULES: list[Members] = [
    {"Name": "one", "Action": "log", "EventExternal": True, "EventType": "sensor.read"},
    {"Name": "two", "Action": "log.warn", "EventType": "odata.create"},
    {"Name": "three", "Action": "relay", "TargetUrl": "https://x.example/a", "EventInfo": "it's 日本"},
    {"Name": "four", "Action": "log", "EventExternal": True, **BOUND},
]
PEERS = ["https://a.example/x/", "https://b.example/y/"]


@pytest.fixture(scope="module")
def world(unit: RunningUnit) -> Site:
    """A cell with something of each set to ask for."""
    cell = unit.cell()
    made(cell, "Box", {"Name": "b", "Schema": f"{unit.url}app/"})
    made(cell, "Box", {"Name": "c", "Schema": "https://app.example/"})
    made(cell, "Box", {"Name": "d"})
    for entity_set, entities in (("Role", ROLES), ("Account", ACCOUNTS), ("Rule", RULES)):
        for members in entities:
            made(cell, entity_set, members)
    for url in (*PEERS, f"{unit.url}peer/"):
        made(cell, "ExtCell", {"Url": url})
    for name in ("friend", "family"):
        made(cell, "Relation", {"Name": name})
    made(cell, "ExtRole", {"ExtRole": "urn:guest", "_Relation.Name": "friend"})
    made(cell, "ExtRole", {"ExtRole": f"{unit.url}peer/__role/__/guest", "_Relation.Name": "family"})
    for account, role in (("anna", "admin"), ("anna", "reader"), ("bert", "reader")):
        body = {"uri": f"Role('{role}')"}
        assert cell.call("POST", f"__ctl/Account('{account}')/$links/_Role", json=body).status_code == 204
    return cell


def ask(cell: Site, path: str, **options: str) -> httpx.Response:
    return cell.call("GET", f"__ctl/{path}", params={f"${name}": value for name, value in options.items()})


def names(answer: httpx.Response, field: str = "Name") -> list[str]:
    return [each[field] for each in results(answer)]


class TestFilters:
    @pytest.mark.parametrize(
        ("entity_set", "condition", "expected"),
        [
            ("Role", "Name eq 'reader'", {"reader"}),
            ("Role", "Name eq 'READER'", set()),
            ("Role", "Name ne 'admin'", {"reader", "writer", "viewer", "It"}),
            ("Role", "Name gt 'reader'", {"writer", "viewer"}),
            ("Role", "Name le 'admin'", {"admin", "It"}),
            ("Role", "startswith(Name,'ad')", {"admin"}),
            ("Role", "substringof('er',Name)", {"reader", "writer", "viewer"}),
            ("Role", "endswith(Name,'er') eq true", {"reader", "writer", "viewer"}),
            ("Role", "_Box.Name eq 'b'", {"admin", "viewer"}),
            ("Role", "_Box.Name eq null and Name eq 'admin'", {"admin"}),
            ("Role", "_Box.Name ne null", {"admin", "viewer"}),
            ("Role", "Name eq 'admin' and _Box.Name eq 'b'", {"admin"}),
            ("Role", "(Name eq 'It' or Name eq 'admin') and _Box.Name eq null", {"admin", "It"}),
            ("Role", "__published gt datetime'2020-01-01T00:00:00'", {"admin", "reader", "writer", "viewer", "It"}),
            ("Role", "__updated lt datetime'2020-01-01T00:00:00'", set()),
            ("Account", "Status eq 'deactivated'", {"bert"}),
            ("Account", "Status eq 'active' and IPAddressRange ne null", {"carl@example.com", "dora"}),
            ("Account", "IPAddressRange eq null", {"anna", "bert"}),
            ("Account", "Cell eq 'x'", {"dora"}),
            ("Account", "Type eq 'basic'", {"anna", "bert", "carl@example.com", "dora"}),
            ("Account", "substringof('@',Name)", {"carl@example.com"}),
            ("Rule", "EventExternal eq true", {"one", "four"}),
            ("Rule", "EventExternal eq false", {"two", "three"}),
            ("Rule", "startswith(Action,'log')", {"one", "two", "four"}),
            ("Rule", "EventInfo eq 'it''s 日本'", {"three"}),
            ("Rule", "EventType eq null", {"three", "four"}),
            ("Rule", "TargetUrl eq 'https://x.example/a'", {"three"}),
            ("Box", "Schema eq null", {"d"}),
            ("Box", "Schema eq 'https://app.example/'", {"c"}),
            ("Relation", "Name eq 'friend'", {"friend"}),
        ],
    )
    def test_what_is_true_of_an_entity_is_found(
        self, world: Site, entity_set: str, condition: str, expected: set[str]
    ) -> None:
        answer = ask(world, entity_set, filter=condition, inlinecount="allpages")
        assert set(names(answer)) == expected
        assert answer.json()["d"]["__count"] == str(len(results(answer)))
        assert ask(world, f"{entity_set}/$count", filter=condition).text == str(len(results(answer)))

    @pytest.mark.parametrize("form", ["{unit}peer/", "personium-localunit:peer:/", "personium-localunit:/peer/"])
    def test_a_url_of_the_unit_is_found_by_any_form(self, unit: RunningUnit, world: Site, form: str) -> None:
        url = form.replace("{unit}", unit.url)
        here = f"{unit.url}peer/"
        assert names(ask(world, "ExtCell", filter=f"Url eq '{url}'"), "Url") == [here]
        assert sorted(names(ask(world, "ExtCell", filter=f"Url ne '{url}'"), "Url")) == PEERS
        assert names(ask(world, "Box", filter=f"Schema eq '{url.replace('peer', 'app')}'")) == ["b"]
        role = f"{url}__role/__/guest"
        assert names(ask(world, "ExtRole", filter=f"ExtRole eq '{role}'"), "_Relation.Name") == ["family"]

    def test_a_url_is_found_by_its_beginning_if_that_is_a_whole_cell_or_elsewhere(
        self, unit: RunningUnit, world: Site
    ) -> None:
        for start, expected in (
            ("https://", PEERS),
            ("https://a.", PEERS[:1]),
            (f"{unit.url}peer/", [f"{unit.url}peer/"]),
        ):
            found = names(ask(world, "ExtCell", filter=f"startswith(Url,'{start}')"), "Url")
            assert (start, sorted(found)) == (start, expected)

    def test_an_external_role_is_found_by_its_relation(self, world: Site) -> None:
        found = names(ask(world, "ExtRole", filter="_Relation.Name eq 'friend'"), "ExtRole")
        assert found == ["urn:guest"]
        assert len(results(ask(world, "ExtRole", filter="_Relation._Box.Name eq null"))) == 2

    @pytest.mark.parametrize(
        ("condition", "code"),
        [
            ("", "PR400-OD-0003"),
            ("Name eq", "PR400-OD-0003"),
            ("Name eq 'x", "PR400-OD-0003"),
            ("'x' eq Name", "PR400-OD-0003"),
            ("Name EQ 'x'", "PR400-OD-0003"),
            ("EventExternal gt true", "PR400-OD-0003"),
            ("EventExternal", "PR400-OD-0043"),
            ("Colour eq 'red'", "PR400-OD-0045"),
            ("_Box eq 'b'", "PR400-OD-0045"),
            ("_Account/Name eq 'anna'", "PR400-OD-0045"),
            ("Owner eq 'x'", "PR400-OD-0045"),
            ("Name eq 1", "PR400-OD-0046"),
            ("EventExternal eq 'true'", "PR400-OD-0046"),
            ("__published eq 'x'", "PR400-OD-0046"),
        ],
    )
    def test_a_filter_that_makes_no_sense_is_refused(self, world: Site, condition: str, code: str) -> None:
        for path in ("Rule", "Rule/$count"):
            assert code_of(ask(world, path, filter=condition)) == code

    def test_what_is_hidden_is_not_to_be_asked_for(self, world: Site) -> None:
        for name in ("HashedCredential", "HashAlgorithm", "HashAttributes"):
            assert code_of(ask(world, "Account", filter=f"startswith({name},'$')")) == "PR400-OD-0045"
            assert names(ask(world, "Account", orderby=name)) == names(ask(world, "Account"))
            assert all(name not in each for each in results(ask(world, "Account", select=name)))


class TestOrder:
    @pytest.mark.parametrize(
        ("entity_set", "order", "expected"),
        [
            ("Account", "Name", ["anna", "bert", "carl@example.com", "dora"]),
            ("Account", "Name desc", ["dora", "carl@example.com", "bert", "anna"]),
            ("Account", "Status desc,Name desc", ["bert", "dora", "carl@example.com", "anna"]),
            ("Account", "IPAddressRange,Name", ["dora", "carl@example.com", "anna", "bert"]),
            ("Account", "IPAddressRange desc,Name", ["carl@example.com", "dora", "anna", "bert"]),
            ("Account", "__published", ["anna", "bert", "carl@example.com", "dora"]),
            ("Account", "__published desc", ["dora", "carl@example.com", "bert", "anna"]),
            ("Account", "Colour,Name desc", ["dora", "carl@example.com", "bert", "anna"]),
            ("Role", "Name,_Box.Name", ["It", "admin", "admin", "reader", "viewer", "writer"]),
            ("Role", "_Box.Name desc,Name", ["admin", "viewer", "It", "admin", "reader", "writer"]),
            ("Rule", "EventExternal desc,Name", ["four", "one", "three", "two"]),
        ],
    )
    def test_a_list_is_sorted_with_nulls_last(
        self, world: Site, entity_set: str, order: str, expected: list[str]
    ) -> None:
        assert names(ask(world, entity_set, orderby=order)) == expected

    def test_without_an_order_the_oldest_comes_first(self, world: Site) -> None:
        assert names(ask(world, "Role")) == [each["Name"] for each in ROLES]

    @pytest.mark.parametrize("order", ["", "Name asc desc", "Name up", "Name,", "Name Desc"])
    def test_an_order_that_makes_no_sense_is_refused(self, world: Site, order: str) -> None:
        assert code_of(ask(world, "Role", orderby=order)) == "PR400-OD-0015"

    def test_a_list_of_values_sorts_nothing(self, world: Site) -> None:
        assert code_of(ask(world, "ReceivedMessage", orderby="RequestObjects")) == "PR400-OD-0040"


class TestPages:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"top": "2"}, ["anna", "bert"]),
            ({"top": "2", "skip": "1"}, ["bert", "carl@example.com"]),
            ({"skip": "3"}, ["dora"]),
            ({"skip": "4"}, []),
            ({"top": "0"}, []),
            ({"top": "10000", "skip": "0"}, ["anna", "bert", "carl@example.com", "dora"]),
        ],
    )
    def test_a_page_is_a_part_of_the_list_and_the_count_is_of_all(
        self, world: Site, options: dict[str, str], expected: list[str]
    ) -> None:
        answer = ask(world, "Account", orderby="Name", inlinecount="allpages", **options)
        assert names(answer) == expected
        assert answer.json()["d"]["__count"] == "4"

    @pytest.mark.parametrize("value", ["none", None])
    def test_nothing_is_counted_unasked(self, world: Site, value: str | None) -> None:
        answer = ask(world, "Account", **({} if value is None else {"inlinecount": value}))
        assert list(answer.json()["d"]) == ["results"]

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"top": "-1"}, "PR400-OD-0029"),
            ({"top": "10001"}, "PR400-OD-0029"),
            ({"skip": "100001"}, "PR400-OD-0029"),
            ({"top": "101", "expand": "_Role"}, "PR400-OD-0029"),
            ({"top": ""}, "PR400-OD-0036"),
            ({"skip": "1.5"}, "PR400-OD-0036"),
            ({"inlinecount": "AllPages"}, "PR400-OD-0013"),
            ({"inlinecount": ""}, "PR400-OD-0013"),
            ({"select": ""}, "PR400-OD-0017"),
            ({"select": "'Name'"}, "PR400-OD-0017"),
            ({"expand": ""}, "PR400-OD-0026"),
            ({"expand": "Role"}, "PR400-OD-0026"),
            ({"expand": "_Role, _ReceivedMessageRead"}, "PR400-OD-0026"),
            ({"expand": "_Nothing"}, "PR400-OD-0025"),
            ({"expand": "_Role/_Nothing"}, "PR400-OD-0025"),
            ({"expand": "_Role/_Box,_ReceivedMessageRead"}, "PR400-OD-0039"),
            ({"skiptoken": "x"}, "PR400-OD-0029"),
        ],
    )
    def test_options_out_of_bounds_are_refused(self, world: Site, options: dict[str, str], code: str) -> None:
        assert code_of(ask(world, "Account", **options)) == code

    def test_a_list_longer_than_a_page_goes_on_behind_it(self, cell: Site) -> None:
        for number in range(30):
            made(cell, "Role", {"Name": f"r{number:02}"})
        first = cell.call("GET", "__ctl/Role?$orderby=Name%20desc")
        assert len(results(first)) == 25
        going_on = first.json()["d"].get("__next")
        if going_on is not None:
            rest = cell.call("GET", going_on.removeprefix(cell.url))
            assert [*names(first), *names(rest)] == [f"r{number:02}" for number in reversed(range(30))]
        assert len(results(cell.call("GET", "__ctl/Role?$top=26"))) == 26


class TestSelect:
    def test_what_is_selected_is_shown_with_what_always_is(self, world: Site) -> None:
        for path in ("Account", "Account('dora')"):
            shown = results(ask(world, path, select="Status,Colour"))
            each = shown[0] if isinstance(shown, list) else shown
            plain = {name for name, value in each.items() if not isinstance(value, dict)}
            assert plain == {"Status", "__published", "__updated"}
            assert {"__metadata", "_Role", "_ReceivedMessageRead"} <= each.keys()

    def test_a_star_selects_all(self, world: Site) -> None:
        assert results(ask(world, "Account", select="*")) == results(ask(world, "Account"))


class TestExpand:
    def test_linked_entities_are_shown_in_place(self, world: Site) -> None:
        shown = {each["Name"]: each["_Role"] for each in results(ask(world, "Account", expand="_Role"))}
        linked = {name: sorted(role["Name"] for role in roles) for name, roles in shown.items()}
        assert linked == {"anna": ["admin", "reader"], "bert": ["reader"], "carl@example.com": [], "dora": []}
        one = results(ask(world, "Account('anna')", expand="_Role"))
        assert one["_Role"] == shown["anna"]
        alone = {role["Name"]: results(world.call("GET", f"__ctl/Role('{role['Name']}')")) for role in one["_Role"]}
        assert {role["Name"]: role for role in one["_Role"]} == alone

    @pytest.mark.parametrize(
        ("path", "way", "expected"),
        [
            ("Role(Name='admin',_Box.Name='b')", "_Box", ["b"]),
            ("Role('admin')", "_Box", []),
            ("Box('b')", "_Role", ["admin", "viewer"]),
            ("Box('b')", "_Rule", ["four"]),
            ("Box('c')", "_Role", []),
            ("ExtRole(ExtRole='urn:guest',_Relation.Name='friend')", "_Relation", ["friend"]),
            ("Role('reader')", "_Account", ["anna", "bert"]),
        ],
    )
    def test_a_list_stands_there_whatever_the_multiplicity(
        self, world: Site, path: str, way: str, expected: list[str]
    ) -> None:
        for options in ({}, {"select": "Name"}, {"select": "__published"}):
            shown = results(ask(world, path, expand=way, **options))
            assert sorted(each["Name"] for each in shown[way]) == expected
            assert all("__published" in each and "__metadata" in each for each in shown[way])

    def test_more_than_one_and_what_is_behind_them(self, world: Site) -> None:
        shown = results(ask(world, "Box('b')", expand="_Role,_Rule,_Relation"))
        assert (len(shown["_Role"]), len(shown["_Rule"]), shown["_Relation"]) == (2, 1, [])
        assert "__deferred" in shown["_SentMessage"]
        deep = results(ask(world, "Account", expand="_Role/_Account", filter="Name eq 'bert'"))
        ((role,),) = [each["_Role"] for each in deep]
        assert sorted(each["Name"] for each in role["_Account"]) == ["anna", "bert"]


@pytest.fixture(scope="module")
def mailed(unit: RunningUnit) -> Site:
    return with_messages(unit)


class TestMessages:
    @pytest.mark.parametrize(
        ("entity_set", "condition", "count"),
        [
            ("ReceivedMessage", "Type eq 'request'", 2),
            ("ReceivedMessage", "Type eq 'message' and Status eq 'read'", 1),
            ("ReceivedMessage", "From eq 'http://localhost:9996/fixpeer/'", 3),
            ("ReceivedMessage", "Priority ge 3", 3),
            ("ReceivedMessage", "startswith(Title,'from')", 1),
            ("SentMessage", "Priority eq 1", 1),
            ("SentMessage", "Priority lt 4 and ToRelation eq null", 2),
            ("SentMessage", "ToRelation eq 'friend'", 1),
            ("SentMessage", "_Box.Name eq null", 3),
            ("SentMessage", "substringof('本文',Body)", 3),
        ],
    )
    def test_messages_are_filtered(self, mailed: Site, entity_set: str, condition: str, count: int) -> None:
        assert len(results(ask(mailed, entity_set, filter=condition))) == count

    @pytest.mark.parametrize(
        ("condition", "code"),
        [("Priority eq 'x'", "PR400-OD-0046"), ("Priority eq 3000000000", "PR400-OD-0047")],
    )
    def test_a_priority_is_a_number(self, mailed: Site, condition: str, code: str) -> None:
        assert code_of(ask(mailed, "SentMessage", filter=condition)) == code

    def test_read_marks_are_expanded(self, mailed: Site) -> None:
        shown = results(ask(mailed, f"ReceivedMessage{KEYS['ReceivedMessage']}", expand="_AccountRead"))
        marked = results(ask(mailed, f"ReceivedMessage{KEYS['ReceivedMessage']}/_AccountRead"))
        assert shown["_AccountRead"] == marked


CELLS = [f"query-{letter}" for letter in "dacb"]
OWNER = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": "https://unit.example/#asker"}


@pytest.fixture(scope="module")
def own(unit: RunningUnit) -> RunningUnit:
    """The unit with some cells of the owner's."""
    for name in CELLS:
        answer = unit.http.post(f"{unit.url}__ctl/Cell", json={"Name": name}, headers=OWNER)
        assert answer.status_code == 201, answer.text
    return unit


class TestCells:
    @staticmethod
    def ask(unit: RunningUnit, path: str = "Cell", **options: str) -> httpx.Response:
        params: dict[str, Any] = {f"${name}": value for name, value in options.items()}
        return unit.http.get(f"{unit.url}__ctl/{path}", headers=OWNER, params=params)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, CELLS),
            ({"orderby": "Name"}, sorted(CELLS)),
            ({"orderby": "Name desc", "top": "2"}, ["query-d", "query-c"]),
            ({"orderby": "__published desc", "skip": "3"}, ["query-d"]),
            ({"filter": "Name eq 'query-b'"}, ["query-b"]),
            ({"filter": "Name ne 'query-b'", "orderby": "Name"}, ["query-a", "query-c", "query-d"]),
            ({"filter": "startswith(Name,'query')", "orderby": "Name", "top": "1"}, ["query-a"]),
            ({"filter": "substringof('y-c',Name)"}, ["query-c"]),
            ({"filter": "Name gt 'query-b'", "orderby": "Name"}, ["query-c", "query-d"]),
            ({"filter": "Name eq 'query-a' or Name eq 'query-d'"}, ["query-d", "query-a"]),
            ({"filter": "__updated lt datetime'2020-01-01T00:00:00'"}, []),
            ({"top": "0"}, []),
        ],
    )
    def test_cells_are_filtered_sorted_and_paged(
        self, own: RunningUnit, options: dict[str, str], expected: list[str]
    ) -> None:
        assert names(self.ask(own, **options)) == expected

    def test_cells_are_counted(self, own: RunningUnit) -> None:
        assert self.ask(own, inlinecount="allpages", top="1").json()["d"]["__count"] == "4"
        assert self.ask(own, "Cell/$count").text == "4"
        assert self.ask(own, "Cell/$count", filter="Name gt 'query-b'").text == "2"

    def test_a_time_is_compared(self, own: RunningUnit) -> None:
        later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
        assert len(results(self.ask(own, filter=f"__published lt datetime'{later}'"))) == 4
        assert results(self.ask(own, filter=f"__published gt datetime'{later}'")) == []

    def test_a_cell_shows_what_is_selected(self, own: RunningUnit) -> None:
        shown = results(self.ask(own, "Cell('query-a')", select="Name"))
        assert set(shown) == {"__metadata", "Name", "__published", "__updated"}

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"filter": "Owner eq 'x'"}, "PR400-OD-0045"),
            ({"filter": "Name eq 1"}, "PR400-OD-0046"),
            ({"filter": "Name"}, "PR400-OD-0043"),
            ({"orderby": ""}, "PR400-OD-0015"),
            ({"top": "10001"}, "PR400-OD-0029"),
            ({"skip": "x"}, "PR400-OD-0036"),
            ({"inlinecount": "x"}, "PR400-OD-0013"),
            ({"expand": "_Box"}, "PR400-OD-0025"),
            ({"select": "1"}, "PR400-OD-0017"),
            ({"format": "csv"}, "PR400-OD-0005"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, own: RunningUnit, options: dict[str, str], code: str) -> None:
        assert code_of(self.ask(own, **options)) == code

    def test_the_key_of_a_cell_has_two_forms(self, own: RunningUnit) -> None:
        for form in ("Cell('query-a')", "Cell(Name='query-a')", f"Cell({quote(chr(39))}query-a{quote(chr(39))})"):
            shown = results(self.ask(own, form))
            assert shown["__metadata"]["uri"] == f"{own.url}__ctl/Cell('query-a')"
