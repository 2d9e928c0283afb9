"""Entity keys as URLs spell them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import ENTITY_KEY_UNREADABLE, KEY_IS_NULL, LINK_KEY_UNREADABLE, Refusal
from alveary.model.control_edm import ACCOUNT, ROLE, RULE
from alveary.model.edm import EntityKey, EntitySet, Property
from alveary.model.entities import EntityKind
from alveary.wire.odata_keys import encode_key, parse_key, render_key, split_segment

ALICE = EntityKey(("alice",))
UNBOUND = EntityKey(("r", None))
BOUND = EntityKey(("r", "b"))
DATA = EntitySet("T", "UserData", EntityKind.USER_DATA, ("__id",), (Property("__id", generated=True),), type_id="t")


@pytest.mark.parametrize("raw", ["'alice'", "Name='alice'", " 'alice' ", "Name = 'alice'"])
def test_a_single_key_with_and_without_its_name(raw: str) -> None:
    assert parse_key(ACCOUNT, raw) == ALICE


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("'r'", UNBOUND),
        ("Name='r'", UNBOUND),
        ("Name='r',_Box.Name=null", UNBOUND),
        ("Name='r',_Box.Name='b'", BOUND),
        ("_Box.Name='b', Name='r'", BOUND),
    ],
)
def test_a_compound_key_in_all_its_forms(raw: str, key: EntityKey) -> None:
    assert parse_key(ROLE, raw) == key


@pytest.mark.parametrize(
    "raw",
    ["", "alice", "'alice", "'a'b'", "1", "Nam='a'", "Name=a", "Name='a',", "Name='a',Name='a'", ",", "'a','b'"],
)
def test_what_is_no_key_is_refused(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_key(ACCOUNT, raw)
    assert caught.value.kind is ENTITY_KEY_UNREADABLE


def test_a_key_without_its_own_name_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        parse_key(ROLE, "_Box.Name='b'", LINK_KEY_UNREADABLE)
    assert caught.value.kind is LINK_KEY_UNREADABLE


@pytest.mark.parametrize("raw", ["null", "Name=null"])
def test_a_null_key_is_refused_as_such(raw: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_key(ACCOUNT, raw)
    assert caught.value.kind is KEY_IS_NULL


def test_a_key_is_null_even_where_a_new_entity_may_leave_it_out() -> None:
    with pytest.raises(Refusal) as caught:
        parse_key(RULE, "null")
    assert caught.value.kind is KEY_IS_NULL


@pytest.mark.parametrize("raw", ["'a:1'", "__id='a:1'"])
def test_the_key_of_user_data(raw: str) -> None:
    assert parse_key(DATA, raw) == EntityKey(("a:1",))


@pytest.mark.parametrize("raw", ["1", "1L", "a", "", "null", "__id=null", "Name='a'", "__id='a',__id='a'"])
def test_no_other_key_of_user_data_is_read(raw: str) -> None:
    for kind in (ENTITY_KEY_UNREADABLE, LINK_KEY_UNREADABLE):
        with pytest.raises(Refusal) as caught:
            parse_key(DATA, raw, kind)
        assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("key", "text"), [(UNBOUND, "(Name='r',_Box.Name=null)"), (BOUND, "(Name='r',_Box.Name='b')")]
)
def test_a_compound_key_is_written_in_full(key: EntityKey, text: str) -> None:
    assert render_key(ROLE, key) == text


def test_a_key_in_a_url_is_percent_encoded() -> None:
    assert encode_key(ACCOUNT, EntityKey(("f*@example.com",))) == "('f*%40example.com')"


@pytest.mark.parametrize(
    ("segment", "parts"),
    [("Account", ("Account", None)), ("Account('a(b)')", ("Account", "'a(b)'")), ("_Role()", ("_Role", ""))],
)
def test_a_segment_is_split_before_its_key(segment: str, parts: tuple[str, str | None]) -> None:
    assert split_segment(segment) == parts


@pytest.mark.parametrize("segment", ["Account('a'", "Account)", "Account('a')x", "a)b(c"])
def test_unbalanced_parentheses_are_refused(segment: str) -> None:
    with pytest.raises(Refusal) as caught:
        split_segment(segment)
    assert caught.value.kind is ENTITY_KEY_UNREADABLE


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, st.none() | texts)
def test_keys_survive_the_way_through_a_url(name: str, box: str | None) -> None:
    for entity_set, key in ((ACCOUNT, EntityKey((name,))), (ROLE, EntityKey((name, box)))):
        for text in (render_key(entity_set, key), unquote(encode_key(entity_set, key))):
            split_name, raw = split_segment(entity_set.name + text)
            assert split_name == entity_set.name
            assert raw is not None
            assert parse_key(entity_set, raw) == key


@given(texts)
def test_any_text_is_a_key_or_refused(raw: str) -> None:
    try:
        parse_key(ROLE, raw)
    except Refusal as refusal:
        assert refusal.kind in {ENTITY_KEY_UNREADABLE, KEY_IS_NULL}
