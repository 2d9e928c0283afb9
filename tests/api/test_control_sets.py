"""Every control set over HTTP: its fields, defaults and keys, its methods, and what it does not serve."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.controls import (
    BOUND,
    KEYS,
    PEER,
    PEER_ROLE,
    WORLD,
    Members,
    code_of,
    count_of,
    made,
    populate,
    results,
    told,
)
from tests.running import RunningUnit, Site

ETAG = re.compile(r'W/"\d+-\d+"')
DATE = re.compile(r"/Date\(\d{13}\)/")

LONG = "a" * 128
SETS = [entity_set for entity_set, _ in WORLD]


def ext_role(uri: str, relation: str | None = "l", **members: Any) -> Members:
    return {"ExtRole": uri, "_Relation.Name": relation, **members}


def rule(**members: Any) -> Members:
    return {"Name": "x", "Action": "log", **members}


def timer(time: str | None, kind: str = "timer.periodic", **members: Any) -> Members:
    return rule(EventType=kind, EventObject=time, **members)


def action(name: str | None, target: str | None = None, **members: Any) -> Members:
    return rule(Action=name, TargetUrl=target, **members)


ACCEPTED: list[tuple[str, Members]] = [
    *(("Box", {"Name": name}) for name in ("0", "B-_9", LONG)),
    *(
        ("Box", {"Name": "x", "Schema": schema})
        for schema in (
            "urn:app",
            "https://app.unit.example/",
            "http://unit.example/app/",
            "https://a.example:8443/x/",
        )
    ),
    *(("Account", {"Name": name}) for name in ("0", "x-_!$*=^`{|}~.@", "a@b.example", LONG)),
    ("Account", {"Name": "x", "Type": "basic"}),
    ("Account", {"Name": "x", "Cell": "any text"}),
    *(("Account", {"Name": "x", "Status": each}) for each in ("active", "deactivated", "passwordChangeRequired")),
    *(
        ("Account", {"Name": "x", "IPAddressRange": each})
        for each in ("192.0.2.1", "192.0.2.0/24", "10.0.0.0/1,192.0.2.1/32", "2001:db8::/32")
    ),
    *((each, {"Name": name}) for each in ("Role",) for name in ("0", "R-_9", LONG)),
    ("Role", {"Name": "x", **BOUND}),
    *(("Relation", {"Name": name}) for name in ("-", "+", "+a:b_c-d", LONG)),
    ("Relation", {"Name": "x", **BOUND}),
    *(
        ("ExtCell", {"Url": url})
        for url in ("https://x.unit.example/", "http://unit.example/x/", "https://x.example:8443/a/b/")
    ),
    *(
        ("ExtRole", ext_role(uri))
        for uri in ("https://x.unit.example/__role/__/r", "urn:x:role", f"http://x.example/{'r' * 1000}")
    ),
    ("ExtRole", ext_role("urn:x", "bound", **{"_Relation._Box.Name": "b"})),
    *(("Rule", rule(Name=name)) for name in ("0", "a-_:b", "a" * 200)),
    ("Rule", rule(**BOUND)),
    *(("Rule", rule(EventExternal=each)) for each in (True, False)),
    *(
        ("Rule", rule(EventSubject=each))
        for each in (f"{PEER}#account", "personium-localunit:cell:/#account", "urn:x")
    ),
    *(("Rule", rule(EventType=each)) for each in ("odata.create", "a-_+:.9", "", "t" * 127)),
    ("Rule", rule(EventInfo="free text, e.g. 201")),
    ("Rule", rule(EventInfo="i" * 51_200)),
    ("Rule", rule(EventObject="personium-localcell:/b/x")),
    ("Rule", rule(EventObject="personium-localbox:/x", **BOUND)),
    ("Rule", rule(EventObject="personium-localcell:/__ctl/Role", **BOUND)),
    ("Rule", rule(EventObject="whatever comes", EventExternal=True)),
    ("Rule", timer("600")),
    ("Rule", timer("1700000000000", "timer.oneshot")),
    *(("Rule", action(each)) for each in ("log", "log.info", "log.warn", "log.error")),
    ("Rule", action("exec", "personium-localcell:/b/service/x")),
    ("Rule", action("exec", "personium-localbox:/service/x", **BOUND)),
    *(
        ("Rule", action("relay", each))
        for each in ("https://x.example/a", "personium-localunit:cell:/b", "personium-localcell:/b/x")
    ),
    ("Rule", action("relay", "personium-localbox:/x", **BOUND)),
    *(
        ("Rule", action("relay.data", "https://x.example/a", EventType=each))
        for each in ("odata.create", "odata.update", "odata.patch")
    ),
    *(
        ("Rule", action("relay.event", each))
        for each in (PEER, "personium-localunit:cell:/", "personium-localcell:/")
    ),
]
"""What clients may say of a new entity; what is shown of it is the same."""

REFUSED: list[tuple[str, Members, str]] = [
    *(
        (each, {"Name": name}, "PR400-OD-0006")
        for each in ("Box", "Role")
        for name in ("", "-a", "_a", "__", "a b", "a.b", "a/b", "é", "a" * 129, ["a"], {"a": "b"})
    ),
    *((each, {"Name": None}, "PR400-OD-0009") for each in ("Box", "Account", "Role", "Relation")),
    *((each, {}, "PR400-OD-0009") for each in ("Box", "Account", "Role", "Relation", "ExtCell", "ExtRole")),
    *(
        ("Box", {"Name": "x", "Schema": schema}, "PR400-OD-0050")
        for schema in ("", "app", "https://app.unit.example", "ftp://a.example/", "https://a.example/../", "urn:")
    ),
    ("Box", {"Name": "x", "Schema": f"https://a.example/{'a' * 1010}/"}, "PR400-OD-0050"),
    *(("Account", {"Name": name}, "PR400-OD-0006") for name in ("", "@a", "a b", "a#b", "a/b", "a'b", "a" * 129)),
    *(
        ("Account", {"Name": "x", "Type": each}, "PR400-OD-0006")
        for each in ("", "Basic", "basic basic", "oidc:google", "basic,basic", " basic")
    ),
    *(
        ("Account", {"Name": "x", "IPAddressRange": each}, "PR400-OD-0006")
        for each in ("0.0.0.0/0", "192.0.2.0/33", "192.0.2", "192.0.2.1, 192.0.2.2", "192.0.2.1,", "host.example")
    ),
    *(("Account", {"Name": "x", "Status": each}, "PR400-OD-0006") for each in ("", "gone", "Active")),
    *(("Relation", {"Name": name}, "PR400-OD-0006") for name in ("", "_a", ":a", "a b", "a.b", "a" * 129)),
    *(
        (each, {"Name": "x", "_Box.Name": box}, code)
        for each in ("Role", "Relation", "Rule")
        for box, code in (("none", "PR400-OD-0024"), ("__", "PR400-OD-0006"), ("", "PR400-OD-0006"))
    ),
    *(
        ("ExtCell", {"Url": url}, "PR400-OD-0049")
        for url in (
            "",
            "cell",
            "https://x.unit.example",
            "urn:x",
            "https://x.example/a/../",
            "https://x.example/a?b/",
        )
    ),
    ("ExtCell", {"Url": f"https://x.example/{'a' * 1010}/"}, "PR400-OD-0049"),
    *(
        ("ExtRole", ext_role(uri), "PR400-OD-0006")
        for uri in ("", "role", "ftp://x.example/r", "https://x.example/ r")
    ),
    ("ExtRole", ext_role(f"urn:{'r' * 1021}"), "PR400-OD-0006"),
    ("ExtRole", ext_role("urn:x", None), "PR400-OD-0009"),
    ("ExtRole", ext_role("urn:x", "none"), "PR400-OD-0024"),
    ("ExtRole", ext_role("urn:x", "_l"), "PR400-OD-0006"),
    ("ExtRole", ext_role("urn:x", "bound"), "PR400-OD-0024"),
    ("ExtRole", ext_role("urn:x", **{"_Relation._Box.Name": "b"}), "PR400-OD-0024"),
    *(("Rule", rule(Name=name), "PR400-OD-0006") for name in ("", "_a", ":a", "a b", "a" * 201)),
    *(("Rule", rule(EventExternal=each), "PR400-OD-0006") for each in ("yes", 1, "True", [True])),
    *(("Rule", rule(EventSubject=each), "PR400-OD-0006") for each in ("", "me", "{unit}cell/#me")),
    *(("Rule", rule(EventType=each), "PR400-OD-0006") for each in ("a b", "a/b", "t" * 128)),
    *(
        ("Rule", rule(EventObject=each), "PR400-OD-0006")
        for each in ("x", "personium-localbox:/x", "https://x.example/")
    ),
    *(
        ("Rule", rule(EventObject=each, **BOUND), "PR400-OD-0006")
        for each in ("x", "personium-localcell:/b/x", "https://x.example/")
    ),
    ("Rule", rule(EventInfo="i" * 51_201), "PR400-OD-0006"),
    *(("Rule", timer(each), "PR400-OD-0006") for each in (None, "0", "-1", "1.5", "soon", "")),
    ("Rule", timer("600", EventExternal=True), "PR400-OD-0006"),
    *(("Rule", action(each), "PR400-OD-0006") for each in (None, "", "run", "Log")),
    *(("Rule", action(each), "PR400-OD-0006") for each in ("exec", "relay", "relay.data", "relay.event")),
    *(("Rule", action("exec", each), "PR400-OD-0006") for each in ("https://x.example/", "personium-localbox:/x")),
    ("Rule", action("exec", "personium-localcell:/x", **BOUND), "PR400-OD-0006"),
    *(("Rule", action("relay", each), "PR400-OD-0006") for each in ("{unit}cell/x", "personium-localbox:/x", "x")),
    *(
        ("Rule", action("relay.data", "https://x.example/", EventType=each), "PR400-OD-0006")
        for each in (None, "odata.delete", "davfile.create")
    ),
    *(
        ("Rule", action("relay.event", each), "PR400-OD-0006")
        for each in ("{unit}cell/", "https://x.example", "personium-localcell:/x")
    ),
    *(
        (each, {**members, name: value}, "PR400-OD-0007")
        for each, members in WORLD
        for name, value in (("__published", "/Date(0)/"), ("__updated", "/Date(0)/"), ("__metadata", {}), ("More", 1))
    ),
]
"""What clients may not say of one, and how they are told."""

DEFAULTS: dict[str, Members] = {
    "Box": {"Name": "b", "Schema": None},
    "Account": {"Name": "a", "Type": "basic", "Cell": None, "IPAddressRange": None, "Status": "active"},
    "Role": {"Name": "r", "_Box.Name": None},
    "Relation": {"Name": "l", "_Box.Name": None},
    "ExtCell": {"Url": PEER},
    "ExtRole": {"ExtRole": PEER_ROLE, "_Relation.Name": "l", "_Relation._Box.Name": None},
    "Rule": {
        "Name": "w",
        "_Box.Name": None,
        "EventExternal": False,
        "EventSubject": None,
        "EventType": None,
        "EventObject": None,
        "EventInfo": None,
        "Action": "log",
        "TargetUrl": None,
    },
}
"""What an entity of WORLD is shown with."""


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:40]} of {len(text)}"


@pytest.fixture(scope="module")
def world(unit: RunningUnit) -> Site:
    """A cell with one entity of each set, and a relation that is bound to its box; tests leave it as it is."""
    cell = unit.cell()
    populate(cell)
    made(cell, "Relation", {"Name": "bound", **BOUND})
    return cell


def spelled(unit: RunningUnit, members: Members) -> Members:
    """*members* with the URL of the unit in place."""
    return {
        name: value.replace("{unit}", unit.url) if isinstance(value, str) else value
        for name, value in members.items()
    }


class TestFields:
    @pytest.mark.parametrize(("entity_set", "members"), ACCEPTED, ids=short)
    def test_what_a_field_may_be_is_kept_and_shown(self, world: Site, entity_set: str, members: Members) -> None:
        answer = world.call("POST", f"__ctl/{entity_set}", json=members)
        assert answer.status_code == 201, answer.text
        shown = answer.json()["d"]["results"]
        assert told(shown, members) == members
        url = answer.headers["location"]
        assert shown["__metadata"] == {"uri": url, "etag": answer.headers["etag"], "type": f"CellCtl.{entity_set}"}
        again = world.call("GET", url.removeprefix(world.url))
        assert results(again) == shown
        assert world.call("DELETE", url.removeprefix(world.url)).status_code == 204

    @pytest.mark.parametrize(("entity_set", "members", "code"), REFUSED, ids=short)
    def test_what_a_field_may_not_be_makes_and_changes_nothing(
        self, unit: RunningUnit, world: Site, entity_set: str, members: Members, code: str
    ) -> None:
        members = spelled(unit, members)
        before = count_of(world, entity_set)
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag = world.call("GET", path).headers["etag"]
        assert code_of(world.call("POST", f"__ctl/{entity_set}", json=members)) == code
        assert code_of(world.call("PUT", path, json=members)) == code
        if entity_set != "Rule" and members and None not in members.values():
            assert code_of(world.call("MERGE", path, json=members)) == code
        assert count_of(world, entity_set) == before
        assert world.call("GET", path).headers["etag"] == etag

    @pytest.mark.parametrize("entity_set", SETS)
    def test_what_is_left_out_has_its_default(self, world: Site, entity_set: str) -> None:
        shown = results(world.call("GET", f"__ctl/{entity_set}{KEYS[entity_set]}"))
        assert told(shown, DEFAULTS[entity_set]) == DEFAULTS[entity_set]
        own = {name for name in shown if not isinstance(shown[name], dict)}
        assert own == {*DEFAULTS[entity_set], "__published", "__updated"}
        assert DATE.fullmatch(shown["__published"]) and shown["__updated"] == shown["__published"]

    @pytest.mark.parametrize(
        ("entity_set", "members", "name", "value"),
        [
            ("Account", {"Name": "x", "Type": None}, "Type", "basic"),
            ("Account", {"Name": "x", "Status": None}, "Status", "active"),
            ("Rule", {"Name": "x", "Action": "log", "EventExternal": None}, "EventExternal", False),
            ("Rule", {"Name": "x", "Action": "log", "EventExternal": "true"}, "EventExternal", True),
        ],
    )
    def test_a_null_is_the_default_and_a_truth_value_may_be_quoted(
        self, world: Site, entity_set: str, members: Members, name: str, value: object
    ) -> None:
        answer = world.call("POST", f"__ctl/{entity_set}", json=members)
        assert answer.json()["d"]["results"][name] == value
        world.call("DELETE", answer.headers["location"].removeprefix(world.url))

    @pytest.mark.parametrize("members", [{"Action": "log"}, {"Name": None, "Action": "log"}])
    def test_a_rule_without_a_name_is_given_one(self, world: Site, members: Members) -> None:
        answer = world.call("POST", "__ctl/Rule", json=members)
        assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["d"]["results"]["Name"])
        assert world.call("DELETE", answer.headers["location"].removeprefix(world.url)).status_code == 204

    @pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'"x"', b"null", b'{"Name":', b'{"Name":"\xff"}'])
    def test_a_body_that_is_no_json_object_makes_nothing(self, world: Site, body: bytes) -> None:
        assert code_of(world.call("POST", "__ctl/Role", content=body)) == "PR400-OD-0001"
        path = f"__ctl/Role{KEYS['Role']}"
        assert code_of(world.call("PUT", path, content=body)) == "PR400-OD-0001"
        assert code_of(world.call("MERGE", path, content=body)) == "PR400-OD-0001"
        assert count_of(world, "Role") == 1


class TestUrls:
    """A URL of the unit itself may be given in any form, and is shown as http."""

    @pytest.mark.parametrize("form", ["{unit}peer/", "personium-localunit:peer:/", "personium-localunit:/peer/"])
    @pytest.mark.parametrize(
        ("entity_set", "field", "members"), [("Box", "Schema", {"Name": "x"}), ("ExtCell", "Url", {})]
    )
    def test_the_form_does_not_matter(
        self, unit: RunningUnit, world: Site, entity_set: str, field: str, members: Members, form: str
    ) -> None:
        url = f"{unit.url}peer/"
        answer = world.call("POST", f"__ctl/{entity_set}", json={**members, field: form.replace("{unit}", unit.url)})
        assert answer.json()["d"]["results"][field] == url
        for other in (url, "personium-localunit:peer:/"):
            again = world.call(
                "POST",
                f"__ctl/{entity_set}",
                json={**members, "Name": "y", field: other} if members else {field: other},
            )
            assert code_of(again) == "PR409-OD-0003"
        assert world.call("DELETE", answer.headers["location"].removeprefix(world.url)).status_code == 204

    @pytest.mark.parametrize("form", ["{unit}peer/", "personium-localunit:peer:/"])
    def test_an_external_cell_is_found_by_any_form_in_its_key(
        self, unit: RunningUnit, world: Site, form: str
    ) -> None:
        url = made(world, "ExtCell", {"Url": f"{unit.url}peer/"})
        assert url.endswith(f"ExtCell('{quote(f'{unit.url}peer/', safe='')}')")
        key = quote(form.replace("{unit}", unit.url), safe="")
        assert results(world.call("GET", f"__ctl/ExtCell(Url='{key}')"))["Url"] == f"{unit.url}peer/"
        assert world.call("DELETE", f"__ctl/ExtCell('{key}')").status_code == 204

    def test_a_role_of_another_cell_is_shown_as_http(self, unit: RunningUnit, world: Site) -> None:
        url = made(world, "ExtRole", ext_role("personium-localunit:peer:/__role/__/x"))
        shown = results(world.call("GET", url.removeprefix(world.url)))
        assert shown["ExtRole"] == f"{unit.url}peer/__role/__/x"
        assert world.call("DELETE", url.removeprefix(world.url)).status_code == 204

    def test_what_a_rule_says_of_the_unit_stays_in_its_local_form(self, world: Site) -> None:
        local = {"EventSubject": "personium-localunit:peer:/#me", "TargetUrl": "personium-localunit:peer:/x"}
        url = made(world, "Rule", {**action("relay"), **local})
        assert told(results(world.call("GET", url.removeprefix(world.url))), local) == local
        assert world.call("DELETE", url.removeprefix(world.url)).status_code == 204


LONE = {
    "Box": ("Name", "b"),
    "Account": ("Name", "a"),
    "Role": ("Name", "r"),
    "Relation": ("Name", "l"),
    "ExtCell": ("Url", quote(PEER, safe="")),
    "Rule": ("Name", "w"),
}
BINDABLE = {"Role": "r", "Relation": "l", "Rule": "w"}


class TestKeys:
    @pytest.mark.parametrize("form", ["('{v}')", "({n}='{v}')", "(%20{n}%20=%20'{v}'%20)", "(%27{v}%27)"])
    @pytest.mark.parametrize("entity_set", LONE)
    def test_an_entity_is_found_by_any_form_of_its_key(self, world: Site, entity_set: str, form: str) -> None:
        name, value = LONE[entity_set]
        shown = results(world.call("GET", f"__ctl/{entity_set}{form.format(n=name, v=value)}"))
        assert shown["__metadata"]["uri"] == f"{world.url}__ctl/{entity_set}{KEYS[entity_set]}"

    @pytest.mark.parametrize("form", ["(Name='{v}',_Box.Name=null)", "(_Box.Name=null,Name='{v}')"])
    @pytest.mark.parametrize("entity_set", BINDABLE)
    def test_the_box_may_be_null_in_either_place(self, world: Site, entity_set: str, form: str) -> None:
        shown = results(world.call("GET", f"__ctl/{entity_set}{form.format(v=BINDABLE[entity_set])}"))
        assert shown["_Box.Name"] is None

    @pytest.mark.parametrize("entity_set", BINDABLE)
    def test_a_bound_entity_is_another_than_the_unbound_of_its_name(self, world: Site, entity_set: str) -> None:
        name = BINDABLE[entity_set]
        more = {"Action": "log.warn"} if entity_set == "Rule" else {}
        url = made(world, entity_set, {"Name": name, **BOUND, **more})
        assert url.endswith(f"{entity_set}(Name='{name}',_Box.Name='b')")
        assert results(world.call("GET", f"__ctl/{entity_set}('{name}')"))["_Box.Name"] is None
        assert world.call("DELETE", f"__ctl/{entity_set}(_Box.Name='b',Name='{name}')").status_code == 204
        assert code_of(world.call("GET", url.removeprefix(world.url))) == "PR404-OD-0002"
        assert world.call("GET", f"__ctl/{entity_set}('{name}')").status_code == 200

    @pytest.mark.parametrize("end", [",_Relation._Box.Name=null)", ")"])
    def test_an_external_role_is_found_with_its_relation(self, world: Site, end: str) -> None:
        path = f"__ctl/ExtRole(ExtRole='{quote(PEER_ROLE, safe='')}',_Relation.Name='l'{end}"
        assert results(world.call("GET", path))["ExtRole"] == PEER_ROLE

    @pytest.mark.parametrize(
        ("key", "code"),
        [
            ("()", "PR400-OD-0004"),
            ("(r)", "PR400-OD-0004"),
            ("(1)", "PR400-OD-0004"),
            ('("r")', "PR400-OD-0004"),
            ("('r)", "PR400-OD-0004"),
            ("('r'", "PR400-OD-0004"),
            ("(Name='r',Name='r')", "PR400-OD-0004"),
            ("(Name='r',Box='b')", "PR400-OD-0004"),
            ("(_Box.Name='b')", "PR400-OD-0004"),
            ("(Name='r',)", "PR400-OD-0004"),
            ("(null)", "PR400-OD-0016"),
            ("(Name=null)", "PR400-OD-0016"),
            ("('none')", "PR404-OD-0002"),
            ("('R')", "PR404-OD-0002"),
            ("(Name='r',_Box.Name='b')", "PR404-OD-0002"),
            ("(Name='r',_Box.Name='none')", "PR404-OD-0002"),
            ("('r''s')", "PR404-OD-0002"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "PUT", "MERGE", "DELETE"])
    def test_a_key_that_is_none_or_of_nothing_is_refused(self, world: Site, method: str, key: str, code: str) -> None:
        assert code_of(world.call(method, f"__ctl/Role{key}", json={"Name": "r"})) == code

    @pytest.mark.parametrize(("entity_set", "members"), WORLD)
    def test_a_key_is_taken_once(self, world: Site, entity_set: str, members: Members) -> None:
        assert code_of(world.call("POST", f"__ctl/{entity_set}", json=members)) == "PR409-OD-0003"
        assert count_of(world, entity_set) == (2 if entity_set == "Relation" else 1)


CHANGES: list[tuple[str, Members, Members]] = [
    ("Box", {"Schema": "urn:app"}, {"Name": "b2"}),
    ("Account", {"Status": "deactivated", "IPAddressRange": "192.0.2.1"}, {"Name": "a2"}),
    ("Role", {"_Box.Name": "b"}, {"Name": "r2"}),
    ("Relation", {"_Box.Name": "b"}, {"Name": "l2"}),
    ("ExtCell", {}, {"Url": f"{PEER}x/"}),
    ("ExtRole", {"_Relation.Name": "m"}, {"ExtRole": "urn:x"}),
    ("Rule", {"_Box.Name": "b", "EventInfo": "i"}, {"Name": "w2"}),
]
"""What else may be said of an entity of WORLD, and another key for it."""


class TestChanges:
    @pytest.fixture
    def own(self, cell: Site) -> Site:
        populate(cell)
        made(cell, "Relation", {"Name": "m"})
        return cell

    @pytest.mark.parametrize(("entity_set", "more", "renamed"), CHANGES)
    def test_put_says_all_of_an_entity(self, own: Site, entity_set: str, more: Members, renamed: Members) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        before = own.call("GET", path)
        whole = {**dict(WORLD)[entity_set], **more, **renamed}
        answer = own.call("PUT", path, json=whole)
        assert (answer.status_code, answer.content, answer.headers["dataserviceversion"]) == (204, b"", "2.0")
        etag = answer.headers["etag"]
        assert ETAG.fullmatch(etag) and etag.startswith('W/"2-')
        assert code_of(own.call("GET", path)) == "PR404-OD-0002"
        (name, key) = next(iter(renamed.items()))
        (shown,) = results(own.call("GET", f"__ctl/{entity_set}", params={"$filter": f"{name} eq '{key}'"}))
        assert told(shown, whole) == whole
        assert (shown["__metadata"]["etag"], shown["__published"]) == (etag, results(before)["__published"])
        least = {**dict(WORLD)[entity_set], **renamed}
        assert own.call("PUT", shown["__metadata"]["uri"].removeprefix(own.url), json=least).status_code == 204
        (reset,) = results(own.call("GET", f"__ctl/{entity_set}", params={"$filter": f"{name} eq '{key}'"}))
        assert told(reset, DEFAULTS[entity_set]) == {**DEFAULTS[entity_set], **renamed}

    @pytest.mark.parametrize("unnamed", [{}, {"Name": None}])
    def test_a_rule_that_is_not_named_keeps_its_name(self, own: Site, unnamed: Members) -> None:
        path = f"__ctl/Rule{KEYS['Rule']}"
        name = results(own.call("GET", path))["Name"]
        body = {key: value for key, value in dict(WORLD)["Rule"].items() if key != "Name"}
        assert own.call("PUT", path, json={**body, **unnamed, "EventInfo": "new"}).status_code == 204
        shown = results(own.call("GET", path))
        assert (shown["Name"], shown["EventInfo"]) == (name, "new")

    @pytest.mark.parametrize("method", ["MERGE", "PATCH"])
    @pytest.mark.parametrize(("entity_set", "more", "renamed"), [each for each in CHANGES if each[0] != "Rule"])
    def test_merge_keeps_what_it_leaves_out(
        self, own: Site, entity_set: str, more: Members, renamed: Members, method: str
    ) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        assert own.call("PUT", path, json={**dict(WORLD)[entity_set], **more}).status_code == 204
        (shown,) = [
            each
            for each in results(own.call("GET", f"__ctl/{entity_set}"))
            if {**told(each, dict(WORLD)[entity_set]), **told(each, more)} == {**dict(WORLD)[entity_set], **more}
        ]
        here = shown["__metadata"]["uri"].removeprefix(own.url)
        assert own.call(method, here, json={}).status_code == 204
        assert told(results(own.call("GET", here)), DEFAULTS[entity_set]) == {**DEFAULTS[entity_set], **more}
        answer = own.call(method, here, json=renamed)
        assert answer.status_code == 204
        (name, key) = next(iter(renamed.items()))
        (shown,) = results(own.call("GET", f"__ctl/{entity_set}", params={"$filter": f"{name} eq '{key}'"}))
        assert told(shown, DEFAULTS[entity_set]) == {**DEFAULTS[entity_set], **more, **renamed}
        assert shown["__metadata"]["etag"] == answer.headers["etag"]

    @pytest.mark.parametrize(
        ("entity_set", "method", "renamed"),
        [(each, method, renamed) for each, _, renamed in CHANGES for method in ("PUT", "MERGE")][:-1],
    )
    def test_a_key_of_another_is_not_taken(self, own: Site, entity_set: str, method: str, renamed: Members) -> None:
        made(own, entity_set, {**dict(WORLD)[entity_set], **renamed})
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag = own.call("GET", path).headers["etag"]
        answer = own.call(method, path, json={**dict(WORLD)[entity_set], **renamed})
        assert code_of(answer) == "PR409-OD-0003"
        assert own.call("GET", path).headers["etag"] == etag

    @pytest.mark.parametrize(("entity_set", "more", "renamed"), CHANGES)
    def test_an_etag_guards_changes(self, own: Site, entity_set: str, more: Members, renamed: Members) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag = own.call("GET", path).headers["etag"]
        unchanged = own.call("GET", path, headers={"If-None-Match": etag})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
        whole = dict(WORLD)[entity_set]
        for method in ("PUT", "MERGE", "DELETE"):
            for stale in ('W/"1-1"', etag.removeprefix("W/"), f"{etag}x", "x", ""):
                answer = own.call(method, path, json=whole, headers={"If-Match": stale})
                expected = "PR405-MC-0001" if (entity_set, method) == ("Rule", "MERGE") else "PR412-OD-0002"
                assert code_of(answer) == expected, (method, stale)
        assert own.call("GET", path).headers["etag"] == etag
        assert own.call("PUT", path, json=whole, headers={"If-Match": etag}).status_code == 204
        assert own.call("PUT", path, json=whole, headers={"If-Match": "*"}).status_code == 204

    @pytest.mark.parametrize("entity_set", SETS)
    def test_what_nothing_keeps_is_deleted_once(self, own: Site, entity_set: str) -> None:
        if entity_set == "Relation":
            own.call("DELETE", f"__ctl/ExtRole{KEYS['ExtRole']}")
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        answer = own.call("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b"")
        for method in ("GET", "DELETE", "PUT"):
            assert code_of(own.call(method, path, json=dict(WORLD)[entity_set])) == "PR404-OD-0002"

    def test_a_schema_belongs_to_one_box_but_boxes_may_do_without(self, own: Site) -> None:
        for name in ("one", "two"):
            made(own, "Box", {"Name": name})
        assert own.call("PUT", "__ctl/Box('one')", json={"Name": "one", "Schema": "urn:app"}).status_code == 204
        for method, name in (("PUT", "two"), ("MERGE", "two"), ("PUT", "one"), ("MERGE", "one")):
            answer = own.call(method, "__ctl/Box('two')", json={"Name": name, "Schema": "urn:app"})
            assert code_of(answer) == "PR409-OD-0003"
        assert code_of(own.call("POST", "__ctl/Box", json={"Name": "one", "Schema": "urn:app"})) == "PR409-OD-0003"
        assert own.call("MERGE", "__ctl/Box('one')", json={"Schema": "urn:app"}).status_code == 204
        assert own.call("MERGE", "__ctl/Box('one')", json={"Schema": None}).status_code == 204
        assert own.call("MERGE", "__ctl/Box('two')", json={"Schema": "urn:app"}).status_code == 204

    def test_a_box_that_is_renamed_takes_what_is_bound_along(self, own: Site) -> None:
        made(own, "Role", {"Name": "bound", **BOUND})
        assert own.call("PUT", "b/file.txt", content=b"f").status_code == 201
        assert own.call("MERGE", "__ctl/Box('b')", json={"Name": "c"}).status_code == 204
        assert own.call("GET", "c/file.txt").content == b"f"
        assert results(own.call("GET", "__ctl/Role(Name='bound',_Box.Name='c')"))["_Box.Name"] == "c"
        assert own.call("GET", "b/file.txt").status_code == 404


class TestPasswords:
    def test_a_password_is_kept_until_another_comes_and_never_shown(self, cell: Site) -> None:
        first = {"X-Personium-Credential": "password-1"}
        answer = cell.call("POST", "__ctl/Account", json={"Name": "a"}, headers=first)
        shown = [answer.text, cell.call("GET", "__ctl/Account('a')").text, cell.call("GET", "__ctl/Account").text]
        assert not any("Hash" in text or "password-1" in text for text in shown)
        assert cell.call("PUT", "__ctl/Account('a')", json={"Name": "a"}).status_code == 204
        assert cell.call("MERGE", "__ctl/Account('a')", json={"Name": "b"}).status_code == 204
        assert cell.grant("b", "password-1").status_code == 200
        for number, method in enumerate(("PUT", "MERGE"), start=2):
            header = {"X-Personium-Credential": f"password-{number}"}
            assert cell.call(method, "__ctl/Account('b')", json={"Name": "b"}, headers=header).status_code == 204
            assert cell.grant("b", f"password-{number}").status_code == 200
            assert cell.grant("b", f"password-{number - 1}").status_code == 400

    @pytest.mark.parametrize("password", ["", "short", "p" * 33, "with blank", "passwörd"])
    def test_a_password_out_of_form_makes_and_changes_nothing(self, cell: Site, password: str) -> None:
        header = {"X-Personium-Credential": password.encode()}
        answer = cell.call("POST", "__ctl/Account", json={"Name": "a"}, headers=header)
        assert code_of(answer) == "PR400-AU-0001"
        cell.account("a", "password-1")
        for method in ("PUT", "MERGE"):
            answer = cell.call(method, "__ctl/Account('a')", json={"Name": "b"}, headers=header)
            assert code_of(answer) == "PR400-AU-0001"
        assert cell.grant("a", "password-1").status_code == 200

    def test_an_account_without_a_password_logs_nobody_in(self, cell: Site) -> None:
        made(cell, "Account", {"Name": "a"})
        assert cell.grant("a", "").status_code == cell.grant("a", "password-1").status_code == 400
