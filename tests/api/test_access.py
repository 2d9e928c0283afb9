"""Who may do what: the privilege of each method, inheritance, schema authentication, unit users, challenges."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from tests.running import MASTER, RunningUnit, Site, running

FILE_METHODS = {
    ("GET", "__/col/file"): "read",
    ("HEAD", "__/col/file"): "read",
    ("OPTIONS", "__/col/file"): "read",
    ("GET", "__/col"): "read",
    ("GET", "__"): "read",
    ("PROPFIND", "__/col/file"): "read-properties",
    ("PROPFIND", "__"): "read-properties",
    ("PROPPATCH", "__/col/file"): "write-properties",
    ("ACL", "__/col/file"): "write-acl",
    ("PUT", "__/col/file"): "write-content",
    ("PUT", "__/col/new"): "bind",
    ("MKCOL", "__/col/new"): "bind",
    ("DELETE", "__/col/file"): "unbind",
}
BODIES = {
    "ACL": '<D:acl xmlns:D="DAV:"><D:ace><D:principal><D:all/></D:principal><D:grant><D:privilege><D:read-acl/>'
    "</D:privilege></D:grant></D:ace></D:acl>",
    "PROPPATCH": '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set>'
    "</D:propertyupdate>",
}
ABOVE = {
    "read-properties": {"read"},
    "write-properties": {"write"},
    "write-content": {"write"},
    "bind": {"write"},
    "unbind": {"write"},
}
EVERY = ["read", "read-properties", "read-acl", "write", "write-properties", "write-content", "bind", "unbind"]
EVERY += ["write-acl", "p:exec", "alter-schema", "p:stream-send", "p:stream-receive", "all"]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


class TestPrivileges:
    @pytest.mark.parametrize("granted", EVERY)
    def test_each_privilege_opens_what_it_covers_and_nothing_else(self, cell: Site, granted: str) -> None:
        cell.account("alice", roles=("r",))
        token = cell.token("alice")
        for (method, path), needed in FILE_METHODS.items():
            cell.call("MKCOL", "__/col")
            cell.call("PUT", "__/col/file", content=b"1")
            cell.call("ACL", "__/col/file", content='<D:acl xmlns:D="DAV:"/>')
            cell.call("DELETE", "__/col/new")
            cell.acl("__", {"r": granted})
            answer = cell.call(method, path, token=token, content=BODIES.get(method), headers={"Depth": "0"})
            opened = granted in {needed, "all"} | ABOVE.get(needed, set())
            if opened:
                assert answer.status_code < 300, (method, path, granted, answer.text)
            else:
                assert answer.status_code == 403, (method, path, granted)

    def test_a_grant_on_the_cell_reaches_every_box_and_one_on_a_file_only_the_file(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        token = cell.token("alice")
        for name in ("a", "b"):
            cell.call("PUT", f"__/{name}", content=b"1")
        cell.acl("__/a", {"r": "read"})
        assert [cell.call("GET", f"__/{name}", token=token).status_code for name in ("a", "b")] == [200, 403]
        cell.acl("", {"r": "read"})
        assert [cell.call("GET", f"__/{name}", token=token).status_code for name in ("a", "b")] == [200, 200]

    def test_a_change_of_role_link_or_acl_counts_at_once(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        token = cell.token("alice")
        cell.call("PUT", "__/a", content=b"1")
        for _ in range(3):
            cell.acl("__", {"r": "read"})
            assert cell.call("GET", "__/a", token=token).status_code == 200
            cell.acl("__", {})
            assert cell.call("GET", "__/a", token=token).status_code == 403
            cell.acl("__", {"r": "read"})
            assert cell.call("DELETE", "__ctl/Account('alice')/$links/_Role('r')").status_code == 204
            assert cell.call("GET", "__/a", token=token).status_code == 403
            link = {"uri": f"{cell.url}__ctl/Role('r')"}
            cell.call("POST", "__ctl/Account('alice')/$links/_Role", json=link)
            assert cell.call("GET", "__/a", token=token).status_code == 200

    def test_all_opens_to_everyone_also_behind_another_entry_and_with_a_bad_token(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Role", json={"Name": "r"})
        cell.call("PUT", "__/a", content=b"1")
        cell.acl("__", {"r": "write", "all": "read"})
        for token in (None, "nonsense"):
            assert cell.call("GET", "__/a", token=token).status_code == 200
            assert cell.call("PUT", "__/a", token=token, content=b"2").status_code == 401

    def test_authorisation_comes_before_existence(self, cell: Site) -> None:
        cell.account("alice")
        token = cell.token("alice")
        for method in ("GET", "PUT", "DELETE", "MKCOL", "PROPFIND"):
            for path in ("__/none", "__/no/none", "nobox", "nobox/x"):
                if (method, path) == ("PUT", "nobox"):
                    continue
                assert cell.call(method, path, token=None).status_code == 401, (method, path)
                assert cell.call(method, path, token=token).status_code == 403, (method, path)

    def test_scopes_bound_the_cell_level_only(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        cell.acl("", {"r": "p:root"})
        token = cell.token("alice", scope="auth-read")
        assert cell.call("GET", "__", token=token).status_code == 200
        assert code(cell.call("PROPFIND", "", token=token)) == (403, "PR403-AU-0007")


class TestAcl:
    def test_propfind_shows_own_entries_then_those_of_all_above(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "box1"})
        cell.call("POST", "__ctl/Role", json={"Name": "in", "_Box.Name": "box1"})
        cell.call("POST", "__ctl/Role", json={"Name": "out"})
        cell.call("PUT", "box1/a", content=b"1")
        cell.acl("", {"out": "p:auth"})
        cell.acl("box1", {"../box1/in": "read"}, authz="public")
        cell.acl("box1/a", {"out": "write", "all": "read-acl"})
        text = cell.call("PROPFIND", "box1/a", headers={"Depth": "0"}).text
        assert f'xml:base="{cell.url}__role/box1/"' in text
        own, box, top = text.split("<ace>")[1], text.split("<ace>")[3], text.split("<ace>")[4]
        assert "<href>../__/out</href>" in own and "<write/>" in own and "inherited" not in own
        assert "<href>in</href>" in box and f"<inherited><href>{cell.url}box1</href></inherited>" in box
        assert "<p:auth/>" in top and f"<inherited><href>{cell.url.rstrip('/')}</href></inherited>" in top

    def test_only_who_may_read_acls_sees_them(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        token = cell.token("alice")
        cell.acl("__", {"r": "read"})
        assert "<acl" not in cell.call("PROPFIND", "__", token=token, headers={"Depth": "0"}).text
        cell.acl("__", {"r": "read read-acl"})
        assert "<acl" in cell.call("PROPFIND", "__", token=token, headers={"Depth": "0"}).text

    def test_a_deleted_role_vanishes_from_the_acl(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Role", json={"Name": "r"})
        cell.acl("__", {"r": "read"})
        cell.call("DELETE", "__ctl/Role('r')")
        assert "<ace>" not in cell.call("PROPFIND", "__", headers={"Depth": "0"}).text

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("<broken", "PR400-DV-0002"),
            ("<x/>", "PR400-DV-0002"),
            ("<!DOCTYPE a><a/>", "PR400-DV-0002"),
            ("{ace}<D:principal><D:all/></D:principal></D:ace>", "PR400-DV-0006"),
            ("{ace}<D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/></D:principal><D:grant/></D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/></D:principal>{none}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/></D:principal>{two}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:href/></D:principal>{read}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/><D:href>r</D:href></D:principal>{read}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:href>r</D:href><D:all/></D:principal>{read}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/></D:principal>{nonsense}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:all/></D:principal>{root}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:invert><D:principal><D:all/></D:principal></D:invert>{read}</D:ace>", "PR400-DV-0006"),
            ("{ace}<D:principal><D:href>none</D:href></D:principal>{read}</D:ace>", "PR400-DV-0004"),
            ("{ace}<D:principal><D:href>../nobox/r</D:href></D:principal>{read}</D:ace>", "PR400-DV-0005"),
            ("{ace}<D:principal><D:href>http://other.example/__role/__/r</D:href></D:principal>{read}</D:ace>",
             "PR400-DV-0004"),
        ],
    )  # fmt: skip
    def test_acls_that_say_nothing_sensible_are_400_and_change_nothing(
        self, cell: Site, body: str, expected: str
    ) -> None:
        cell.acl("__", {"all": "read"})
        opening = f'<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" xml:base="{cell.url}__role/__/"><D:ace>'
        grant = "<D:grant><D:privilege>{}</D:privilege></D:grant>"
        text = body
        for name, value in {
            "{ace}": opening,
            "{read}": grant.format("<D:read/>"),
            "{none}": grant.format(""),
            "{two}": grant.format("<D:read/><D:write/>"),
            "{nonsense}": grant.format("<D:nonsense/>"),
            "{root}": grant.format("<p:root/>"),
        }.items():
            text = text.replace(name, value)
        text += "</D:acl>" if body.startswith("{ace}") else ""
        assert code(cell.call("ACL", "__", content=text)) == (400, expected)
        assert cell.call("GET", "__", token=None).status_code == 200

    def test_an_acl_has_as_many_entries_as_it_may_and_no_more(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.acl_entries": 2}) as unit:
            cell = unit.cell()
            cell.call("PUT", "__/a", content=b"1")
            ace = "<D:ace><D:principal><D:all/></D:principal><D:grant>{}</D:grant>{}</D:ace>"
            own = ace.format("<D:privilege><D:read/></D:privilege>" * 3, "")
            inherited = ace.format("", f"<D:inherited><D:href>{cell.url}</D:href></D:inherited>")
            for path in ("", "__", "__/a"):
                for entries, status in ((own * 2 + inherited * 2, 200), (own * 3, 400)):
                    answer = cell.call("ACL", path, content=f'<D:acl xmlns:D="DAV:">{entries}</D:acl>')
                    assert answer.status_code == status, answer.text
                assert (answer.json()["code"], "more than 2 entries" in answer.text) == ("PR400-DV-0006", True)
                shown = cell.call("PROPFIND", path, headers={"Depth": "0"}).text
                assert shown.count("<ace>") - shown.count("<inherited>") == 2
                assert shown.count("<read/>") == shown.count("<ace>"), "what is granted twice is granted once"

    def test_an_unknown_level_of_schema_authentication_is_400(self, cell: Site) -> None:
        assert code(cell.acl("__", {}, authz="sometimes")) == (400, "PR400-DV-0006")
        for attribute in ("p:requireSchemaAuthz", "requireSchemaAuthz"):
            empty = f'<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" {attribute}=""/>'
            assert code(cell.call("ACL", "__", content=empty)) == (400, "PR400-DV-0006")


class TestSchemaAuthentication:
    @pytest.fixture
    def app_box(self, cell: Site) -> tuple[Site, str]:
        cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": "https://app.example/"})
        cell.account("alice", roles=("r",))
        cell.call("PUT", "app/a", content=b"1")
        return cell, cell.token("alice")

    @pytest.mark.parametrize("level", ["public", "confidential"])
    def test_a_token_of_no_app_is_refused_where_the_box_asks_for_one(
        self, app_box: tuple[Site, str], level: str
    ) -> None:
        cell, token = app_box
        cell.acl("app", {"r": "read", "all": "read"}, authz=level)
        assert code(cell.call("GET", "app/a", token=token)) == (403, "PR403-AU-0005")
        assert code(cell.call("GET", "app/a", token=None)) == (401, "PR401-AU-0001")
        assert cell.call("GET", "app/a").status_code == 200

    def test_none_further_down_opens_again_and_the_nearest_word_counts(self, app_box: tuple[Site, str]) -> None:
        cell, token = app_box
        cell.acl("app", {"r": "read"}, authz="public")
        cell.acl("app/a", {}, authz="none")
        assert cell.call("GET", "app/a", token=token).status_code == 200

    def test_a_box_without_schema_at_public_wants_any_app(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        cell.acl("__", {"r": "read"}, authz="public")
        assert code(cell.call("GET", "__", token=cell.token("alice"))) == (403, "PR403-AU-0006")


class TestBasicAndChallenges:
    def basic(self, cell: Site, path: str, pair: bytes = b"alice:password-1") -> httpx.Response:
        header = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return cell.call("GET", path, token=None, headers=header)

    def test_basic_opens_boxes_without_schema_only(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "plain"})
        cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": "https://app.example/"})
        cell.account("alice", roles=("r",))
        cell.acl("", {"r": "p:root"})
        found = [
            self.basic(cell, path).status_code for path in ("__", "plain", "app", "__ctl/Account", "__snapshot/x")
        ]
        assert found == [200, 200, 401, 401, 401]

    @pytest.mark.parametrize(
        ("method", "site", "mode", "heeded"),
        [
            ("GET", None, None, True),
            ("GET", "same-origin", "cors", True),
            ("GET", "none", "navigate", True),
            ("GET", "cross-site", "navigate", True),
            ("GET", "cross-site", "cors", False),
            ("GET", "cross-site", "no-cors", False),
            ("GET", "same-site", "cors", False),
            ("PUT", None, None, True),
            ("PUT", "same-origin", "cors", True),
            ("PUT", "cross-site", "cors", False),
            ("POST", "cross-site", "navigate", False),
        ],
    )
    def test_a_password_that_a_browser_adds_for_another_sites_page_does_not_count(
        self, cell: Site, method: str, site: str | None, mode: str | None, heeded: bool
    ) -> None:
        cell.account("alice", roles=("r",))
        cell.call("PUT", "__/file", content=b"x")
        cell.acl("__", {"r": "all"})
        said = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        headers = {"Authorization": f"Basic {base64.b64encode(b'alice:password-1').decode()}"}
        headers |= {name: value for name, value in said.items() if value is not None}
        answer = cell.call(method, "__/file", token=None, headers=headers, content=b"y" if method == "PUT" else b"")
        assert (answer.status_code != 401) is heeded

    def test_malformed_and_wrong_credentials_have_their_codes(self, cell: Site) -> None:
        assert code(self.basic(cell, "__", b"nocolon")) == (401, "PR401-AU-0004")
        assert code(self.basic(cell, "__", b"alice:wrong")) == (401, "PR401-AU-0011")
        answer = cell.call("GET", "__", token=None, headers={"Authorization": "Digest x"})
        assert code(answer) == (401, "PR401-AU-0003")

    def test_the_challenge_names_the_cell_and_where_basic_will_do(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": "https://app.example/"})
        for path, schemes in (
            ("__/a", ["Bearer", "Basic"]),
            ("app/a", ["Bearer"]),
            ("__ctl/Account", ["Bearer"]),
        ):
            found = cell.call("GET", path, token=None).headers.get_list("www-authenticate")
            assert found == [f'{scheme} realm="{cell.url}"' for scheme in schemes], path


class TestUnitUsers:
    def test_a_unit_user_owns_the_cells_it_makes_and_no_others(self, unit: RunningUnit, cell: Site) -> None:
        def as_user(name: str, method: str, url: str, **options: object) -> httpx.Response:
            headers = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": name}
            return unit.http.request(method, url, headers=headers, **options)

        made = as_user("https://unit.example/#eve", "POST", f"{unit.url}__ctl/Cell", json={"Name": "evescell"})
        assert made.status_code == 201
        listed = as_user("https://unit.example/#eve", "GET", f"{unit.url}__ctl/Cell").json()["d"]["results"]
        assert [each["Name"] for each in listed] == ["evescell"]
        for other in (cell.name, "evescell"):
            user = "https://unit.example/#bob"
            answer = as_user(user, "GET", f"{unit.url}__ctl/Cell('{other}')")
            assert code(answer) == (403, "PR403-AU-0003")
        contents = as_user("https://unit.example/#eve", "GET", f"{unit.url}evescell/__")
        assert code(contents) == (403, "PR403-AU-0002")

    def test_accounts_and_strangers_have_no_business_at_unit_level(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice")
        for token, expected in (
            (None, (401, "PR401-AU-0001")),
            ("nonsense", (401, "PR401-AU-0006")),
            (cell.token("alice"), (403, "PR403-AU-0001")),
        ):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert code(unit.http.get(f"{unit.url}__ctl/Cell", headers=headers)) == expected


def make_collection(cell: Site, kind: str) -> None:
    body = (
        '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>'
        f"<D:collection/><p:{kind}/></D:resourcetype></D:prop></D:set></D:mkcol>"
    )
    assert cell.call("MKCOL", f"__/{kind}", content=body).status_code == 201


def test_which_entity_sets_there_are_is_told_to_those_alone_who_may_read_there(cell: Site) -> None:
    make_collection(cell, "odata")
    for path in ("", "/Nothing", "/Nothing('x')", "/$metadata"):
        assert code(cell.call("GET", f"__/odata{path}", token=None)) == (401, "PR401-AU-0001")
    assert code(cell.call("GET", "__/odata/Nothing")) == (404, "PR404-OD-0001")
    assert cell.call("GET", "__/odata").status_code == 200
