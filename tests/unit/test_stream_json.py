"""The JSON of streams."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.wire.stream_json import (
    Asked,
    Reason,
    parse_token,
    render_farewell,
    render_messages,
    render_published,
    render_welcome,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=3))
def test_objects_come_out_as_they_went_in(objects: list[dict[str, object]]) -> None:
    assert json.loads(render_messages([json.dumps(each) for each in objects])) == objects


@given(TEXTS | JSON.filter(lambda value: not isinstance(value, dict)).map(json.dumps))
def test_all_else_comes_out_as_content(body: str) -> None:
    try:
        is_object = isinstance(json.loads(body), dict)
    except ValueError:
        is_object = False
    if not is_object:
        assert json.loads(render_messages([body])) == [{"content": body}]


@given(TEXTS)
def test_a_token_is_read_from_its_frame(token: str) -> None:
    assert parse_token(json.dumps({"AccessToken": token, "more": 1})) == token


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "{}", '{"AccessToken": null}', '{"AccessToken": {"a": 1}}'])
def test_no_other_text_is_such_a_frame(text: str) -> None:
    assert parse_token(text) is None


@given(TEXTS, JSON)
def test_a_published_message_is_framed_with_its_sender(sender: str, body: object) -> None:
    framed = json.loads(render_published(sender, json.dumps({"a": body})))
    assert framed == {"From": sender, "Body": {"a": body}}


def test_answers_say_what_they_answer() -> None:
    assert json.loads(render_welcome(5, 7)) == {
        "Response": "AccessToken",
        "Result": "Success",
        "ExpiresIn": 5,
        "Timestamp": 7,
    }
    assert json.loads(render_farewell(Asked.UNKNOWN, Reason.SESSION_EXPIRED, 7)) == {
        "Response": "Unknown",
        "Result": "Error",
        "Reason": "Session expired",
        "Timestamp": 7,
    }
