"""What is told of tokens and keys, and their end before their time: ``__introspect``, ``__revoke``, ``__logout``,
``__certs``, ``__sign``, the discovery document; and what leads to boxes and roles: ``__box``, ``__role``.
"""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from tests.running import RunningUnit, Site, running


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def introspected(cell: Site, told_of: str, **options: object) -> dict[str, object]:
    answer = cell.call("POST", "__introspect", data={"token": told_of}, **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


class TestIntrospection:
    def test_an_access_and_a_refresh_token_are_told_to_a_unit_user(self, cell: Site) -> None:
        cell.account("alice", roles=("doctor",))
        given = cell.grant("alice", expires_in="100").json()
        said = introspected(cell, given["access_token"])
        assert said["exp"] - said["iat"] == 100  # type: ignore[operator]
        assert said | {"iat": 0, "exp": 0} == {
            "active": True,
            "token_type": "Bearer",
            "iss": cell.url,
            "aud": cell.url,
            "sub": f"{cell.url}#alice",
            "iat": 0,
            "exp": 0,
            "p_roles": [f"{cell.url}__role/__/doctor"],
            "scope": "root",
        }
        assert introspected(cell, given["refresh_token"])["active"] is True

    def test_what_is_no_good_token_of_this_cell_is_not_active_and_nothing_more(
        self, unit: RunningUnit, cell: Site
    ) -> None:
        other = unit.cell()
        other.account("bob")
        cell.account("alice")
        token = cell.token("alice")
        cell.call("DELETE", "__ctl/Account('alice')")
        for each in ("nonsense", "AR~nonsense", other.token("bob"), token):
            assert introspected(cell, each) == {"active": False}

    def test_only_who_is_known_and_may_is_told(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice", roles=("admin",))
        cell.acl("", {"admin": "p:root"})
        token = cell.token("alice")
        form = {"token": token}
        assert code_of(cell.call("POST", "__introspect", token=None, data=form)) == (401, "PR401-AU-0001")
        assert code_of(cell.call("POST", "__introspect", token="x", data=form)) == (401, "PR401-AU-0006")
        assert code_of(cell.call("POST", "__introspect", token=token, data=form)) == (403, "PR403-AU-0002")
        answer = cell.call("POST", "__introspect", token=None, data=form, auth=("alice", "password-1"))
        assert answer.json()["error"] == "invalid_client"
        stranger = {"Authorization": "Bearer a-master-token-for-tests", "X-Personium-Unit-User": "somebody"}
        assert code_of(cell.call("POST", "__introspect", token=None, data=form, headers=stranger)) == (
            403,
            "PR403-AU-0002",
        )
        assert cell.call("POST", "__introspect", data={}).json()["error"] == "invalid_request"

    def test_the_configured_name_and_password_are_told_of_every_token_and_guesses_are_slowed_down(
        self, tmp_path: Path
    ) -> None:
        options = {"auth.introspect_username": "watcher", "auth.introspect_password": "s3cret-enough"}
        with running(tmp_path / "d", **options, **{"auth.valid_authn_interval_s": 30}) as unit:
            cell = unit.cell()
            cell.account("alice")
            token = cell.token("alice")
            right, wrong = ("watcher", "s3cret-enough"), ("watcher", "guess")
            assert introspected(cell, token, token=None, auth=right)["active"] is True
            for _ in range(5):
                answer = cell.call("POST", "__introspect", token=None, data={"token": token}, auth=wrong)
                assert code_of(answer) == (401, "PR401-AU-0011")
            answer = cell.call("POST", "__introspect", token=None, data={"token": token}, auth=right)
            assert code_of(answer) == (401, "PR401-AU-0011")


class TestEndOfTokens:
    @pytest.mark.parametrize("which", ["access_token", "refresh_token"])
    def test_a_revoked_token_takes_all_of_its_login_along_and_no_other_login(self, cell: Site, which: str) -> None:
        cell.account("alice", roles=("admin",))
        cell.acl("", {"admin": "p:root"})
        given, other = cell.grant("alice").json(), cell.grant("alice").json()
        later = cell.call(
            "POST",
            "__token",
            token=None,
            data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"]},
        ).json()
        assert cell.call("GET", "__ctl/Role", token=later["access_token"]).status_code == 200
        answer = cell.call("POST", "__revoke", token=None, data={"token": given[which], "token_type_hint": "any"})
        assert answer.status_code == 200
        for token in (given["access_token"], later["access_token"]):
            assert code_of(cell.call("GET", "__ctl/Role", token=token)) == (401, "PR401-AU-0002")
            assert introspected(cell, token) == {"active": False}
        form = {"grant_type": "refresh_token", "refresh_token": later["refresh_token"]}
        assert cell.call("POST", "__token", token=None, data=form).json()["error"] == "invalid_grant"
        assert cell.call("GET", "__ctl/Role", token=other["access_token"]).status_code == 200

    def test_what_is_no_token_is_revoked_without_a_word(self, cell: Site) -> None:
        assert cell.call("POST", "__revoke", token=None, data={"token": "nonsense"}).status_code == 200
        assert cell.call("POST", "__revoke", token=None, data={}).json()["error"] == "invalid_request"

    def test_a_logout_ends_the_session_of_a_cookie_and_takes_the_cookie_away(self, cell: Site) -> None:
        cell.account("alice", roles=("admin",))
        cell.acl("", {"admin": "p:root"})
        given = cell.grant("alice", p_cookie="true")
        cookie = given.headers["set-cookie"].split(";")[0]
        cell.http.cookies.clear()
        session = {"headers": {"Cookie": cookie}, "params": {"p_cookie_peer": given.json()["p_cookie_peer"]}}
        assert cell.call("GET", "__ctl/Role", token=None, **session).status_code == 200
        answer = cell.call("POST", "__logout", token=None, **session)
        assert answer.status_code == 204
        assert answer.headers["set-cookie"].startswith("p_cookie=; Max-Age=0; Path=")
        cell.http.cookies.clear()
        assert cell.call("GET", "__ctl/Role", token=None, **session).status_code == 401

    def test_who_never_logged_in_cannot_log_out(self, cell: Site) -> None:
        assert code_of(cell.call("POST", "__logout", token=None)) == (401, "PR401-AU-0001")
        assert code_of(cell.call("POST", "__logout")) == (403, "PR403-AU-0002")

    def test_a_revocation_outlives_a_restart(self, tmp_path: Path) -> None:
        with running(tmp_path / "d") as unit:
            cell = unit.cell("here")
            cell.account("alice", roles=("admin",))
            cell.acl("", {"admin": "p:root"})
            token = cell.token("alice")
            cell.call("POST", "__logout", token=token)
        with running(tmp_path / "d") as unit:
            again = Site(unit.http, "here", f"{unit.url}here/")
            assert code_of(again.call("GET", "__ctl/Role", token=token)) == (401, "PR401-AU-0002")


class TestKeys:
    def test_a_cells_key_verifies_what_the_cell_signs_and_stays_the_same(self, cell: Site) -> None:
        keys = cell.call("GET", "__certs", token=None).json()
        (key,) = keys["keys"]
        assert (key["kty"], key["alg"], set(key)) == ("RSA", "RS256", {"kty", "use", "alg", "kid", "n", "e"})
        cell.account("alice", roles=("signer",))
        cell.acl("", {"signer": "p:sign"})
        answer = cell.call("POST", "__sign", token=cell.token("alice"), content="\u7f72\u540d me".encode())
        assert answer.headers["content-type"] == "application/jose"
        verified = jws.deserialize_compact(answer.text, KeySet.import_key_set(keys))
        assert verified.payload.decode() == "\u7f72\u540d me"
        assert verified.headers() == {"alg": "RS256", "kid": key["kid"]}
        assert cell.call("GET", "__certs", token=None).json() == keys

    def test_each_cell_has_a_key_of_its_own(self, unit: RunningUnit, cell: Site) -> None:
        one = cell.call("GET", "__certs", token=None).json()["keys"][0]
        other = unit.cell().call("GET", "__certs", token=None).json()["keys"][0]
        assert one["n"] != other["n"]
        assert RSAKey.import_key(one).is_private is False

    def test_to_sign_takes_its_privilege(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("", {"reader": "p:auth-read"})
        assert code_of(cell.call("POST", "__sign", token=None, content=b"x")) == (401, "PR401-AU-0001")
        assert code_of(cell.call("POST", "__sign", token=cell.token("alice"), content=b"x")) == (403, "PR403-AU-0002")

    def test_a_key_outlives_a_restart(self, tmp_path: Path) -> None:
        with running(tmp_path / "d") as unit:
            before = unit.cell("here").call("GET", "__certs").json()
        with running(tmp_path / "d") as unit:
            assert unit.http.get(f"{unit.url}here/__certs").json() == before


class TestDiscovery:
    @pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
    def test_the_document_names_the_cell_and_endpoints_that_are_there(self, cell: Site, name: str) -> None:
        document = cell.call("GET", f".well-known/{name}", token=None).json()
        assert document["issuer"] == cell.url
        assert document["code_challenge_methods_supported"] == ["S256"]
        for each in ("token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri"):
            assert cell.http.request("OPTIONS", document[each]).status_code == 200
            assert cell.http.get(document[each]).status_code in {200, 405}

    def test_there_are_no_other_documents(self, cell: Site) -> None:
        assert cell.call("GET", ".well-known/security.txt").status_code == 404
        assert cell.call("POST", ".well-known/openid-configuration").status_code == 405


class TestBoxOfAnApp:
    APP = "https://app.example/"

    def box(self, cell: Site) -> None:
        assert cell.call("POST", "__ctl/Box", json={"Name": "b", "Schema": self.APP}).status_code == 201

    def test_who_may_read_the_box_is_told_its_url(self, cell: Site) -> None:
        self.box(cell)
        cell.account("alice", roles=("reader",))
        cell.account("bob")
        cell.acl("b", {"reader": "read"})
        answer = cell.call("GET", "__box", token=cell.token("alice"), params={"schema": self.APP})
        assert (answer.status_code, answer.json()) == (200, {"Url": f"{cell.url}b/"})
        assert answer.headers["location"] == f"{cell.url}b/"
        refused = cell.call("GET", "__box", token=cell.token("bob"), params={"schema": self.APP})
        assert code_of(refused) == (403, "PR403-AU-0002")
        assert code_of(cell.call("GET", "__box", token=None, params={"schema": self.APP})) == (401, "PR401-AU-0001")
        assert code_of(cell.call("GET", "__box", token="x", params={"schema": self.APP})) == (401, "PR401-AU-0006")

    def test_a_box_that_is_not_there_is_refused_as_one_that_is_not_yours(self, cell: Site) -> None:
        cell.account("bob")
        for token in (cell.token("bob"), "a-master-token-for-tests"):
            refused = cell.call("GET", "__box", token=token, params={"schema": self.APP})
            assert code_of(refused) == (403, "PR403-AU-0002")
        assert code_of(cell.call("GET", "__box", params={"schema": "nonsense"})) == (400, "PR400-OD-0029")
        assert code_of(cell.call("GET", "__box")) == (403, "PR403-AU-0002")

    def test_the_main_box_is_that_of_the_cell_itself(self, cell: Site) -> None:
        answer = cell.call("GET", "__box", params={"schema": cell.url})
        assert answer.json() == {"Url": f"{cell.url}__/"}


class TestRoles:
    def test_roles_are_told_with_their_urls_by_box(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "b"})
        cell.call("POST", "__ctl/Role", json={"Name": "doctor"})
        cell.call("POST", "__ctl/Role", json={"Name": "nurse", "_Box.Name": "b"})
        doctor = {"Name": "doctor", "_Box.Name": "__", "Url": f"{cell.url}__role/__/doctor"}
        nurse = {"Name": "nurse", "_Box.Name": "b", "Url": f"{cell.url}__role/b/nurse"}
        for path, expected in {
            "__role": [doctor, nurse],
            "__role/b": [nurse],
            "__role/__/doctor": [doctor],
        }.items():
            assert cell.call("GET", path).json() == {"roles": expected}
        for path in ("__role/c", "__role/b/doctor", "__role/b/nurse/x"):
            assert cell.call("GET", path).status_code == 404
        assert code_of(cell.call("GET", "__role/b", token=None)) == (401, "PR401-AU-0001")


class TestRefresh:
    def test_a_refresh_may_narrow_the_scope_and_never_widen_it(self, cell: Site) -> None:
        cell.account("alice")
        given = cell.grant("alice", scope="auth box-read").json()

        def refreshed(scope: str) -> str:
            form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "scope": scope}
            return str(cell.call("POST", "__token", token=None, data=form).json().get("scope", ""))

        assert refreshed("") == "auth box-read"
        assert refreshed("auth-read") == "auth-read"
        assert refreshed("root box") == ""

    def test_a_scope_may_be_the_url_of_a_role_here(self, cell: Site) -> None:
        cell.account("alice", roles=("doctor",))
        role = f"{cell.url}__role/__/doctor"
        assert cell.grant("alice", scope=f"{role} auth").json()["scope"] == f"{role} auth"
        refused = cell.grant("alice", scope=f"{cell.url}__role/__/nobody")
        assert code_of(refused) == (400, "PR400-DV-0004")


class TestOldPayloads:
    def test_a_token_that_is_sealed_for_something_else_is_none(self, cell: Site) -> None:
        cell.account("alice")
        given = cell.grant("alice").json()
        for swapped in ("RR~" + given["access_token"][3:], "AV~" + given["access_token"][3:]):
            assert code_of(cell.call("GET", "__ctl/Role", token=swapped)) == (401, "PR401-AU-0006")
        raw = base64.urlsafe_b64encode(b"\x01" + b"0" * 60).rstrip(b"=").decode()
        assert code_of(cell.call("GET", "__ctl/Role", token=f"GC~{raw}")) == (401, "PR401-AU-0006")
