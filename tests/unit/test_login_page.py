"""The login page: whatever it is given, it stays a page with one form."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from alveary.wire.authorization import MUST_CHANGE, WRONG_PASSWORD
from alveary.wire.login_page import LoginForm, error_page, login_page

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


class Outline(HTMLParser):
    """The tags of a page, and the values of its hidden inputs."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.hidden: list[tuple[str | None, str | None]] = []
        self.labels: set[str | None] = set()
        self.inputs: set[str | None] = set()
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "label":
            self.labels.add(given["for"])
        elif tag == "input" and given["type"] == "hidden":
            self.hidden.append((given["name"], given["value"]))
        elif tag == "input":
            self.inputs.add(given["id"])


def form(**members: object) -> LoginForm:
    plain = {
        "action": "/cell/__authz",
        "cell": "https://unit.example/cell/",
        "app": "https://app.example/",
        "hidden": {"state": "s"},
        "target_origin": "https://app.example",
    }
    return LoginForm(**{**plain, **members})  # type: ignore[arg-type]


PLAIN = Outline(login_page(form()).html)


@given(text=TEXTS)
def test_no_text_becomes_a_tag_and_each_comes_back_whole(text: str) -> None:
    outline = Outline(login_page(form(action=text, cell=text, app=text, hidden={text: text})).html)
    assert outline.tags == PLAIN.tags
    assert outline.hidden == [(text, text)]


def test_every_input_that_is_seen_has_a_label() -> None:
    for page in (login_page(form()), login_page(form(changing=True, screen=MUST_CHANGE))):
        outline = Outline(page.html)
        assert outline.inputs and outline.inputs == outline.labels
        assert b'<html lang="en">' in page.html and b'<meta charset="utf-8">' in page.html


def test_what_it_tells_is_read_out_and_belongs_to_the_inputs() -> None:
    html = login_page(form(screen=WRONG_PASSWORD)).html.decode()
    assert f'<p role="alert" id="alert">{WRONG_PASSWORD.text}</p>' in html
    assert html.count('aria-describedby="alert"') == 2
    assert "alert" not in login_page(form()).html.decode().split("</style>")[1]


def test_the_policy_admits_the_one_style_and_the_one_target() -> None:
    page = login_page(form())
    style = re.search(r"<style>(.*?)</style>", page.html.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.policy
    assert "form-action 'self' https://app.example;" in page.policy
    assert "form-action 'none'" in error_page("x").policy


@given(text=TEXTS)
def test_the_error_page_shows_any_text_as_text(text: str) -> None:
    assert Outline(error_page(text).html).tags == Outline(error_page("x").html).tags
