"""Links between control objects over HTTP, each pair in both directions; what keeps an object, what goes with it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.api.controls import (
    BINDABLE,
    BOUND,
    KEYS,
    PEER,
    RECEIVED,
    WAYS,
    WORLD,
    Members,
    address,
    code_of,
    made,
    populate,
    results,
    uris,
    with_messages,
)
from tests.running import RunningUnit, Site, running


def link(cell: Site, source: str, way: str, target: str) -> httpx.Response:
    return cell.call("POST", f"__ctl/{source}/$links/{way}", json={"uri": f"{cell.url}__ctl/{target}"})


def unlink(cell: Site, source: str, way: str, key: str) -> httpx.Response:
    return cell.call("DELETE", f"__ctl/{source}/$links/{way}{key}")


def bound_key(entity_set: str, box: str = "b") -> str:
    return KEYS[entity_set].replace("_Box.Name=null", f"_Box.Name='{box}'")


@pytest.fixture
def world(cell: Site) -> Site:
    """A cell with one entity of each set."""
    populate(cell)
    return cell


@pytest.fixture(scope="module")
def standing(unit: RunningUnit) -> Site:
    """The same for tests that leave it as it is."""
    cell = unit.cell()
    populate(cell)
    return cell


class TestManyToMany:
    @pytest.mark.parametrize(("source", "target"), WAYS)
    def test_a_link_is_made_seen_from_both_ends_and_taken_away(
        self, standing: Site, source: str, target: str
    ) -> None:
        here, there = address(source), address(target)
        answer = link(standing, here, f"_{target}", there)
        assert (answer.status_code, answer.content, answer.headers["dataserviceversion"]) == (204, b"", "2.0")
        assert code_of(link(standing, here, f"_{target}", there)) == "PR409-OD-0002"
        assert code_of(link(standing, there, f"_{source}", here)) == "PR409-OD-0002"
        assert uris(standing, f"{here}/$links/_{target}") == [there]
        assert uris(standing, f"{there}/$links/_{source}") == [here]
        (shown,) = results(standing.call("GET", f"__ctl/{here}/_{target}"))
        assert shown == results(standing.call("GET", f"__ctl/{there}"))
        assert unlink(standing, there, f"_{source}", KEYS[source]).status_code == 204
        assert code_of(unlink(standing, here, f"_{target}", KEYS[target])) == "PR404-OD-0000"
        assert uris(standing, f"{here}/$links/_{target}") == uris(standing, f"{there}/$links/_{source}") == []
        assert results(standing.call("GET", f"__ctl/{here}/_{target}")) == []

    @pytest.mark.parametrize(("source", "target"), WAYS)
    def test_a_key_behind_the_way_is_for_taking_away_alone(self, standing: Site, source: str, target: str) -> None:
        here = f"__ctl/{address(source)}"
        link(standing, address(source), f"_{target}", address(target))
        for method, path, code in (
            ("POST", f"$links/_{target}{KEYS[target]}", "PR400-OD-0010"),
            ("GET", f"$links/_{target}{KEYS[target]}", "PR400-OD-0010"),
            ("GET", f"_{target}{KEYS[target]}", "PR400-OD-0010"),
            ("POST", f"_{target}{KEYS[target]}", "PR400-OD-0010"),
            ("GET", f"_{target}{KEYS[target]}/$count", "PR400-OD-0010"),
            ("DELETE", f"$links/_{target}", "PR400-OD-0011"),
            ("PUT", f"$links/_{target}", "PR400-OD-0011"),
            ("PUT", f"$links/_{target}{KEYS[target]}", "PR501-MC-0001"),
            ("DELETE", f"$links/_{target}(x)", "PR400-OD-0028"),
            ("MERGE", f"$links/_{target}", "PR405-MC-0001"),
            ("PUT", f"_{target}", "PR405-MC-0001"),
            ("DELETE", f"_{target}", "PR405-MC-0001"),
        ):
            answer = standing.call(method, f"{here}/{path}", json={"uri": f"{standing.url}__ctl/{address(target)}"})
            assert (method, path, code_of(answer)) == (method, path, code)
        assert uris(standing, f"{address(source)}/$links/_{target}") == [address(target)]
        assert unlink(standing, address(source), f"_{target}", KEYS[target]).status_code == 204

    def test_each_of_many_may_be_linked_with_each(self, world: Site) -> None:
        for name in ("r1", "r2"):
            made(world, "Role", {"Name": name})
        made(world, "Account", {"Name": "a1"})
        for account in ("a", "a1"):
            for role in ("r2", "r1", "r"):
                assert link(world, f"Account('{account}')", "_Role", f"Role('{role}')").status_code == 204
        expected = [f"Role(Name='{name}',_Box.Name=null)" for name in ("r", "r1", "r2")]
        assert uris(world, "Account('a')/$links/_Role") == uris(world, "Account('a1')/$links/_Role") == expected
        assert uris(world, "Role('r1')/$links/_Account") == ["Account('a')", "Account('a1')"]
        assert uris(world, "Account('a')/$links/_Role?$top=1&$skip=1") == expected[1:2]
        assert uris(world, "Account('a')/$links/_Role?$top=0") == []

    @pytest.mark.parametrize(
        ("query", "code"),
        [("$top=x", "PR400-OD-0036"), ("$skip=-1", "PR400-OD-0029"), ("$top=10001", "PR400-OD-0029")],
    )
    def test_a_list_of_links_is_bounded(self, standing: Site, query: str, code: str) -> None:
        assert code_of(standing.call("GET", f"__ctl/Account('a')/$links/_Role?{query}")) == code


class TestBodies:
    @pytest.mark.parametrize("target", ["ExtCell", "ExtRole", "Relation"])
    @pytest.mark.parametrize("form", ["{url}{key}", "{url}{raw}", "{key}", "{raw}"])
    def test_a_uri_may_be_relative_and_its_key_encoded_or_not(self, standing: Site, target: str, form: str) -> None:
        key = address(target)
        uri = form.format(url=f"{standing.url}__ctl/", key=key, raw=unquote(key))
        answer = standing.call("POST", f"__ctl/Role('r')/$links/_{target}", json={"uri": uri})
        assert answer.status_code == 204, answer.text
        assert uris(standing, f"Role('r')/$links/_{target}") == [key]
        assert unlink(standing, "Role('r')", f"_{target}", KEYS[target]).status_code == 204

    @pytest.mark.parametrize(
        ("spelled", "meant"),
        [("%41", "A"), ("%2541", "%41"), ("100%", "100%"), ("%42", "%42"), ("%2542", "%42"), ("%252542", None)],
    )
    def test_a_key_is_decoded_unless_it_stands_for_another_as_it_is(
        self, cell: Site, spelled: str, meant: str | None
    ) -> None:
        made(cell, "Role", {"Name": "r"})
        for name in ("A", "%41", "100%", "%42"):
            made(cell, "ExtCell", {"Url": f"{PEER}{name}/"})
        answer = link(cell, "Role('r')", "_ExtCell", f"ExtCell('{PEER}{spelled}/')")
        assert answer.status_code == (204 if meant else 400)
        expected = [f"ExtCell('{quote(f'{PEER}{meant}/', safe='')}')"] if meant else []
        assert uris(cell, "Role('r')/$links/_ExtCell") == expected

    def test_a_uri_may_name_a_cell_of_this_unit_in_its_local_form(self, unit: RunningUnit, world: Site) -> None:
        made(world, "ExtCell", {"Url": f"{unit.url}peer/"})
        assert link(world, "Role('r')", "_ExtCell", "ExtCell('personium-localunit:peer:/')").status_code == 204
        assert uris(world, "Role('r')/$links/_ExtCell") == [f"ExtCell('{quote(f'{unit.url}peer/', safe='')}')"]

    @pytest.mark.parametrize("uri", ["Role('r')", "Role(Name='r')", "Role(_Box.Name=null,Name='r')"])
    def test_a_key_may_be_spelled_in_any_form(self, standing: Site, uri: str) -> None:
        assert link(standing, "Account('a')", "_Role", uri).status_code == 204
        assert unlink(standing, "Account('a')", "_Role", "('r')").status_code == 204

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "PR400-OD-0001"),
            (b"uri", "PR400-OD-0001"),
            (b"[]", "PR400-OD-0001"),
            (b"{}", "PR400-OD-0006"),
            (b'{"uri":null}', "PR400-OD-0006"),
            (b'{"uri":1}', "PR400-OD-0006"),
            (b'{"uri":""}', "PR400-OD-0006"),
            (b'{"uri":"Role"}', "PR400-OD-0006"),
            (b'{"uri":"Role(r)"}', "PR400-OD-0006"),
            (b'{"uri":"Role(\'none\')"}', "PR400-OD-0006"),
            (b'{"uri":"Role(\'r\')/_Account"}', "PR400-OD-0006"),
            (b'{"uri":"Account(\'a\')"}', "PR400-OD-0006"),
            (b'{"uri":"https://x.example/__ctl/Role(\'r\')"}', "PR400-OD-0006"),
            (b'{"uri":"{other}__ctl/Role(\'r\')"}', "PR400-OD-0006"),
        ],
    )
    def test_a_body_that_names_no_target_links_nothing(
        self, unit: RunningUnit, standing: Site, body: bytes, code: str
    ) -> None:
        body = body.replace(b"{other}", f"{unit.url}other/".encode())
        assert code_of(standing.call("POST", "__ctl/Account('a')/$links/_Role", content=body)) == code
        assert uris(standing, "Account('a')/$links/_Role") == []

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("POST", "Account('none')/$links/_Role", "PR404-OD-0000"),
            ("DELETE", "Account('none')/$links/_Role('r')", "PR404-OD-0000"),
            ("DELETE", "Account('a')/$links/_Role('none')", "PR404-OD-0000"),
            ("GET", "Account('none')/$links/_Role", "PR404-OD-0002"),
            ("GET", "Account('none')/_Role", "PR404-OD-0002"),
            ("POST", "Account('none')/_Role", "PR404-OD-0000"),
            ("POST", "Account('a')/$links/_Box", "PR400-OD-0008"),
            ("GET", "Account('a')/$links/_Box", "PR400-OD-0008"),
            ("DELETE", "Account('a')/$links/_Box('b')", "PR400-OD-0008"),
            ("GET", "Account('a')/_Box", "PR404-OD-0003"),
            ("POST", "Account('a')/_Box", "PR404-OD-0003"),
            ("GET", "Account(a)/$links/_Role", "PR400-OD-0004"),
            ("POST", "Account(a)/_Role", "PR400-OD-0004"),
        ],
    )
    def test_what_leads_nowhere_is_told_so(self, standing: Site, method: str, path: str, code: str) -> None:
        body = {"uri": f"{standing.url}__ctl/Role('r')"} if "$links" in path else {"Name": "x"}
        assert code_of(standing.call(method, f"__ctl/{path}", json=body)) == code

    def test_an_entity_has_so_many_links_and_no_more(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.links_per_entity": 2}) as unit:
            cell = unit.cell()
            made(cell, "Role", {"Name": "r"})
            for name in ("a", "b", "c"):
                made(cell, "Account", {"Name": name})
            for name in ("a", "b"):
                assert link(cell, f"Account('{name}')", "_Role", "Role('r')").status_code == 204
            assert code_of(link(cell, "Account('c')", "_Role", "Role('r')")) == "PR400-OD-0038"
            assert code_of(link(cell, "Role('r')", "_Account", "Account('c')")) == "PR400-OD-0038"
            assert code_of(cell.call("POST", "__ctl/Role('r')/_Account", json={"Name": "d"})) == "PR400-OD-0038"
            assert code_of(cell.call("GET", "__ctl/Account('d')")) == "PR404-OD-0002"


class TestBoxes:
    """A box binds what belongs to it, by links from either end; the key of what is bound changes with that."""

    @pytest.mark.parametrize("entity_set", BINDABLE)
    @pytest.mark.parametrize("from_box", [True, False])
    def test_what_is_bound_and_released_has_another_key(
        self, standing: Site, entity_set: str, *, from_box: bool
    ) -> None:
        free, bound = address(entity_set), f"{entity_set}{bound_key(entity_set)}"
        if from_box:
            answer = link(standing, "Box('b')", f"_{entity_set}", free)
        else:
            answer = link(standing, free, "_Box", "Box('b')")
        assert answer.status_code == 204, answer.text
        assert code_of(standing.call("GET", f"__ctl/{free}")) == "PR404-OD-0002"
        assert results(standing.call("GET", f"__ctl/{bound}"))["_Box.Name"] == "b"
        assert uris(standing, f"Box('b')/$links/_{entity_set}") == [bound]
        assert uris(standing, f"{bound}/$links/_Box") == ["Box('b')"]
        (box,) = results(standing.call("GET", f"__ctl/{bound}/_Box"))
        assert box["Name"] == "b"
        if from_box:
            answer = unlink(standing, "Box('b')", f"_{entity_set}", bound_key(entity_set))
        else:
            answer = unlink(standing, bound, "_Box", "('b')")
        assert answer.status_code == 204
        assert results(standing.call("GET", f"__ctl/{free}"))["_Box.Name"] is None
        assert uris(standing, f"Box('b')/$links/_{entity_set}") == uris(standing, f"{free}/$links/_Box") == []

    @pytest.mark.parametrize("entity_set", BINDABLE)
    def test_nothing_is_bound_twice(self, world: Site, entity_set: str) -> None:
        made(world, "Box", {"Name": "c"})
        bound = f"{entity_set}{bound_key(entity_set)}"
        assert link(world, address(entity_set), "_Box", "Box('b')").status_code == 204
        for box in ("b", "c"):
            assert code_of(link(world, bound, "_Box", f"Box('{box}')")) == "PR409-OD-0002"
            assert code_of(link(world, f"Box('{box}')", f"_{entity_set}", bound)) == "PR409-OD-0002"
        assert code_of(unlink(world, bound, "_Box", "('c')")) == "PR404-OD-0000"
        assert code_of(unlink(world, "Box('c')", f"_{entity_set}", bound_key(entity_set))) == "PR404-OD-0000"

    @pytest.mark.parametrize("entity_set", BINDABLE)
    def test_a_key_that_is_taken_keeps_both_as_they_are(self, world: Site, entity_set: str) -> None:
        free, bound = address(entity_set), f"{entity_set}{bound_key(entity_set)}"
        made(world, entity_set, {**dict(WORLD)[entity_set], **BOUND})
        assert code_of(link(world, free, "_Box", "Box('b')")) == "PR409-OD-0005"
        assert code_of(link(world, "Box('b')", f"_{entity_set}", free)) == "PR409-OD-0005"
        assert code_of(unlink(world, bound, "_Box", "('b')")) == "PR409-OD-0004"
        assert code_of(unlink(world, "Box('b')", f"_{entity_set}", bound_key(entity_set))) == "PR409-OD-0004"
        for path in (free, bound):
            assert world.call("GET", f"__ctl/{path}").headers["etag"].startswith('W/"1-')

    def test_what_is_bound_keeps_its_other_links(self, world: Site) -> None:
        assert link(world, "Account('a')", "_Role", "Role('r')").status_code == 204
        assert link(world, "Box('b')", "_Role", "Role('r')").status_code == 204
        assert uris(world, "Account('a')/$links/_Role") == [f"Role{bound_key('Role')}"]


class TestExternalRoles:
    """An external role belongs to its relation for good."""

    def test_its_relation_is_shown_from_both_ends(self, standing: Site) -> None:
        assert uris(standing, f"{address('ExtRole')}/$links/_Relation") == [address("Relation")]
        assert uris(standing, f"{address('Relation')}/$links/_ExtRole") == [address("ExtRole")]
        (relation,) = results(standing.call("GET", f"__ctl/{address('ExtRole')}/_Relation"))
        (role,) = results(standing.call("GET", f"__ctl/{address('Relation')}/_ExtRole"))
        assert (relation["Name"], role["_Relation.Name"]) == ("l", "l")

    @pytest.mark.parametrize(("source", "target"), [("ExtRole", "Relation"), ("Relation", "ExtRole")])
    def test_it_is_neither_linked_nor_released(self, standing: Site, source: str, target: str) -> None:
        assert code_of(link(standing, address(source), f"_{target}", address(target))) == "PR400-OD-0008"
        assert code_of(unlink(standing, address(source), f"_{target}", KEYS[target])) == "PR400-OD-0008"
        assert uris(standing, f"{address('ExtRole')}/$links/_Relation") == [address("Relation")]

    def test_its_key_follows_the_relation(self, world: Site) -> None:
        assert link(world, "Relation('l')", "_Box", "Box('b')").status_code == 204
        (shown,) = results(world.call("GET", "__ctl/ExtRole"))
        assert (shown["_Relation.Name"], shown["_Relation._Box.Name"]) == ("l", "b")
        key = KEYS["ExtRole"].replace("_Box.Name=null", "_Box.Name='b'")
        assert world.call("GET", f"__ctl/ExtRole{key}").status_code == 200
        assert code_of(world.call("GET", f"__ctl/{address('ExtRole')}")) == "PR404-OD-0002"


class TestReadMarks:
    def test_who_has_read_a_message_is_linked_with_it(self, unit: RunningUnit) -> None:
        cell = with_messages(unit)
        message = f"ReceivedMessage('{RECEIVED}')"
        before = uris(cell, f"{message}/$links/_AccountRead")
        assert "Account('bob')" not in before
        assert link(cell, message, "_AccountRead", "Account('bob')").status_code == 204
        assert code_of(link(cell, "Account('bob')", "_ReceivedMessageRead", message)) == "PR409-OD-0002"
        assert uris(cell, "Account('bob')/$links/_ReceivedMessageRead") == [message]
        assert sorted(uris(cell, f"{message}/$links/_AccountRead")) == sorted([*before, "Account('bob')"])
        (shown,) = results(cell.call("GET", "__ctl/Account('bob')/_ReceivedMessageRead"))
        assert shown["__id"] == RECEIVED
        assert unlink(cell, "Account('bob')", "_ReceivedMessageRead", f"('{RECEIVED}')").status_code == 204
        assert link(cell, "Account('bob')", "_ReceivedMessageRead", message).status_code == 204
        assert unlink(cell, message, "_AccountRead", "('bob')").status_code == 204
        assert uris(cell, f"{message}/$links/_AccountRead") == before


KEPT: list[tuple[str, list[tuple[str, Members]]]] = [
    ("Box('b')", [("Role", {"Name": "x", **BOUND})]),
    ("Box('b')", [("Relation", {"Name": "x", **BOUND})]),
    ("Box('b')", [("Rule", {"Name": "x", "Action": "log", **BOUND})]),
    ("Relation('l')", []),
]
"""What cannot be deleted once those are made."""


class TestDeletes:
    @pytest.mark.parametrize(("kept", "more"), KEPT)
    def test_what_others_refer_to_stays(self, world: Site, kept: str, more: list[tuple[str, Members]]) -> None:
        for entity_set, members in more:
            made(world, entity_set, members)
        assert code_of(world.call("DELETE", f"__ctl/{kept}")) == "PR409-OD-0001"
        assert world.call("GET", f"__ctl/{kept}").status_code == 200
        for entity_set in [each for each, _ in more] or ["ExtRole"]:
            key = "(Name='x',_Box.Name='b')" if more else KEYS[entity_set]
            assert world.call("DELETE", f"__ctl/{entity_set}{key}").status_code == 204
        assert world.call("DELETE", f"__ctl/{kept}").status_code == 204

    @pytest.mark.parametrize("collection", ["", "c/"])
    def test_a_box_with_something_in_it_stays(self, world: Site, collection: str) -> None:
        if collection:
            body = (
                '<D:mkcol xmlns:D="DAV:"><D:set><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>'
                "</D:set></D:mkcol>"
            )
            assert world.call("MKCOL", f"b/{collection}", content=body).status_code == 201
        assert world.call("PUT", f"b/{collection}file", content=b"f").status_code == 201
        assert code_of(world.call("DELETE", "__ctl/Box('b')")) == "PR409-OD-0001"
        assert world.call("GET", f"b/{collection}file").content == b"f"

    @pytest.mark.parametrize(("source", "target"), WAYS)
    def test_what_goes_takes_its_links_along(self, world: Site, source: str, target: str) -> None:
        if source == "Relation":
            world.call("DELETE", f"__ctl/{address('ExtRole')}")
        assert link(world, address(source), f"_{target}", address(target)).status_code == 204
        assert world.call("DELETE", f"__ctl/{address(source)}").status_code == 204
        assert uris(world, f"{address(target)}/$links/_{source}") == []
        made(world, source, dict(WORLD)[source])
        assert uris(world, f"{address(source)}/$links/_{target}") == []

    def test_a_role_that_goes_takes_its_grants_along(self, world: Site) -> None:
        world.account("anna", roles=("r",))
        assert world.acl("", {"r": "p:auth-read"}).status_code == 200
        token = world.token("anna")
        assert world.call("GET", "__ctl/Role", token=token).status_code == 200
        assert world.call("DELETE", "__ctl/Role('r')").status_code == 204
        made(world, "Role", {"Name": "r"})
        assert link(world, "Account('anna')", "_Role", "Role('r')").status_code == 204
        assert code_of(world.call("GET", "__ctl/Role", token=token)) == "PR403-AU-0002"
        assert "privilege" not in world.call("PROPFIND").text

    @pytest.mark.parametrize(("path", "name"), [("Role('r')", "s"), ("Account('a')", "b")])
    def test_a_new_name_keeps_links(self, world: Site, path: str, name: str) -> None:
        assert link(world, "Account('a')", "_Role", "Role('r')").status_code == 204
        assert world.call("MERGE", f"__ctl/{path}", json={"Name": name}).status_code == 204
        account, role = ("a", name) if path.startswith("Role") else (name, "r")
        assert uris(world, f"Account('{account}')/$links/_Role") == [f"Role(Name='{role}',_Box.Name=null)"]

    def test_an_account_that_goes_logs_in_no_more(self, world: Site) -> None:
        world.account("anna", roles=("r",))
        token = world.token("anna")
        assert world.call("DELETE", "__ctl/Account('anna')").status_code == 204
        assert code_of(world.call("GET", "__ctl/Role", token=token)).startswith("PR401-")
        assert world.grant("anna").status_code == 400

    def test_read_marks_go_with_either_end(self, unit: RunningUnit) -> None:
        cell = with_messages(unit)
        message = f"ReceivedMessage('{RECEIVED}')"
        for name in ("bob", "carol"):
            assert link(cell, message, "_AccountRead", f"Account('{name}')").status_code == 204
        assert cell.call("DELETE", "__ctl/Account('bob')").status_code == 204
        assert "Account('bob')" not in uris(cell, f"{message}/$links/_AccountRead")
        assert cell.call("DELETE", f"__ctl/{message}").status_code == 204
        assert uris(cell, "Account('carol')/$links/_ReceivedMessageRead") == []
