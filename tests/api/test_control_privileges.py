"""Who may do what with control objects: each set, each method, each kind of subject; and with links of two sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.controls import KEYS, PEER, RECEIVED, WORLD, code_of, made, populate, results, with_messages
from tests.running import RunningUnit, Site

GUARDS = {
    "Box": "box",
    "Account": "auth",
    "Role": "auth",
    "ExtRole": "auth",
    "Relation": "social",
    "ExtCell": "social",
    "ReceivedMessage": "message",
    "SentMessage": "message",
    "Rule": "rule",
}
"""The privilege that changes a set; with ``-read`` behind it the one that reads it."""
DOMAINS = sorted(set(GUARDS.values()))

WAYS = [
    ("Box", "_Role", "Role"),
    ("Box", "_Relation", "Relation"),
    ("Box", "_Rule", "Rule"),
    ("Box", "_ReceivedMessage", "ReceivedMessage"),
    ("Box", "_SentMessage", "SentMessage"),
    ("Account", "_Role", "Role"),
    ("ExtCell", "_Role", "Role"),
    ("ExtCell", "_Relation", "Relation"),
    ("ExtRole", "_Role", "Role"),
    ("ExtRole", "_Relation", "Relation"),
    ("Relation", "_Role", "Role"),
    *((target, "_Box", "Box") for target in ("Role", "Relation", "Rule", "ReceivedMessage", "SentMessage")),
    ("Role", "_Account", "Account"),
    ("Role", "_ExtCell", "ExtCell"),
    ("Relation", "_ExtCell", "ExtCell"),
    ("Role", "_ExtRole", "ExtRole"),
    ("Relation", "_ExtRole", "ExtRole"),
    ("Role", "_Relation", "Relation"),
]
"""Where the links of a cell go, but for read marks."""

READING = ("GET", "HEAD", "OPTIONS")
WRITING = ("PUT", "MERGE", "PATCH", "DELETE")
NOWHERE = "('none')"


def reads(entity_set: str) -> Iterator[tuple[str, str]]:
    for method in READING:
        yield from ((method, entity_set), (method, f"{entity_set}{NOWHERE}"))
    yield from (("GET", f"{entity_set}/$count"), ("GET", f"{entity_set}{NOWHERE}/__id"))


def writes(entity_set: str) -> Iterator[tuple[str, str]]:
    yield "POST", entity_set
    yield from ((method, f"{entity_set}{NOWHERE}") for method in WRITING)


def link_reads(source: str, way: str) -> Iterator[tuple[str, str]]:
    for end in (f"$links/{way}", way):
        yield from (("GET", f"{source}{NOWHERE}/{end}"), ("HEAD", f"{source}{NOWHERE}/{end}"))
    yield from (("GET", f"{source}{NOWHERE}/$links/{way}('x')"), ("GET", f"{source}{NOWHERE}/{way}('x')"))
    yield "GET", f"{source}{NOWHERE}/{way}/$count"


def link_writes(source: str, way: str) -> Iterator[tuple[str, str]]:
    yield from (("POST", f"{source}{NOWHERE}/$links/{way}"), ("POST", f"{source}{NOWHERE}/{way}"))
    yield from ((method, f"{source}{NOWHERE}/$links/{way}('x')") for method in ("DELETE", "PUT", "POST"))
    yield from ((method, f"{source}{NOWHERE}/$links/{way}") for method in ("DELETE", "PUT"))


class Guarded:
    """A cell with an account for every set of privileges that a test asks for."""

    def __init__(self, cell: Site) -> None:
        self.cell = cell
        self._tokens: dict[tuple[str, ...], str] = {}
        roles = {privilege: f"p:{privilege}" for each in DOMAINS for privilege in (each, f"{each}-read")}
        roles |= {"root": "p:root", "all": "all", "acl": "p:acl p:propfind p:log p:event p:sign"}
        for role in roles:
            made(cell, "Role", {"Name": f"{role}-role"})
        assert cell.acl("", {f"{role}-role": privileges for role, privileges in roles.items()}).status_code == 200

    def token(self, *privileges: str) -> str:
        """The token of an account that holds those, by one role for each."""
        if privileges not in self._tokens:
            name = "-".join(("account", *privileges))
            self.cell.account(name, roles=tuple(f"{each}-role" for each in privileges))
            self._tokens[privileges] = self.cell.token(name)
        return self._tokens[privileges]

    def statuses(self, token: str | None, rows: Iterator[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """What each of *rows* is answered with; its body can be of no use, and its entity is not there."""
        found: dict[tuple[str, str], int] = {}
        for method, path in rows:
            answer = self.cell.call(method, f"__ctl/{path}", token=token, content=b"no json")
            found[method, path] = answer.status_code
        return found


@pytest.fixture(scope="module")
def guarded(unit: RunningUnit) -> Guarded:
    cell = with_messages(unit)
    populate(cell)
    return Guarded(cell)


def let_in(statuses: dict[Any, int]) -> bool:
    return {401, 403}.isdisjoint(statuses.values())


class TestSets:
    @pytest.mark.parametrize("entity_set", GUARDS)
    @pytest.mark.parametrize(("token", "code"), [(None, "PR401-AU-0001"), ("rubbish", "PR401-AU-0006")])
    def test_strangers_are_told_nothing(
        self, guarded: Guarded, entity_set: str, token: str | None, code: str
    ) -> None:
        for method, path in (*reads(entity_set), *writes(entity_set)):
            if method in {"HEAD", "OPTIONS"}:
                continue
            answer = guarded.cell.call(method, f"__ctl/{path}", token=token, content=b"no json")
            assert (method, path, code_of(answer)) == (method, path, code)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert guarded.cell.call("HEAD", f"__ctl/{entity_set}", token=token).status_code == 401

    @pytest.mark.parametrize("entity_set", GUARDS)
    def test_who_holds_nothing_is_told_nothing(self, guarded: Guarded, entity_set: str) -> None:
        for method, path in (*reads(entity_set), *writes(entity_set)):
            answer = guarded.cell.call(method, f"__ctl/{path}", token=guarded.token(), content=b"no json")
            assert answer.status_code == 403, (method, path)
            if method != "HEAD":
                assert code_of(answer) == "PR403-AU-0002"

    @pytest.mark.parametrize("entity_set", GUARDS)
    def test_the_reading_privilege_reads_and_no_more(self, guarded: Guarded, entity_set: str) -> None:
        token = guarded.token(f"{GUARDS[entity_set]}-read")
        assert let_in(guarded.statuses(token, reads(entity_set)))
        assert set(guarded.statuses(token, writes(entity_set)).values()) == {403}

    @pytest.mark.parametrize("entity_set", GUARDS)
    @pytest.mark.parametrize("privilege", ["its own", "root"])
    def test_the_privilege_itself_does_all(self, guarded: Guarded, entity_set: str, privilege: str) -> None:
        token = guarded.token(GUARDS[entity_set] if privilege == "its own" else privilege)
        assert let_in(guarded.statuses(token, reads(entity_set)))
        assert let_in(guarded.statuses(token, writes(entity_set)))

    @pytest.mark.parametrize("entity_set", GUARDS)
    def test_other_privileges_do_nothing(self, guarded: Guarded, entity_set: str) -> None:
        others = [each for each in DOMAINS if each != GUARDS[entity_set]]
        for token in (guarded.token(*others), guarded.token("all"), guarded.token("acl")):
            assert set(guarded.statuses(token, reads(entity_set)).values()) == {403}
            assert set(guarded.statuses(token, writes(entity_set)).values()) == {403}

    @pytest.mark.parametrize(("entity_set", "members"), WORLD)
    def test_the_privilege_makes_changes_and_deletes(
        self, guarded: Guarded, entity_set: str, members: dict[str, Any]
    ) -> None:
        token, cell = guarded.token(GUARDS[entity_set]), guarded.cell
        field, value = {"ExtCell": ("Url", f"{PEER}y/"), "ExtRole": ("ExtRole", "urn:y")}.get(
            entity_set, ("Name", "y")
        )
        answer = cell.call("POST", f"__ctl/{entity_set}", token=token, json={**members, field: value})
        assert answer.status_code == 201, answer.text
        path = answer.headers["location"].removeprefix(cell.url)
        assert cell.call("GET", path, token=token).status_code == 200
        assert cell.call("PUT", path, token=token, json={**members, field: value}).status_code == 204
        assert cell.call("DELETE", path, token=token).status_code == 204

    def test_a_grant_to_all_lets_anyone_in(self, cell: Site) -> None:
        assert cell.acl("", {"all": "p:auth-read"}).status_code == 200
        for token in (None, "rubbish"):
            assert cell.call("GET", "__ctl/Role", token=token).status_code == 200
            assert cell.call("POST", "__ctl/Role", token=token, json={"Name": "r"}).status_code == 401

    def test_a_unit_user_who_owns_the_cell_gets_at_no_contents(self, unit: RunningUnit, cell: Site) -> None:
        as_owner = {"X-Personium-Unit-User": "https://unit.example/#owner"}
        answer = cell.call("GET", "__ctl/Role", headers=as_owner)
        assert code_of(answer) == "PR403-AU-0002"
        assert code_of(cell.call("POST", "__ctl/Role", json={"Name": "r"}, headers=as_owner)) == "PR403-AU-0002"

    def test_the_scope_of_a_token_bounds_its_roles(self, guarded: Guarded) -> None:
        guarded.token("auth")
        token = guarded.cell.token("account-auth", scope="auth-read")
        assert guarded.cell.call("GET", "__ctl/Role", token=token).status_code == 200
        answer = guarded.cell.call("POST", "__ctl/Role", token=token, json={"Name": "z"})
        assert code_of(answer) == "PR403-AU-0007"


class TestLinks:
    @pytest.mark.parametrize(("source", "way", "target"), WAYS)
    def test_links_need_the_privileges_of_both_ends(
        self, guarded: Guarded, source: str, way: str, target: str
    ) -> None:
        one, other = GUARDS[source], GUARDS[target]
        both = (one,) if one == other else (one, other)
        assert let_in(guarded.statuses(guarded.token(*both), link_writes(source, way)))
        reading = guarded.token(*(f"{each}-read" for each in both))
        assert let_in(guarded.statuses(reading, link_reads(source, way)))
        assert set(guarded.statuses(reading, link_writes(source, way)).values()) == {403}
        if one != other:
            for token in (guarded.token(one), guarded.token(other)):
                assert set(guarded.statuses(token, link_reads(source, way)).values()) == {403}
                assert set(guarded.statuses(token, link_writes(source, way)).values()) == {403}
            for token in (guarded.token(one, f"{other}-read"), guarded.token(f"{one}-read", other)):
                assert let_in(guarded.statuses(token, link_reads(source, way)))
                assert set(guarded.statuses(token, link_writes(source, way)).values()) == {403}

    @pytest.mark.parametrize(("source", "way", "target"), WAYS)
    def test_strangers_are_told_nothing(self, guarded: Guarded, source: str, way: str, target: str) -> None:
        for token in (None, "rubbish"):
            assert set(guarded.statuses(token, link_reads(source, way)).values()) == {401}
            assert set(guarded.statuses(token, link_writes(source, way)).values()) == {401}

    @pytest.mark.parametrize("path", ["Role('r')/$links/_Account", "Role('r')/_Account", "Box('b')/_Rule"])
    def test_the_methods_of_links_are_told_to_who_holds_social_read(self, guarded: Guarded, path: str) -> None:
        token = guarded.token("social-read")
        answer = guarded.cell.call("OPTIONS", f"__ctl/{path}", token=token)
        assert answer.status_code == 200
        expected = {"GET", "HEAD", "POST", "OPTIONS"} | ({"PUT", "DELETE"} if "$links" in path else set())
        assert set(answer.headers["allow"].split(", ")) == expected
        answer = guarded.cell.call("OPTIONS", f"__ctl/{path}", token=guarded.token("auth"))
        assert code_of(answer) == "PR403-AU-0002"

    def test_both_ends_make_and_take_away_a_link(self, guarded: Guarded) -> None:
        cell, token = guarded.cell, guarded.token("auth", "social")
        path, body = "__ctl/ExtCell" + KEYS["ExtCell"], {"uri": f"{cell.url}__ctl/Role('r')"}
        assert cell.call("POST", f"{path}/$links/_Role", token=token, json=body).status_code == 204
        assert len(results(cell.call("GET", f"{path}/_Role", token=token))) == 1
        assert cell.call("DELETE", f"{path}/$links/_Role('r')", token=token).status_code == 204


MESSAGE, ACCOUNT = f"ReceivedMessage('{RECEIVED}')", "Account('bob')"


class TestReadMarks:
    """Links of messages and accounts that have read them need the privilege of messages alone."""

    @pytest.mark.parametrize(
        ("source", "way", "target", "key"),
        [
            (MESSAGE, "_AccountRead", ACCOUNT, "('bob')"),
            (ACCOUNT, "_ReceivedMessageRead", MESSAGE, f"('{RECEIVED}')"),
        ],
    )
    def test_who_may_change_messages_marks_them(
        self, guarded: Guarded, source: str, way: str, target: str, key: str
    ) -> None:
        cell, path = guarded.cell, f"__ctl/{source}/$links/{way}"
        body = {"uri": f"{cell.url}__ctl/{target}"}
        for token in (guarded.token("auth"), guarded.token("message-read"), guarded.token("auth", "message-read")):
            assert code_of(cell.call("POST", path, token=token, json=body)) == "PR403-AU-0002"
            assert code_of(cell.call("DELETE", f"{path}{key}", token=token)) == "PR403-AU-0002"
        token = guarded.token("message")
        assert cell.call("POST", path, token=token, json=body).status_code == 204
        marked = results(cell.call("GET", path, token=guarded.token("message-read")))
        assert f"{cell.url}__ctl/{target}" in [each["uri"] for each in marked]
        assert cell.call("DELETE", f"{path}{key}", token=token).status_code == 204
        assert code_of(cell.call("GET", path, token=guarded.token("auth"))) == "PR403-AU-0002"

    @pytest.mark.parametrize(("source", "way"), [(MESSAGE, "_AccountRead"), (ACCOUNT, "_ReceivedMessageRead")])
    def test_what_stands_at_the_other_end_is_shown_to_who_may_read_both(
        self, guarded: Guarded, source: str, way: str
    ) -> None:
        cell = guarded.cell
        for path in (f"{source}/{way}", f"{source}/{way}/$count", f"{source}?$expand={way}"):
            for token in (guarded.token("message"), guarded.token("auth")):
                assert code_of(cell.call("GET", f"__ctl/{path}", token=token)) == "PR403-AU-0002"
            both = guarded.token("auth-read", "message-read")
            assert cell.call("GET", f"__ctl/{path}", token=both).status_code == 200

    def test_an_account_is_made_by_who_may_make_accounts(self, guarded: Guarded) -> None:
        path = f"__ctl/{MESSAGE}/_AccountRead"
        answer = guarded.cell.call("POST", path, token=guarded.token("message"), json={"Name": "mallory"})
        assert code_of(answer) == "PR403-AU-0002"
        assert code_of(guarded.cell.call("GET", "__ctl/Account('mallory')")) == "PR404-OD-0002"
        both = guarded.token("auth", "message")
        assert guarded.cell.call("POST", path, token=both, json={"Name": "mallory"}).status_code == 201


class TestExpand:
    @pytest.mark.parametrize(("source", "way", "target"), WAYS)
    def test_what_a_link_leads_to_is_shown_to_who_may_read_it(
        self, guarded: Guarded, source: str, way: str, target: str
    ) -> None:
        one, other = f"{GUARDS[source]}-read", f"{GUARDS[target]}-read"
        for path in (f"__ctl/{source}?$top=1&$expand={way}", f"__ctl/{source}{KEYS[source]}?$expand={way}"):
            both = guarded.token(one) if one == other else guarded.token(one, other)
            answer = guarded.cell.call("GET", path, token=both)
            assert answer.status_code == 200, answer.text
            if one != other:
                assert code_of(guarded.cell.call("GET", path, token=guarded.token(one))) == "PR403-AU-0002"

    def test_what_is_two_links_away_is_guarded_too(self, guarded: Guarded) -> None:
        path = "__ctl/Account?$top=1&$expand=_Role/_ExtCell"
        assert code_of(guarded.cell.call("GET", path, token=guarded.token("auth-read"))) == "PR403-AU-0002"
        both = guarded.token("auth-read", "social-read")
        assert guarded.cell.call("GET", path, token=both).status_code == 200


class TestService:
    @pytest.mark.parametrize("domain", DOMAINS)
    @pytest.mark.parametrize("path", ["__ctl/", "__ctl/?$format=json"])
    def test_who_may_read_one_set_is_told_of_all(self, guarded: Guarded, domain: str, path: str) -> None:
        answer = guarded.cell.call("GET", path, token=guarded.token(f"{domain}-read"))
        assert answer.status_code == 200

    def test_who_may_read_none_is_not(self, guarded: Guarded) -> None:
        for token in (guarded.token(), guarded.token("acl")):
            assert code_of(guarded.cell.call("GET", "__ctl/", token=token)) == "PR403-AU-0002"
        assert code_of(guarded.cell.call("GET", "__ctl/", token=None)) == "PR401-AU-0001"

    def test_the_unit_is_not_the_cells(self, unit: RunningUnit, guarded: Guarded) -> None:
        headers = {"Authorization": f"Bearer {guarded.token('root')}"}
        for path in ("__ctl/", "__ctl/Cell", f"__ctl/Cell('{guarded.cell.name}')"):
            assert code_of(unit.http.get(f"{unit.url}{path}", headers=headers)) == "PR403-AU-0001"
