"""The authorization endpoint: logins by a page, what apps get, and who gets nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest

from alveary.adapters.keys.files import FOLDER, FileKeys
from alveary.adapters.machine import SystemClock
from alveary.wire.tokens import LocalToken, Resident, TokenKind
from tests.running import RunningUnit, Site, running

APP = "https://app.example/"
BACK = "https://app.example/__/back"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
FORM = "application/x-www-form-urlencoded"


def asking(**fields: str | None) -> dict[str, str]:
    """The fields of a request for a code, with those of *fields* in their place (None: without)."""
    asked = {"response_type": "code", "client_id": APP, "redirect_uri": BACK, "state": "s1", **fields}
    return {name: value for name, value in asked.items() if value is not None}


@dataclass(slots=True)
class Door:
    """The authorization endpoint of a cell, without a browser's memory."""

    cell: Site

    def get(self, *, headers: Mapping[str, str] | None = None, **fields: str | None) -> httpx.Response:
        return httpx.get(f"{self.cell.url}__authz?{urlencode(asking(**fields))}", headers=headers)

    def post(self, *, headers: Mapping[str, str] | None = None, **fields: str | None) -> httpx.Response:
        return httpx.post(f"{self.cell.url}__authz", data=asking(**fields), headers=headers)

    def log_in(self, name: str = "alice", password: str = "password-1", **fields: str | None) -> httpx.Response:
        return self.post(username=name, password=password, **fields)

    def cookie(self, name: str = "alice", **form: str) -> dict[str, str]:
        header = self.cell.grant(name, p_cookie="true", **form).headers["set-cookie"]
        return {"Cookie": header.split(";")[0]}

    def install(self, schema: str = APP) -> None:
        made = self.cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": schema})
        assert made.status_code == 201, made.text


@pytest.fixture
def door(cell: Site) -> Door:
    cell.account("alice")
    return Door(cell)


@contextmanager
def door_of(data: Path, **options: object) -> Iterator[Door]:
    with running(data, **options) as unit:
        cell = unit.cell()
        cell.account("alice")
        yield Door(cell)


def told(answer: httpx.Response, *, place: str = "query", base: str = BACK) -> dict[str, str]:
    """What a redirect to the app says, in the query or the fragment of its URL."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    location = answer.headers["location"]
    joint = "?" if place == "query" else "#"
    url, _, said = location.partition(joint)
    assert url == base, location
    return dict(parse_qsl(said, keep_blank_values=True, strict_parsing=True))


def looped(answer: httpx.Response, door: Door) -> dict[str, str]:
    """What a redirect back to the form says."""
    return told(answer, base=f"{door.cell.url}__authz")


def sent_to_error_page(answer: httpx.Response, door: Door) -> str:
    said = told(answer, base=f"{door.cell.url}__html/error")
    assert said.keys() == {"code"}
    return said["code"]


def opened(unit: RunningUnit, raw: str) -> LocalToken:
    """The token *raw* as the unit itself reads it."""
    keys = FileKeys(unit.data / FOLDER, master_token="", now_ms=SystemClock().now_ms)
    token = LocalToken.parse(raw, keys.unseal)
    assert token is not None
    return token


class Inputs(HTMLParser):
    """The inputs of a page by name, and the texts of its alerts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.tags: list[str] = []
        self.alert = ""
        self._in_alert = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self._in_alert = given.get("role") == "alert"
        if tag == "input":
            name = given["name"] or ""
            self.values[name] = given.get("value") or ""
            self.attributes[name] = given

    def handle_data(self, data: str) -> None:
        if self._in_alert:
            self.alert += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._in_alert = False


