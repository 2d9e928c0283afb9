"""Which files could act in a browser, which of them may, and under what name one is saved."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.http.user_content import attachment
from alveary.model.active_content import TRUSTED_CONTENT, is_active, may_act, trust_of


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/xml",
        "application/xml",
        "application/atom+xml",
        "text/plain, text/html",
        "multipart/x-mixed-replace; boundary=b",
        "message/rfc822",
    ],
)
def test_what_browsers_run_scripts_of_is_active(media_type: str) -> None:
    assert is_active(media_type)


@pytest.mark.parametrize("media_type", ["text/plain", "image/png", "application/json", "text/css", "text/javascript"])
def test_what_they_only_show_or_save_is_not(media_type: str) -> None:
    assert not is_active(media_type)


@pytest.mark.parametrize(
    ("text", "trusted"), [("true", True), (" TRUE ", True), ("false", False), ("yes", None), ("", None)]
)
def test_a_box_says_true_or_false_or_nothing(text: str, trusted: bool | None) -> None:
    element = f'<p:trustedcontent xmlns:p="urn:x-personium:xmlns">{text}</p:trustedcontent>'
    assert trust_of({TRUSTED_CONTENT: element}) is trusted


def test_a_box_without_the_property_says_nothing() -> None:
    assert trust_of({}) is None


@pytest.mark.parametrize(
    ("default", "trusted", "ambient", "acts"),
    [
        ("run", None, False, True),
        ("run", None, True, False),
        ("run", False, False, False),
        ("run", True, True, True),
        ("sandbox", None, False, False),
        ("sandbox", None, True, False),
        ("sandbox", True, False, True),
        ("sandbox", True, True, True),
    ],
)
def test_the_box_decides_before_the_unit_and_credentials_of_browsers_count_as_distrust(
    default: str, trusted: bool | None, ambient: bool, acts: bool
) -> None:
    assert may_act(default, trusted, ambient=ambient) is acts


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_one_header_value_that_says_it_back(name: str) -> None:
    value = attachment(name)
    assert value.isascii() and value.isprintable()
    assert unquote(value.partition("filename*=UTF-8''")[2]) == name
    assert value.partition("; filename*=")[0].count('"') == 2
