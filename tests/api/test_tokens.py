"""The token endpoint: grants, refusals, account states, throttling, cookies, the change of a password."""

from __future__ import annotations

import base64
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.running import MASTER, RunningUnit, Site, running

WITHOUT_HISTORY = (
    '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
    "<p:accountsnotrecordingauthhistory>alice,carol</p:accountsnotrecordingauthhistory>"
    "</D:prop></D:set></D:propertyupdate>"
)


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, body["error"], body["error_description"].split("]")[0].lstrip("[")


class TestPasswordGrant:
    def test_a_password_gives_an_access_and_a_refresh_token(self, cell: Site) -> None:
        cell.account("alice")
        answer = cell.grant("alice")
        body = answer.json()
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert body["access_token"].startswith("AR~") and body["refresh_token"].startswith("RR~")
        assert (body["token_type"], body["expires_in"], body["refresh_token_expires_in"]) == ("Bearer", 3600, 86400)
        assert body["scope"] == "root"
        assert (body["last_authenticated"], body["failed_count"]) == (None, 0)

    def test_the_next_login_tells_of_the_last_and_of_failures_between(self, cell: Site) -> None:
        cell.account("alice")
        cell.grant("alice")
        cell.grant("alice", "wrong-1")
        cell.grant("alice", "wrong-2")
        body = cell.grant("alice").json()
        assert isinstance(body["last_authenticated"], int) or body["last_authenticated"] is None
        assert body["failed_count"] == 2
        assert cell.grant("alice").json()["failed_count"] == 0

    def test_an_account_without_history_is_told_none_and_a_success_forgives_its_failures(
        self, tmp_path: Path
    ) -> None:
        with running(tmp_path / "data", **{"auth.lock_count": 3, "auth.lock_time_s": 600}) as unit:
            cell = unit.cell()
            cell.account("alice")
            cell.account("bob")
            assert cell.grant("alice").status_code == 200
            assert cell.call("PROPPATCH", "", content=WITHOUT_HISTORY).status_code == 207
            for _ in range(3):
                cell.grant("alice", "wrong-1")
                cell.grant("alice", "wrong-2")
                body = cell.grant("alice").json()
                assert (body["last_authenticated"], body["failed_count"]) == (None, 0)
            for _ in range(3):
                cell.grant("alice", "wrong")
            assert refused(cell.grant("alice")) == (400, "invalid_grant", "PR400-AN-0017")
            assert cell.grant("bob").json()["last_authenticated"] is None
            assert isinstance(cell.grant("bob").json()["last_authenticated"], int)

    @pytest.mark.parametrize(
        ("fields", "password"),
        [
            ({}, "wrong"),
            ({"Status": "deactivated"}, "password-1"),
            ({"IPAddressRange": "192.0.2.0/24"}, "password-1"),
        ],
    )
    def test_all_reasons_to_fail_look_alike(self, cell: Site, fields: dict[str, str], password: str) -> None:
        cell.account("alice", **fields)
        assert refused(cell.grant("alice", password)) == (400, "invalid_grant", "PR400-AN-0017")
        assert refused(cell.grant("nobody", password)) == (400, "invalid_grant", "PR400-AN-0017")

    def test_an_address_range_that_holds_the_client_lets_it_in(self, cell: Site) -> None:
        cell.account("alice", IPAddressRange="127.0.0.1,192.0.2.0/24")
        assert cell.grant("alice").status_code == 200

    def test_a_forwarded_address_from_nobody_trusted_is_not_believed(self, cell: Site) -> None:
        cell.account("alice", IPAddressRange="192.0.2.0/24")
        form = {"grant_type": "password", "username": "alice", "password": "password-1"}
        answer = cell.call("POST", "__token", token=None, data=form, headers={"X-Forwarded-For": "192.0.2.7"})
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        ("form", "expected"),
        [
            ({}, (400, "invalid_request", "PR400-AN-0016")),
            ({"grant_type": "magic"}, (400, "unsupported_grant_type", "PR400-AN-0001")),
            ({"grant_type": "password"}, (400, "invalid_request", "PR400-AN-0016")),
            ({"grant_type": "password", "username": "a"}, (400, "invalid_request", "PR400-AN-0016")),
            ({"grant_type": "refresh_token"}, (400, "invalid_grant", "PR400-AN-0009")),
            ({"grant_type": "refresh_token", "refresh_token": "RR~x"}, (400, "invalid_grant", "PR400-AN-0009")),
            ({"grant_type": "password", "expires_in": "0"}, (400, "invalid_request", "PR400-AN-0016")),
            ({"grant_type": "password", "expires_in": "3601"}, (400, "invalid_request", "PR400-AN-0016")),
            (
                {"grant_type": "password", "client_id": "https://app.example/"},
                (400, "invalid_client", "PR400-AN-0003"),
            ),
        ],
    )
    def test_forms_that_ask_for_nothing_that_can_be_given(
        self, cell: Site, form: dict[str, str], expected: tuple[int, str, str]
    ) -> None:
        assert refused(cell.call("POST", "__token", token=None, data=form)) == expected

    @pytest.mark.parametrize("seconds", ["1", "3600"])
    def test_lives_within_the_limits_are_given(self, cell: Site, seconds: str) -> None:
        cell.account("alice")
        body = cell.grant("alice", expires_in=seconds, refresh_token_expires_in=seconds).json()
        assert (body["expires_in"], body["refresh_token_expires_in"]) == (int(seconds), int(seconds))

    def test_a_requested_scope_is_kept_where_it_is_covered(self, cell: Site) -> None:
        cell.account("alice", roles=("admin",))
        cell.acl("", {"admin": "p:root"})
        body = cell.grant("alice", scope="auth-read openid nonsense").json()
        assert body["scope"] == "auth-read openid"
        token = body["access_token"]
        assert cell.call("GET", "__ctl/Account", token=token).status_code == 200
        answer = cell.call("GET", "__ctl/Box", token=token)
        assert (answer.status_code, answer.json()["code"]) == (403, "PR403-AU-0007")

    def test_a_password_with_every_permitted_character_logs_in(self, cell: Site) -> None:
        password = "aZ0-_!$*=^`{|}~.@"
        cell.account("alice", password)
        assert cell.grant("alice", password).status_code == 200

    @pytest.mark.parametrize(
        ("password", "status"),
        [("short", 400), ("sixsix", 201), ("x" * 32, 201), ("x" * 33, 400), ("with space", 400)],
    )
    def test_the_form_of_passwords_is_checked_when_they_are_given(
        self, cell: Site, password: str, status: int
    ) -> None:
        answer = cell.call(
            "POST", "__ctl/Account", json={"Name": "bob"}, headers={"X-Personium-Credential": password}
        )
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["code"] == "PR400-AU-0001"


