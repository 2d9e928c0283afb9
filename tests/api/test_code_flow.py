"""Authorization codes from the login page to the tokens, and what becomes of those who try them twice."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.running import RunningUnit, Site, running

VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(slots=True)
class Flow:
    """An app, the cell of its user, and the way from one to the other."""

    app: Site
    cell: Site

    @property
    def back(self) -> str:
        return f"{self.app.url}__/back"

    def proof(self, name: str = "me") -> dict[str, str]:
        """How the app proves itself at the cell."""
        return {"client_id": self.app.url, "client_secret": self.app.token(name, p_target=self.cell.url)}

    def code(self, **fields: str) -> str:
        """A code after the login of ``alice``."""
        asked = {"response_type": "code", "client_id": self.app.url, "redirect_uri": self.back, **fields}
        login = {"username": "alice", "password": "password-1"}
        answer = httpx.post(f"{self.cell.url}__authz", data={**asked, **login})
        assert answer.status_code == 303, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def redeem(self, code: str, **fields: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, **self.proof(), **fields}
        return self.cell.call("POST", "__token", token=None, data=form)


def flow_of(unit: RunningUnit) -> Flow:
    app, cell = unit.cell(), unit.cell()
    app.account("me")
    app.account("trusted", roles=("confidentialClient",))
    cell.account("alice", roles=("user",))
    cell.call("POST", "__ctl/Box", json={"Name": "b", "Schema": app.url})
    cell.call("PUT", "b/file", content=b"x")
    cell.acl("b", {"user": "read"}, authz="public")
    return Flow(app, cell)


@pytest.fixture
def flow(unit: RunningUnit) -> Flow:
    return flow_of(unit)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    return answer.status_code, body.get("code") or body["error_description"].split("]")[0].lstrip("[")


class TestCodes:
    def test_a_code_gives_tokens_of_the_app_once(self, flow: Flow) -> None:
        body = flow.redeem(flow.code(scope="auth-read"), redirect_uri=flow.back, expires_in="60").json()
        assert (body["access_token"][:3], body["refresh_token"][:3]) == ("AR~", "RR~")
        assert (body["scope"], body["expires_in"]) == ("auth-read", 60)
        assert "id_token" not in body and "last_authenticated" not in body
        assert flow.cell.call("GET", "b/file", token=body["access_token"]).status_code == 200
        told = flow.cell.call("POST", "__introspect", data={"token": body["access_token"]}).json()
        assert (told["client_id"], told["sub"]) == (flow.app.url, f"{flow.cell.url}#alice")

    def test_a_second_use_ends_what_the_first_gave(self, flow: Flow) -> None:
        code = flow.code()
        body = flow.redeem(code).json()
        refreshed = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], **flow.proof()}
        again = flow.cell.call("POST", "__token", token=None, data=refreshed).json()
        assert code_of(flow.redeem(code)) == (400, "PR400-AN-0019")
        for token in (body["access_token"], again["access_token"]):
            assert code_of(flow.cell.call("GET", "b/file", token=token)) == (401, "PR401-AU-0002")
        assert code_of(flow.cell.call("POST", "__token", token=None, data=refreshed)) == (400, "PR400-AN-0009")
        assert code_of(flow.redeem(code)) == (400, "PR400-AN-0019")

    def test_a_code_is_redeemed_by_whom_it_was_given_to_alone(self, unit: RunningUnit, flow: Flow) -> None:
        other = unit.cell()
        other.account("me")
        code = flow.code()
        stranger = {"client_id": other.url, "client_secret": other.token("me", p_target=flow.cell.url)}
        assert code_of(flow.redeem(code, **stranger)) == (401, "PR401-AN-0020")
        form = {"grant_type": "authorization_code", "code": code}
        assert code_of(flow.cell.call("POST", "__token", token=None, data=form)) == (401, "PR401-AN-0021")
        assert code_of(flow.redeem(code, redirect_uri=f"{flow.back}x")) == (400, "PR400-AN-0019")
        assert code_of(flow.redeem(code, p_owner="true")) == (400, "PR400-AN-0008")
        elsewhere = {"client_id": flow.app.url, "client_secret": flow.app.token("me", p_target=other.url)}
        answer = other.call("POST", "__token", token=None, data={**form, **elsewhere})
        assert code_of(answer) == (400, "PR400-AN-0019")
        assert flow.redeem(code).status_code == 200

    @pytest.mark.parametrize("code", ["", "x", "GC~x", "AR~x"])
    def test_what_is_no_code_is_refused(self, flow: Flow, code: str) -> None:
        assert code_of(flow.redeem(code)) == (400, "PR400-AN-0019")

    def test_a_code_gives_no_access_and_no_refresh_by_itself(self, flow: Flow) -> None:
        code = flow.code()
        assert code_of(flow.cell.call("GET", "b/file", token=code)) == (401, "PR401-AU-0006")
        form = {"grant_type": "refresh_token", "refresh_token": code, **flow.proof()}
        assert code_of(flow.cell.call("POST", "__token", token=None, data=form)) == (400, "PR400-AN-0013")

    def test_a_code_of_pkce_takes_the_verifier_and_no_other_takes_one(self, flow: Flow) -> None:
        bound = flow.code(code_challenge=CHALLENGE, code_challenge_method="S256")
        for wrong in (
            {},
            {"code_verifier": VERIFIER + "x"},
            {"code_verifier": CHALLENGE},
            {"code_verifier": "short"},
        ):
            assert code_of(flow.redeem(bound, **wrong)) == (400, "PR400-AN-0019")
        assert flow.redeem(bound, code_verifier=VERIFIER).status_code == 200
        assert code_of(flow.redeem(flow.code(), code_verifier=VERIFIER)) == (400, "PR400-AN-0019")

    def test_a_confidential_app_redeems_as_one(self, flow: Flow) -> None:
        body = flow.redeem(flow.code(), **flow.proof("trusted")).json()
        flow.cell.acl("b", {"user": "read"}, authz="confidential")
        assert flow.cell.call("GET", "b/file", token=body["access_token"]).status_code == 200

    def test_an_account_that_is_gone_gets_nothing(self, flow: Flow) -> None:
        code = flow.code()
        changed = flow.cell.call("MERGE", "__ctl/Account('alice')", json={"Name": "alice", "Status": "deactivated"})
        assert changed.status_code == 204
        assert code_of(flow.redeem(code)) == (400, "PR400-AN-0019")

    def test_a_code_of_before_a_new_password_gives_nothing(self, flow: Flow) -> None:
        code = flow.code()
        headers = {"X-Personium-Credential": "password-1"}
        assert flow.cell.call("MERGE", "__ctl/Account('alice')", json={}, headers=headers).status_code == 204
        assert code_of(flow.redeem(code)) == (400, "PR400-AN-0019")
        assert flow.redeem(flow.code()).status_code == 200

    def test_an_id_token_comes_with_the_scope_openid_and_is_verified_by_the_cells_keys(self, flow: Flow) -> None:
        body = flow.redeem(flow.code(scope="openid", nonce="n-0S6")).json()
        keys = KeySet.import_key_set(flow.cell.call("GET", "__certs", token=None).json())
        claims = jwt.decode(body["id_token"], keys).claims
        assert claims["exp"] - claims["iat"] == 3600
        assert {name: claims[name] for name in ("iss", "sub", "aud", "nonce")} == {
            "iss": flow.cell.url,
            "sub": "alice",
            "aud": flow.app.url,
            "nonce": "n-0S6",
        }

    def test_a_code_may_lead_to_a_token_for_another_cell(self, unit: RunningUnit, flow: Flow) -> None:
        third = unit.cell()
        body = flow.redeem(flow.code(), p_target=third.url).json()
        assert body["p_target"] == third.url
        assert third.call("POST", "__introspect", data={"token": body["access_token"]}).json()["iss"] == flow.cell.url

    def test_a_code_ends_at_its_time(self, tmp_path: Path) -> None:
        with running(tmp_path / "d", **{"auth.code_s": 1}) as unit:
            flow = flow_of(unit)
            form = {"grant_type": "authorization_code", "code": flow.code(), **flow.proof(), "redirect_uri": "x:"}
            answers = iter(lambda: code_of(flow.cell.call("POST", "__token", token=None, data=form)), None)
            assert next(answer for answer in answers if answer != (400, "PR400-AN-0019")) == (400, "PR400-AN-0010")

    def test_of_many_at_once_one_redeems_it(self, flow: Flow) -> None:
        code, proof = flow.code(), flow.proof()
        form = {"grant_type": "authorization_code", "code": code, **proof}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.post(f"{flow.cell.url}__token", data=form), range(16)))
        given = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(given) <= 1
        for body in given:
            assert flow.cell.call("GET", "b/file", token=body["access_token"]).status_code == 401