class TestChecks:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"client_id": None}, "PR400-AZ-0002"),
            ({"client_id": "app"}, "PR400-AZ-0002"),
            ({"client_id": "https://app.example/\r\nX: y"}, "PR400-AZ-0002"),
            ({"redirect_uri": None}, "PR400-AZ-0003"),
            ({"redirect_uri": "back"}, "PR400-AZ-0003"),
            ({"redirect_uri": "https://other.example/"}, "PR400-AZ-0003"),
            ({"redirect_uri": f"{BACK}#there"}, "PR400-AZ-0003"),
            ({"redirect_uri": f"{BACK}?x={'y' * 512}"}, "PR400-AZ-0003"),
            ({"redirect_uri": f"{BACK}?code=mine"}, "PR400-AZ-0003"),
        ],
    )
    def test_without_a_redirect_uri_under_a_client_id_nobody_is_sent_anywhere(
        self, door: Door, fields: dict[str, str | None], code: str
    ) -> None:
        assert sent_to_error_page(door.get(**fields), door) == code
        assert sent_to_error_page(door.log_in(**fields), door) == code

    def test_neither_the_cell_itself_nor_what_lies_in_a_cell_is_an_app(self, door: Door, unit: RunningUnit) -> None:
        other = unit.cell()
        for client_id in (door.cell.url, unit.url, f"{other.url}box/", f"{unit.url}healthz/"):
            answer = door.log_in(client_id=client_id, redirect_uri=f"{client_id}back")
            assert sent_to_error_page(answer, door) == "PR400-AZ-0002", client_id
        answer = door.log_in(client_id=other.url, redirect_uri=f"{other.url}__/back")
        assert "code" in told(answer, base=f"{other.url}__/back")

    @pytest.mark.parametrize(
        ("fields", "error", "code"),
        [
            ({"response_type": None}, "invalid_request", "PR400-AZ-0004"),
            ({"response_type": ""}, "invalid_request", "PR400-AZ-0004"),
            ({"response_type": "magic"}, "unsupported_response_type", "PR400-AZ-0001"),
            ({"response_type": "id_token"}, "unsupported_response_type", "PR400-AZ-0001"),
            ({"response_type": "id_token", "scope": "nonsense"}, "unsupported_response_type", "PR400-AZ-0001"),
            ({"response_type": "token", "expires_in": "0"}, "invalid_request", "PR400-AZ-0008"),
            ({"response_type": "token", "expires_in": "3601"}, "invalid_request", "PR400-AZ-0008"),
            ({"response_type": "token", "expires_in": "an hour"}, "invalid_request", "PR400-AZ-0008"),
            ({"expires_in": "0"}, "invalid_request", "PR400-AZ-0008"),
            ({"cancel_flg": "true"}, "unauthorized_client", "PR401-AZ-0001"),
            ({"response_type": "token", "cancel_flg": "true"}, "unauthorized_client", "PR401-AZ-0001"),
            ({"code_challenge": CHALLENGE}, "invalid_request", "PR400-AZ-0009"),
            (
                {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
                "invalid_request",
                "PR400-AZ-0009",
            ),
            ({"code_challenge_method": "S256"}, "invalid_request", "PR400-AZ-0009"),
            ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request", "PR400-AZ-0009"),
            ({"nonce": "n" * 513}, "invalid_request", "PR400-AZ-0009"),
            ({"prompt": "none login"}, "invalid_request", "PR400-AZ-0009"),
            ({"scope": "https://app.example/__role/__/nobody"}, "invalid_scope", "PR400-DV-0004"),
        ],
    )
    def test_what_cannot_be_answered_is_told_to_the_app(
        self, door: Door, fields: dict[str, str | None], error: str, code: str
    ) -> None:
        place = "query" if asking(**fields).get("response_type") == "code" else "fragment"
        for answer in (door.get(**fields), door.log_in(**fields)):
            said = told(answer, place=place)
            assert (said["error"], said["code"], said["state"]) == (error, code, "s1")
            assert said["error_description"]
            assert said["iss"] == door.cell.url

    def test_a_state_of_more_than_512_bytes_is_refused_and_not_sent_back(self, door: Door) -> None:
        assert told(door.log_in(state="あ" * 170))["state"] == "あ" * 170
        said = told(door.log_in(state="あ" * 171))
        assert (said["error"], said["code"]) == ("invalid_request", "PR400-AZ-0009")
        assert "state" not in said

    def test_a_field_that_is_named_twice_leads_to_the_error_page(self, door: Door) -> None:
        query = urlencode([*asking().items(), ("redirect_uri", "https://other.example/")])
        answer = httpx.get(f"{door.cell.url}__authz?{query}")
        assert sent_to_error_page(answer, door) == "PR400-AZ-0009"
        answer = httpx.post(f"{door.cell.url}__authz", content=query, headers={"Content-Type": FORM})
        assert sent_to_error_page(answer, door) == "PR400-AZ-0009"

    def test_other_methods_and_paths_are_refused_and_options_tells_which_there_are(self, door: Door) -> None:
        assert door.cell.call("PUT", "__authz").status_code == 405
        assert door.cell.call("GET", "__authz/more").status_code == 405
        assert door.cell.call("OPTIONS", "__authz").headers["allow"] == "OPTIONS, GET, POST"


class TestErrorPage:
    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("PR400-AZ-0003", "redirect_uri"),
            ("PR400-AZ-0009", "A parameter of the request is not valid."),
            ("PS-AU-0004", "is wrong"),
            ("<script>", "The code is not known."),
            ("", "The code is not known."),
        ],
    )
    def test_it_tells_what_a_code_means(self, door: Door, code: str, text: str) -> None:
        answer = httpx.get(f"{door.cell.url}__html/error?code={quote(code)}")
        assert answer.status_code == 200
        assert text in Inputs(answer.text).alert
        assert "<script" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]

    def test_nothing_else_is_there(self, door: Door) -> None:
        assert door.cell.call("GET", "__html").status_code == 404
        assert door.cell.call("GET", "__html/other").status_code == 404
        assert door.cell.call("POST", "__html/error").status_code == 405