class TestRefreshAndForgery:
    def test_a_refresh_token_gives_new_tokens_and_no_access(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        refresh = cell.grant("alice").json()["refresh_token"]
        given = cell.call(
            "POST", "__token", token=None, data={"grant_type": "refresh_token", "refresh_token": refresh}
        ).json()
        assert cell.call("GET", "__", token=given["access_token"]).status_code == 200
        answer = cell.call("GET", "__", token=refresh)
        assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0007")

    def test_an_access_token_refreshes_nothing(self, cell: Site) -> None:
        cell.account("alice")
        form = {"grant_type": "refresh_token", "refresh_token": cell.token("alice")}
        answer = cell.call("POST", "__token", token=None, data=form)
        assert refused(answer) == (400, "invalid_grant", "PR400-AN-0013")

    def test_another_cells_token_is_no_token_here(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice")
        other = unit.cell()
        answer = other.call("GET", "__", token=cell.token("alice"))
        assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0006")

    def test_no_mutation_of_a_token_is_accepted(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        token = cell.token("alice")
        assert cell.call("GET", "__", token=token).status_code == 200
        chance = random.Random(7)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~="
        for _ in range(300):
            at = chance.randrange(len(token))
            mutated = token[:at] + chance.choice(alphabet) + token[at + chance.choice((0, 1)) :]
            if mutated != token:
                assert cell.call("GET", "__", token=mutated).status_code == 401, mutated

    def test_a_token_ends_with_its_account_and_with_the_accounts_state(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        token = cell.token("alice")
        cell.call("MERGE", "__ctl/Account('alice')", json={"Status": "deactivated"})
        assert cell.call("GET", "__", token=token).status_code == 401
        cell.call("MERGE", "__ctl/Account('alice')", json={"Status": "active"})
        assert cell.call("GET", "__", token=token).status_code == 200
        cell.call("DELETE", "__ctl/Account('alice')")
        cell.account("alice", roles=("reader",))
        assert cell.call("GET", "__", token=token).status_code == 401

    def test_a_rename_ends_no_token(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        token = cell.token("alice")
        assert cell.call("MERGE", "__ctl/Account('alice')", json={"Name": "alicia"}).status_code == 204
        assert cell.call("GET", "__", token=token).status_code == 200

    def test_an_empty_bearer_and_an_unset_master_token_never_match(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", master_token="") as unit:
            for value in ("Bearer", f"Bearer {MASTER}", "bearer .", "Basic Og=="):
                answer = unit.http.get(f"{unit.url}__ctl/Cell", headers={"Authorization": value})
                assert answer.status_code == 401, value


class TestThrottling:
    def test_after_a_failure_the_right_password_is_refused_for_the_interval(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"auth.valid_authn_interval_s": 30}) as unit:
            cell = unit.cell()
            cell.account("alice")
            assert cell.grant("alice").status_code == 200
            cell.grant("alice", "wrong")
            assert refused(cell.grant("alice")) == (400, "invalid_grant", "PR400-AN-0017")

    def test_from_the_fifth_failure_an_address_waits_whatever_the_account(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"auth.valid_authn_interval_s": 30}) as unit:
            cell = unit.cell()
            cell.account("alice")
            for number in range(5):
                cell.grant(f"nobody{number}", "wrong")
            assert refused(cell.grant("alice")) == (400, "invalid_grant", "PR400-AN-0017")

    def test_basic_is_throttled_like_the_token_endpoint(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"auth.valid_authn_interval_s": 30}) as unit:
            cell = unit.cell()
            cell.account("alice", roles=("reader",))
            cell.acl("__", {"reader": "read"})
            assert basic(cell, "alice", "password-1").status_code == 200
            assert basic(cell, "alice", "wrong").status_code == 401
            answer = basic(cell, "alice", "password-1")
            assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0011")

    def test_a_failure_waits_for_the_floor_of_time_known_or_not(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"auth.failure_floor_ms": 200}) as unit:
            cell = unit.cell()
            cell.account("alice")
            assert cell.grant("alice", "wrong").elapsed.total_seconds() >= 0.2
            assert cell.grant("nobody", "wrong").elapsed.total_seconds() >= 0.2


def set_own(cell: Site, token: str, password: str) -> httpx.Response:
    """The answer to the change of one's own password."""
    return cell.call("PUT", "__mypassword", token=token, headers={"X-Personium-Credential": password})


def basic(cell: Site, name: str, password: str, path: str = "__") -> httpx.Response:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return cell.call("GET", path, token=None, headers={"Authorization": f"Basic {pair}"})


class TestPasswordChange:
    def test_an_account_that_must_change_gets_only_a_way_to_do_so(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",), Status="passwordChangeRequired")
        cell.acl("__", {"reader": "read", "all": "read"})
        answer = cell.grant("alice")
        assert refused(answer) == (401, "invalid_grant", "PR401-AN-0023")
        body = answer.json()
        assert body["url"] == f"{cell.url}__mypassword"
        change = body["access_token"]
        assert change.startswith("AP~")
        use = cell.call("GET", "__", token=change)
        assert (use.status_code, use.json()["code"]) == (401, "PR401-AU-0012")
        headers = {"X-Personium-Credential": "password-2"}
        assert cell.call("PUT", "__mypassword", token=change, headers=headers).status_code == 204
        assert cell.call("PUT", "__mypassword", token=change, headers=headers).json()["code"] == "PR401-AU-0002"
        assert cell.grant("alice", "password-1").status_code == 400
        assert cell.grant("alice", "password-2").status_code == 200

    def test_another_token_for_the_change_ends_with_the_first_change(self, cell: Site) -> None:
        cell.account("alice", Status="passwordChangeRequired")
        one, other = (cell.grant("alice").json()["access_token"] for _ in range(2))
        assert set_own(cell, one, "password-2").status_code == 204
        answer = set_own(cell, other, "password-3")
        assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0002")
        assert cell.grant("alice", "password-2").status_code == 200

    def test_of_changes_at_once_by_one_token_one_is_made(self, cell: Site) -> None:
        cell.account("alice", Status="passwordChangeRequired")
        token = cell.grant("alice").json()["access_token"]
        passwords = [f"password-{number}" for number in range(2, 6)]
        with ThreadPoolExecutor(len(passwords)) as pool:
            answers = list(pool.map(lambda password: set_own(cell, token, password), passwords))
        assert sorted(answer.status_code for answer in answers) == [204, 401, 401, 401]
        assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"PR401-AU-0002"}
        made = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 204]
        assert [each for each in passwords if cell.grant("alice", each).status_code == 200] == made

    def test_a_password_that_cannot_be_one_leaves_the_token_for_the_change_good(self, cell: Site) -> None:
        cell.account("alice", Status="passwordChangeRequired")
        token = cell.grant("alice").json()["access_token"]
        assert set_own(cell, token, "abc").json()["code"] == "PR400-AU-0001"
        assert set_own(cell, token, "password-2").status_code == 204

    def test_my_password_needs_a_credential_of_the_right_form(self, cell: Site) -> None:
        cell.account("alice")
        token = cell.token("alice")
        missing = cell.call("PUT", "__mypassword", token=token)
        assert (missing.status_code, missing.json()["code"]) == (400, "PR400-AU-0003")
        short = cell.call("PUT", "__mypassword", token=token, headers={"X-Personium-Credential": "abc"})
        assert (short.status_code, short.json()["code"]) == (400, "PR400-AU-0001")
        for who in (None, MASTER):
            answer = cell.call("PUT", "__mypassword", token=who, headers={"X-Personium-Credential": "password-2"})
            assert answer.status_code == (401 if who is None else 403)


def refreshed(cell: Site, token: str) -> httpx.Response:
    return cell.call("POST", "__token", token=None, data={"grant_type": "refresh_token", "refresh_token": token})


def reader(cell: Site) -> None:
    """An account ``alice`` that may read the main box."""
    cell.account("alice", roles=("reader",))
    cell.acl("__", {"reader": "read"})


def refused_everywhere(cell: Site, given: httpx.Response) -> None:
    """Expect that the tokens and the cookie of a login are good for nothing, as revoked ones are."""
    body = given.json()
    answer = cell.call("GET", "__", token=body["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0002")
    answer = set_own(cell, body["access_token"], "password-9")
    assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0002")
    cookie = {"Cookie": given.headers["set-cookie"].split(";")[0]}
    by_cookie = httpx.get(f"{cell.url}__?p_cookie_peer={body['p_cookie_peer']}", headers=cookie)
    assert (by_cookie.status_code, by_cookie.json()["code"]) == (401, "PR401-AU-0002")
    assert refused(refreshed(cell, body["refresh_token"])) == (400, "invalid_grant", "PR400-AN-0009")
    for token in (body["access_token"], body["refresh_token"]):
        assert cell.call("POST", "__introspect", data={"token": token}).json() == {"active": False}


class TestEndWithThePassword:
    @pytest.mark.parametrize(
        ("method", "status", "password"),
        [
            ("MERGE", None, "password-2"),
            ("MERGE", None, "password-1"),
            ("PUT", "active", "password-2"),
            ("MERGE", "passwordChangeRequired", None),
            ("MERGE", "passwordChangeRequired", "password-2"),
        ],
    )
    def test_a_new_password_and_the_need_of_one_end_all_tokens(
        self, cell: Site, method: str, status: str | None, password: str | None
    ) -> None:
        reader(cell)
        given = cell.grant("alice", p_cookie="true")
        assert cell.call("GET", "__", token=given.json()["access_token"]).status_code == 200
        body = {"Name": "alice"} if status is None else {"Name": "alice", "Status": status}
        headers = {} if password is None else {"X-Personium-Credential": password}
        assert cell.call(method, "__ctl/Account('alice')", json=body, headers=headers).status_code == 204
        refused_everywhere(cell, given)
        assert cell.call("MERGE", "__ctl/Account('alice')", json={"Status": "active"}).status_code == 204
        refused_everywhere(cell, given)
        anew = cell.grant("alice", password or "password-1").json()
        assert cell.call("GET", "__", token=anew["access_token"]).status_code == 200
        assert refreshed(cell, anew["refresh_token"]).status_code == 200

    def test_other_changes_of_an_account_end_none(self, cell: Site) -> None:
        reader(cell)
        given = cell.grant("alice").json()
        for body in ({"IPAddressRange": "127.0.0.1"}, {"Status": "deactivated"}, {"Status": "active"}):
            assert cell.call("MERGE", "__ctl/Account('alice')", json=body).status_code == 204
        assert cell.call("GET", "__", token=given["access_token"]).status_code == 200
        assert refreshed(cell, given["refresh_token"]).status_code == 200

    def test_ones_own_change_ends_all_other_logins_and_keeps_the_one_that_made_it(self, cell: Site) -> None:
        reader(cell)
        other, own = cell.grant("alice", p_cookie="true"), cell.grant("alice").json()
        assert set_own(cell, own["access_token"], "password-2").status_code == 204
        refused_everywhere(cell, other)
        later = refreshed(cell, own["refresh_token"]).json()
        for token in (own["access_token"], later["access_token"], cell.token("alice", "password-2")):
            assert cell.call("GET", "__", token=token).status_code == 200
        assert refreshed(cell, later["refresh_token"]).status_code == 200
        assert set_own(cell, own["access_token"], "password-3").status_code == 204

    def test_a_login_that_was_kept_ends_with_the_next_change_by_another(self, cell: Site) -> None:
        reader(cell)
        kept = cell.grant("alice", p_cookie="true")
        assert set_own(cell, kept.json()["access_token"], "password-2").status_code == 204
        later = refreshed(cell, kept.json()["refresh_token"]).json()
        assert set_own(cell, cell.token("alice", "password-2"), "password-3").status_code == 204
        refused_everywhere(cell, kept)
        assert cell.call("GET", "__", token=later["access_token"]).status_code == 401
        assert refreshed(cell, later["refresh_token"]).status_code == 400

    def test_a_token_for_the_change_ends_with_a_reset(self, cell: Site) -> None:
        cell.account("alice", Status="passwordChangeRequired")
        token = cell.grant("alice").json()["access_token"]
        headers = {"X-Personium-Credential": "password-2"}
        assert cell.call("MERGE", "__ctl/Account('alice')", json={}, headers=headers).status_code == 204
        answer = set_own(cell, token, "password-3")
        assert (answer.status_code, answer.json()["code"]) == (401, "PR401-AU-0002")
        assert (
            set_own(cell, cell.grant("alice", "password-2").json()["access_token"], "password-3").status_code == 204
        )

    def test_an_export_and_an_import_bring_none_back_and_end_none(self, cell: Site) -> None:
        reader(cell)
        old, own = cell.grant("alice", p_cookie="true"), cell.grant("alice").json()
        assert set_own(cell, own["access_token"], "password-2").status_code == 204
        new = cell.grant("alice", "password-2").json()
        for job in ("__export", "__import"):
            assert cell.call("POST", job, json={"Name": "s"}).status_code == 202
            while (told := cell.call("GET", job).json()["status"]) != "ready":
                assert "in progress" in told
        refused_everywhere(cell, old)
        for given in (own, new):
            assert cell.call("GET", "__", token=given["access_token"]).status_code == 200
            assert refreshed(cell, given["refresh_token"]).status_code == 200


class TestCookies:
    def test_the_cookie_and_its_peer_authenticate_only_together_and_only_without_a_header(self, cell: Site) -> None:
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        answer = cell.grant("alice", p_cookie="true")
        peer = answer.json()["p_cookie_peer"]
        header = answer.headers["set-cookie"]
        assert "HttpOnly" in header and "SameSite=Lax" in header and f"Path=/{cell.name}/" in header
        cookie = header.split(";")[0]

        def get(query: str, **headers: str) -> int:
            return httpx.get(f"{cell.url}__{query}", headers={"Cookie": cookie, **headers}).status_code

        assert get(f"?p_cookie_peer={peer}") == 200
        assert get("?p_cookie_peer=other") == 401
        assert get("") == 401
        assert get(f"?p_cookie_peer={peer}", Authorization="Bearer nonsense") == 401
