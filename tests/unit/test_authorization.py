"""Where answers of the authorization endpoint may go, and how they get there."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import (
    AUTHORIZATION_PARAMETER,
    CLIENT_ID_INVALID,
    EXPIRES_IN_INVALID,
    REDIRECT_URI_INVALID,
    RESPONSE_TYPE_MISSING,
    Kind,
    Refusal,
)
from alveary.wire.authorization import SCREENS, AuthorizationRequest, Destination, WebUrl, encoded

APP = "https://app.example/cell/"
BACK = "https://app.example/cell/__/back"
TEXTS = st.text(st.characters(codec="utf-8"))


def destination(client_id: str = APP, redirect_uri: str = BACK, **fields: str) -> Destination:
    return Destination.parse({"client_id": client_id, "redirect_uri": redirect_uri, **fields})


def refused(client_id: str = APP, redirect_uri: str = BACK) -> Kind:
    with pytest.raises(Refusal) as caught:
        destination(client_id, redirect_uri)
    return caught.value.kind


@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [
        (APP, BACK),
        (APP, APP),
        (APP, "https://app.example/cell"),
        ("https://app.example/cell", BACK),
        ("HTTPS://App.Example:443/cell/", BACK),
        (APP, "https://APP.example:443/cell/x"),
        (APP, f"{BACK}?a=b&c=%2F../"),
        (APP, "https://app.example/cell/a..b/...c/x.html"),
        (APP, "https://app.example/cell/%E3%81%82"),
        ("https://app.example", "https://app.example"),
        ("http://localhost:8080/app/", "http://localhost:8080/app/cb"),
        ("http://[::1]:8080/", "http://[::1]:8080/cb"),
    ],
)
def test_what_lies_under_the_app_is_taken_as_it_is(client_id: str, redirect_uri: str) -> None:
    assert destination(client_id, redirect_uri).redirect_uri == redirect_uri


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "",
        "/cell/back",
        "//app.example/cell/",
        "http://app.example/cell/",
        "https://app.example:444/cell/",
        "https://app.example/cellar/",
        "https://app.example/",
        "https://app.example/other/https://app.example/cell/",
        "https://evil.example/cell/",
        "https://app.example.evil.example/cell/",
        "https://app.exampleevil/cell/",
        "https://user@app.example/cell/",
        "https://app.example:x@evil.example/cell/",
        "https://app.example@evil.example/cell/",
        "https://evil.example\\@app.example/cell/",
        "https://evil.example#@app.example/cell/",
        "https://app.example/cell/../other/",
        "https://app.example/cell/..",
        "https://app.example/cell/./x",
        "https://app.example/cell/%2e%2e/other/",
        "https://app.example/cell/.%2E/other/",
        "https://app.example/cell/..%2fother/",
        "https://app.example/cell/..\\other/",
        "https://app.example/cell/..%5cother/",
        "https://app.example/cell/%00",
        "https://app.example/cell/%0d%0aX: y",
        "https://app.example/cell/\r\nLocation: https://evil.example/",
        "https://app.example/cell/\tx",
        " https://app.example/cell/",
        "https://app.example/cell/ x",
        "https://app.example/cell/%zz",
        "https://app.example/cell/あ",
        "https://app.example/cell/#x",
        "https://app.example/cell/#",
        "https:/app.example/cell/",
        "https:app.example/cell/",
        "https:///app.example/cell/",
        "javascript:alert(1)",
        "data:text/html,x",
        f"{BACK}?code=x",
        f"{BACK}?a=b&access_token=x",
        f"{BACK}?%73tate=x",
        f"{BACK}?x={'y' * 512}",
    ],
)
def test_what_does_not_lie_there_for_every_reader_is_refused(redirect_uri: str) -> None:
    assert refused(redirect_uri=redirect_uri) is REDIRECT_URI_INVALID


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "app",
        "ftp://app.example/cell/",
        "personium-localunit:app:/",
        "https://user@app.example/cell/",
        "https://app.example/cell/?x",
        "https://app.example/cell/#c",
        "https://app.example/cell/../",
        "https://app.example/\r\n",
        "https:///",
    ],
)
def test_an_app_has_the_url_of_a_folder(client_id: str) -> None:
    assert refused(client_id=client_id) is CLIENT_ID_INVALID


def test_the_app_is_told_in_normal_form() -> None:
    assert destination("HTTPS://App.Example:443/cell").client_id == APP


@given(
    redirect_uri=st.text(max_size=60) | st.from_regex(r"https://[ -~]{0,20}app\.example[ -~]{0,30}", fullmatch=True)
)
def test_no_text_leads_to_another_origin_or_folder(redirect_uri: str) -> None:
    try:
        found = destination(redirect_uri=redirect_uri)
    except Refusal:
        return
    parts = urlsplit(found.redirect_uri)
    assert (parts.scheme.lower(), parts.hostname, parts.username) == ("https", "app.example", None)
    assert f"{parts.path}/".startswith("/cell/")


@given(state=TEXTS, code=TEXTS, response_type=st.sampled_from(["code", "token", "id_token", "", "other"]))
def test_members_come_back_as_they_were_wherever_they_are(state: str, code: str, response_type: str) -> None:
    short = len(state.encode()) <= 512
    found = destination(redirect_uri=f"{BACK}?a=b", state=state, response_type=response_type)
    url = urlsplit(found.url({"code": code}))
    said = [("code", code), *([("state", state)] if state and short else [])]
    if response_type == "code":
        assert url.fragment == ""
        assert parse_qsl(url.query, keep_blank_values=True) == [("a", "b"), *said]
    else:
        assert url.query == "a=b"
        assert parse_qsl(url.fragment, keep_blank_values=True) == said


@given(value=TEXTS)
def test_what_is_encoded_is_plain_ascii_without_separators(value: str) -> None:
    text = encoded({"x": value}).removeprefix("x=")
    assert text.isascii() and text.isprintable()
    assert not set(text) & set("&=#?+ /\"'<>")


@given(host=st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,2}", fullmatch=True), port=st.integers(1, 65535))
def test_an_origin_is_a_source_that_a_policy_can_name(host: str, port: int) -> None:
    url = WebUrl.parse(f"https://{host}:{port}/x;y,z'")
    assert url is not None
    assert not set(url.origin) & set("; ,'\"")


class TestRequests:
    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            ({}, RESPONSE_TYPE_MISSING),
            ({"response_type": ""}, RESPONSE_TYPE_MISSING),
            ({"response_type": "code", "expires_in": "61"}, EXPIRES_IN_INVALID),
            ({"response_type": "code", "expires_in": "-1"}, EXPIRES_IN_INVALID),
            ({"response_type": "code", "expires_in": "\u0661"}, EXPIRES_IN_INVALID),
            ({"response_type": "code", "state": "s" * 513}, AUTHORIZATION_PARAMETER),
            ({"response_type": "code", "prompt": "perhaps"}, AUTHORIZATION_PARAMETER),
            (
                {"response_type": "code", "code_challenge": "x" * 43, "code_challenge_method": "plain"},
                AUTHORIZATION_PARAMETER,
            ),
        ],
    )
    def test_what_is_not_understood_is_refused(self, fields: dict[str, str], kind: Kind) -> None:
        with pytest.raises(Refusal) as caught:
            AuthorizationRequest.parse(fields, destination(), 60)
        assert caught.value.kind is kind

    def test_what_is_not_said_is_not_asked_for(self) -> None:
        fields = {"response_type": "code", "code_challenge": "", "code_challenge_method": "", "nonce": ""}
        request = AuthorizationRequest.parse(fields, destination(), 60)
        assert (request.life_s, request.scope, request.nonce, request.challenge) == (60, (), None, None)
        assert request.takes_session and not request.silent

    @pytest.mark.parametrize(
        ("prompt", "takes_session", "silent"),
        [("", True, False), ("none", True, True), ("login", False, False), ("consent login", False, False)],
    )
    def test_the_prompt_bounds_what_is_shown(self, prompt: str, takes_session: bool, silent: bool) -> None:
        request = AuthorizationRequest.parse({"response_type": "code", "prompt": prompt}, destination(), 60)
        assert (request.takes_session, request.silent) == (takes_session, silent)


def test_every_screen_has_a_code_and_a_sentence() -> None:
    assert sorted(SCREENS) == [f"PS-AU-000{number}" for number in range(2, 10)]
    assert all(screen.text.endswith(".") and screen.error for screen in SCREENS.values())