class TestLoginPage:
    def test_the_form_carries_the_request_along(self, door: Door) -> None:
        asked = {
            "scope": "root openid",
            "expires_in": "60",
            "nonce": "n1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        answer = door.get(**asked)
        page = Inputs(answer.text)
        assert answer.headers["content-type"] == "text/html; charset=UTF-8"
        assert {name: page.values[name] for name in asking(**asked)} == asking(**asked)
        assert page.attributes["username"]["autocomplete"] == "username"
        assert page.attributes["password"]["autocomplete"] == "current-password"
        assert (page.alert, page.tags.count("script")) == ("", 0)

    def test_whatever_is_put_into_it_is_escaped(self, door: Door) -> None:
        evil = "\"'><script>alert(1)</script>&あ\n"
        answer = door.get(state=evil, scope=evil, code="PS-AU-0004", error=evil, error_description=evil)
        page = Inputs(answer.text)
        assert page.values["state"] == evil
        assert page.tags.count("script") == 0
        assert "alert(1)" not in page.alert and page.alert == "The user name or the password is wrong."

    def test_a_browser_may_do_no_more_with_it_than_it_needs(self, door: Door) -> None:
        headers = door.get().headers
        policy = headers["content-security-policy"]
        for part in (
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self' https://app.example;",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ):
            assert part in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"

    def choose(self, door: Door, name: str, url: str) -> None:
        """Let the cell show the page at *url*."""
        body = (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
            f"<p:{name}>{url}</p:{name}></D:prop></D:set></D:propertyupdate>"
        )
        assert door.cell.call("PROPPATCH", content=body).status_code == 207

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9/login.html", "personium-localcell:/__/none.html", "nonsense"]
    )
    def test_a_page_that_cannot_be_had_leaves_the_built_in_form(self, door: Door, url: str) -> None:
        self.choose(door, "authorizationhtmlurl", url)
        assert "username" in Inputs(door.get().text).values

    def test_a_cell_shows_pages_of_its_own_choice(self, door: Door) -> None:
        pages = {"login": "<h1>ログイン</h1>", "change": "<h1>変更</h1>"}
        for name, text in pages.items():
            type_ = {"Content-Type": "text/html;charset=Shift_JIS"}
            door.cell.call("PUT", f"__/{name}.html", content=text.encode("shift_jis"), headers=type_)
        door.cell.acl("__", {"all": "read"})
        self.choose(door, "authorizationhtmlurl", "personium-localcell:/__/login.html")
        self.choose(door, "authorizationpasswordchangehtmlurl", f"{door.cell.url}__/change.html")
        shown = door.get()
        assert (shown.text, shown.headers["content-type"]) == (pages["login"], "text/html; charset=UTF-8")
        assert shown.headers["content-security-policy"] == "frame-ancestors 'none'"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert door.get(password_change_required="true").text == pages["change"]


class TestLogin:
    def test_a_code_is_bound_to_app_redirect_uri_challenge_and_nonce(self, unit: RunningUnit, door: Door) -> None:
        said = told(door.log_in(code_challenge=CHALLENGE, code_challenge_method="S256", nonce="n1", scope="openid"))
        code = opened(unit, said["code"])
        assert said["code"].startswith("GC~")
        assert (code.kind, code.schema, code.scope) == (TokenKind.CODE, APP, ("openid",))
        assert code.binding is not None and code.life_s == 600
        assert (code.binding.redirect_uri, code.binding.challenge, code.binding.nonce) == (BACK, CHALLENGE, "n1")
        assert isinstance(code.holder, Resident) and code.holder.name == "alice"
        assert (said["state"], said["iss"]) == ("s1", door.cell.url)

    def test_a_code_is_worth_nothing_without_the_app(self, door: Door) -> None:
        code = told(door.log_in())["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        answer = door.cell.call("POST", "__token", token=None, data=form)
        assert answer.status_code == 401
        assert door.cell.call("GET", "__ctl/Account", token=code).status_code == 401

    def test_a_token_has_the_arbitrated_scope_and_the_app_without_proof(self, unit: RunningUnit, door: Door) -> None:
        said = told(door.log_in(response_type="token", scope="auth-read nonsense", expires_in="60"), place="fragment")
        assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", "60", "auth-read")
        token = opened(unit, said["access_token"])
        assert (token.kind, token.schema, token.scope, token.life_s) == (TokenKind.ACCESS, APP, ("auth-read",), 60)

    def test_an_app_of_this_unit_is_known_by_its_stored_name(self, unit: RunningUnit, door: Door) -> None:
        app = unit.cell()
        said = told(
            door.log_in(response_type="token", client_id=app.url.rstrip("/"), redirect_uri=f"{app.url}__/b"),
            place="fragment",
            base=f"{app.url}__/b",
        )
        assert opened(unit, said["access_token"]).schema == f"personium-localunit:{app.name}:/"

    def test_an_id_token_names_cell_account_app_and_nonce(self, door: Door) -> None:
        answer = door.log_in(response_type="id_token", scope="openid", nonce="n1")
        token = told(answer, place="fragment")["id_token"]
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert (claims["iss"], claims["sub"], claims["aud"], claims["nonce"]) == (door.cell.url, "alice", APP, "n1")

    def test_the_history_of_the_account_and_a_missing_box_are_told(self, door: Door) -> None:
        said = told(door.log_in())
        assert (said["last_authenticated"], said["failed_count"]) == ("null", "0")
        assert said["box_not_installed"] == "true"
        door.log_in(password="wrong")
        door.install()
        said = told(door.log_in())
        assert said["last_authenticated"].isdigit()
        assert said["failed_count"] == "1"
        assert "box_not_installed" not in said

    @pytest.mark.parametrize("response_type", ["code", "token"])
    def test_a_state_of_any_text_comes_back_as_it_was(self, door: Door, response_type: str) -> None:
        state = "a\"b'c&d=e#f%41+ あ\r\nX-Evil: 1"
        place = "query" if response_type == "code" else "fragment"
        answer = door.log_in(response_type=response_type, state=state)
        assert told(answer, place=place)["state"] == state
        assert "x-evil" not in answer.headers

    def test_the_query_of_a_redirect_uri_is_kept(self, door: Door) -> None:
        location = door.log_in(redirect_uri=f"{BACK}?a=%20b").headers["location"]
        assert location.startswith(f"{BACK}?a=%20b&code=GC~")
        location = door.log_in(redirect_uri=f"{BACK}?a=b", response_type="token").headers["location"]
        assert location.startswith(f"{BACK}?a=b#access_token=AR~")

    @pytest.mark.parametrize(
        "fields",
        [{}, {"username": ""}, {"username": "alice"}, {"username": "alice", "password": ""}, {"password": "x"}],
    )
    def test_what_is_not_entered_is_asked_for_again(self, door: Door, fields: dict[str, str]) -> None:
        said = looped(door.post(**fields), door)
        assert (said["error"], said["code"]) == ("invalid_request", "PS-AU-0003")

    def test_a_failure_leads_back_to_the_form_with_the_request(self, door: Door) -> None:
        fields = {"scope": "root openid", "expires_in": "60", "state": "a b&c", "nonce": "n1"}
        answer = door.log_in(password="wrong", response_type="token", **fields)
        said = looped(answer, door)
        assert (said["error"], said["code"]) == ("invalid_grant", "PS-AU-0004")
        assert said.items() >= asking(response_type="token", **fields).items()
        assert "password" not in said and "username" not in said
        page = Inputs(httpx.get(answer.headers["location"]).text)
        assert page.alert == said["error_description"]
        assert page.values["scope"] == "root openid"

    @pytest.mark.parametrize("status", ["deactivated", "active"])
    def test_all_reasons_to_fail_look_alike_here_too(self, door: Door, status: str) -> None:
        door.cell.account("bob", Status=status, IPAddressRange="192.0.2.0/24")
        wrong = door.log_in("bob", state="s")
        unknown = door.log_in("nobody", state="s")
        assert wrong.headers["location"] == unknown.headers["location"]


class TestThrottling:
    def test_brute_force_is_throttled_as_at_the_token_endpoint(self, tmp_path: Path) -> None:
        with door_of(tmp_path / "data", **{"auth.valid_authn_interval_s": 30}) as door:
            assert looped(door.log_in(password="wrong"), door)["code"] == "PS-AU-0004"
            assert looped(door.log_in(), door)["code"] == "PS-AU-0004"
            assert door.cell.grant("alice").status_code == 400

    def test_an_address_waits_whatever_the_account(self, tmp_path: Path) -> None:
        with door_of(tmp_path / "data", **{"auth.valid_authn_interval_s": 30}) as door:
            for number in range(5):
                door.log_in(f"nobody{number}")
            assert looped(door.log_in(), door)["code"] == "PS-AU-0004"

    def test_a_failure_takes_as_long_for_unknown_names(self, tmp_path: Path) -> None:
        with door_of(tmp_path / "data", **{"auth.failure_floor_ms": 200}) as door:
            assert door.log_in(password="wrong").elapsed.total_seconds() >= 0.2
            assert door.log_in("nobody").elapsed.total_seconds() >= 0.2


class TestPasswordChange:
    @pytest.fixture
    def changing(self, cell: Site) -> Door:
        cell.account("alice", Status="passwordChangeRequired")
        return Door(cell)

    def start(self, door: Door) -> str:
        said = looped(door.log_in(), door)
        assert (said["error"], said["code"]) == ("unauthorized_client", "PS-AU-0006")
        assert said["password_change_required"] == "true"
        assert said["access_token"].startswith("AP~")
        return said["access_token"]

    def test_a_new_password_is_asked_for_set_and_logs_in(self, changing: Door) -> None:
        location = changing.log_in().headers["location"]
        page = Inputs(httpx.get(location).text)
        assert page.attributes["password"]["autocomplete"] == "new-password"
        assert (page.alert, "username" in page.values) == ("You must change your password.", False)
        form = {**page.values, "password": "password-2"}
        said = told(httpx.post(f"{changing.cell.url}__authz", data=form))
        assert said["code"].startswith("GC~") and said["state"] == "s1"
        assert changing.cell.grant("alice", "password-1").status_code == 400
        assert changing.cell.grant("alice", "password-2").status_code == 200

    @pytest.mark.parametrize(
        ("password", "code"), [("", "PS-AU-0007"), ("abc", "PS-AU-0008"), ("with space", "PS-AU-0008")]
    )
    def test_a_password_that_cannot_be_one_is_asked_for_again(self, changing: Door, password: str, code: str) -> None:
        token = self.start(changing)
        said = looped(changing.post(access_token=token, password=password), changing)
        assert (said["error"], said["code"], said["access_token"]) == ("invalid_request", code, token)
        assert "code" in told(changing.post(access_token=token, password="password-2"))

    def test_the_token_is_good_once(self, changing: Door) -> None:
        token = self.start(changing)
        told(changing.post(access_token=token, password="password-2"))
        body = {"Status": "passwordChangeRequired"}
        assert changing.cell.call("MERGE", "__ctl/Account('alice')", json=body).status_code == 204
        said = looped(changing.post(access_token=token, password="password-3"), changing)
        assert said["code"] == "PS-AU-0002"
        headers = {"X-Personium-Credential": "password-3"}
        assert changing.cell.call("PUT", "__mypassword", token=token, headers=headers).status_code == 401

    def test_the_token_ends_when_the_password_need_not_be_changed_any_more(self, changing: Door) -> None:
        token = self.start(changing)
        headers = {"X-Personium-Credential": "password-2"}
        assert changing.cell.call("PUT", "__mypassword", token=token, headers=headers).status_code == 204
        said = looped(changing.post(access_token=token, password="password-3"), changing)
        assert said["code"] == "PS-AU-0004"
        assert changing.cell.grant("alice", "password-2").status_code == 200

    def test_the_token_ends_with_a_reset(self, changing: Door) -> None:
        token = self.start(changing)
        headers = {"X-Personium-Credential": "password-2"}
        assert changing.cell.call("MERGE", "__ctl/Account('alice')", json={}, headers=headers).status_code == 204
        said = looped(changing.post(access_token=token, password="password-3"), changing)
        assert said["code"] == "PS-AU-0002"

    def test_only_a_token_for_the_change_will_do(self, unit: RunningUnit, door: Door) -> None:
        other = unit.cell()
        other.account("alice", Status="passwordChangeRequired")
        foreign = self.start(Door(other))
        for token in (door.cell.token("alice"), foreign, "AP~x", "nonsense"):
            said = looped(door.post(access_token=token, password="password-2"), door)
            assert (said["error"], said["code"]) == ("unauthorized_client", "PS-AU-0002")
            assert "access_token" not in said
        assert door.cell.grant("alice").status_code == 200


class TestSessions:
    def test_the_cookie_of_a_session_answers_for_an_installed_app_without_a_page(
        self, unit: RunningUnit, door: Door
    ) -> None:
        door.install()
        said = told(door.get(headers=door.cookie()))
        assert opened(unit, said["code"]).holder == opened(unit, door.cell.token("alice")).holder
        assert "failed_count" not in said and "last_authenticated" not in said

    def test_an_app_that_is_not_installed_gets_nothing_unless_the_user_logs_in(self, door: Door) -> None:
        assert "username" in Inputs(door.get(headers=door.cookie()).text).values

    def test_a_session_gives_no_more_than_its_token(self, unit: RunningUnit, door: Door) -> None:
        door.install()
        answer = door.get(headers=door.cookie(scope="auth-read"), response_type="token", scope="auth-read box openid")
        token = opened(unit, told(answer, place="fragment")["access_token"])
        assert token.scope == ("auth-read", "openid")
        answer = door.get(headers=door.cookie(scope="auth-read"), response_type="token")
        assert opened(unit, told(answer, place="fragment")["access_token"]).scope == ()

    @pytest.mark.parametrize("value", ["", "nonsense", "p_cookie", "QUJD"])
    def test_a_cookie_that_is_none_shows_the_form(self, door: Door, value: str) -> None:
        door.install()
        assert door.get(headers={"Cookie": f"p_cookie={value}"}).status_code == 200

    def test_a_session_that_ended_is_none(self, door: Door, unit: RunningUnit) -> None:
        door.install()
        answer = door.cell.grant("alice", p_cookie="true")
        cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        assert door.get(headers=cookie).status_code == 303
        assert door.cell.call("POST", "__logout", token=answer.json()["access_token"]).status_code == 204
        assert door.get(headers=cookie).status_code == 200
        said = looped(door.post(headers={**cookie, "Sec-Fetch-Site": "same-origin"}), door)
        assert (said["error"], said["code"]) == ("unauthorized_client", "PS-AU-0005")
        other = Door(unit.cell())
        other.cell.account("alice")
        assert other.get(headers=door.cookie()).status_code == 200

    def test_a_session_of_before_a_new_password_is_none(self, door: Door) -> None:
        door.install()
        cookie = door.cookie()
        headers = {"X-Personium-Credential": "password-2"}
        assert door.cell.call("MERGE", "__ctl/Account('alice')", json={}, headers=headers).status_code == 204
        assert door.get(headers=cookie).status_code == 200
        said = looped(door.post(headers={**cookie, "Sec-Fetch-Site": "same-origin"}), door)
        assert (said["error"], said["code"]) == ("unauthorized_client", "PS-AU-0005")

    def test_prompt_says_whether_a_page_is_shown(self, door: Door) -> None:
        door.install()
        cookie = door.cookie()
        assert "code" in told(door.get(headers=cookie, prompt="none"))
        for prompt in ("login", "consent", "select_account"):
            assert door.get(headers=cookie, prompt=prompt).status_code == 200
        said = told(door.get(prompt="none"))
        assert (said["error"], said["code"]) == ("login_required", "PR401-AZ-0003")

    def test_a_form_that_comes_back_with_an_error_is_shown_in_spite_of_a_session(self, door: Door) -> None:
        door.install()
        location = door.log_in(password="wrong").headers["location"]
        assert httpx.get(location, headers=door.cookie()).status_code == 200


class TestOtherSites:
    """Attacks from pages of other sites on one who is logged in, or is made to."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
            {"Origin": "https://evil.example"},
        ],
    )
    def test_their_forms_log_nobody_in(self, door: Door, headers: dict[str, str]) -> None:
        door.install()
        answer = door.post(username="alice", password="password-1", headers=headers)
        assert looped(answer, door)["code"] == "PS-AU-0002"
        answer = door.post(headers={**headers, **door.cookie()})
        assert looped(answer, door)["code"] == "PS-AU-0002"

    @pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Sec-Fetch-Site": "none"}])
    def test_a_form_with_nothing_but_the_cookie_must_prove_where_it_is_from(
        self, door: Door, headers: dict[str, str]
    ) -> None:
        door.install()
        answer = door.post(headers={**headers, **door.cookie()})
        assert looped(answer, door)["code"] == "PS-AU-0003"
        assert "code" in told(door.post(username="alice", password="password-1", headers=headers))

    def test_the_own_form_is_believed_with_the_cookie_alone(self, door: Door) -> None:
        door.install()
        url = urlsplit(door.cell.url)
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"{url.scheme}://{url.netloc}"}):
            assert "GC~" in told(door.post(headers={**headers, **door.cookie()}))["code"]

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Mode": "cors"}, {"Origin": "https://evil.example"}])
    def test_a_script_that_fetches_the_endpoint_uses_no_session(self, door: Door, headers: dict[str, str]) -> None:
        door.install()
        assert door.get(headers={**headers, **door.cookie()}).status_code == 200
        assert door.get(headers={"Sec-Fetch-Mode": "navigate", **door.cookie()}).status_code == 303

    @pytest.mark.parametrize(
        "redirect_uri",
        [
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://evil.example/https://app.example/",
            "//evil.example/",
            "https://app.example\\@evil.example/",
            "javascript:alert(1)//app.example/",
            "http://app.example/",
            "https://app.example/\r\nLocation: https://evil.example/",
        ],
    )
    def test_nobody_is_redirected_to_what_is_not_the_apps(self, door: Door, redirect_uri: str) -> None:
        door.install()
        answers = (
            door.get(redirect_uri=redirect_uri, headers=door.cookie()),
            door.log_in(redirect_uri=redirect_uri),
            door.get(redirect_uri=redirect_uri, cancel_flg="true"),
            door.get(redirect_uri=redirect_uri, response_type="magic"),
        )
        for answer in answers:
            assert sent_to_error_page(answer, door) == "PR400-AZ-0003"


def test_a_login_is_open_while_the_cell_takes_part_in_discovery(door: Door) -> None:
    document = door.cell.call("GET", ".well-known/openid-configuration", token=None).json()
    assert document["authorization_endpoint"] == f"{door.cell.url}__authz"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert parse_qs(urlsplit(door.log_in().headers["location"]).query)["iss"] == [document["issuer"]]
