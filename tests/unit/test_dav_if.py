"""The If header of WebDAV: its grammar, and what its conditions hold of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import BAD_HEADER, Refusal
from alveary.wire.dav_if import Condition, If, StateList

TOKEN = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"
OTHER = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092"

visible = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="<>\x85\xa0")
uris = st.builds(lambda scheme, rest: f"{scheme}:{rest}", st.sampled_from(["urn", "DAV", "h+x.1-"]), st.text(visible))
uris = uris.filter(lambda uri: not uri.endswith(":"))
tags = st.builds(
    lambda mark, text: f'{mark}"{text}"',
    st.sampled_from(["", "W/"]),
    st.text(visible).map(lambda t: t.replace('"', "")),
)
conditions = st.one_of(
    st.builds(Condition, uris, st.just(True), st.booleans()),
    st.builds(Condition, tags, st.just(False), st.booleans()),
)
lists = st.lists(conditions, min_size=1, max_size=4).map(tuple)
paths = st.text(visible).map(lambda rest: f"/{rest}")
headers = st.one_of(
    st.lists(st.builds(StateList, lists), min_size=1, max_size=4),
    st.lists(st.builds(StateList, lists, st.one_of(uris, paths)), min_size=1, max_size=4),
).map(lambda found: If(tuple(found)))


def parse(raw: str, max_conditions: int = 256) -> If:
    return If.parse(raw, max_conditions=max_conditions)


@given(headers)
def test_a_header_reads_back_as_it_was_written(header: If) -> None:
    assert parse(str(header)) == header


@given(st.one_of(st.text(), st.text('<>()[]"/:aNot W ')))
def test_any_text_is_a_header_or_refused(text: str) -> None:
    try:
        header = parse(text)
    except Refusal as refusal:
        assert refusal.kind is BAD_HEADER
    else:
        assert parse(str(header)) == header


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"(<{TOKEN}>)", [StateList((Condition(TOKEN, True),))]),
        (f'(<{TOKEN}>["1-2"])', [StateList((Condition(TOKEN, True), Condition('"1-2"', False)))]),
        (f"(Not <{TOKEN}> <{OTHER}>)", [StateList((Condition(TOKEN, True, True), Condition(OTHER, True)))]),
        (f"(not<{TOKEN}>)", [StateList((Condition(TOKEN, True, True),))]),
        (
            f'  (<{TOKEN}>\t[W/"A weak tag"]) (["strong"])  ',
            [
                StateList((Condition(TOKEN, True), Condition('W/"A weak tag"', False))),
                StateList((Condition('"strong"', False),)),
            ],
        ),
        (
            f"</a/b>(<{TOKEN}>)(<{OTHER}>) <http://h/c> (<{OTHER}>)",
            [
                StateList((Condition(TOKEN, True),), "/a/b"),
                StateList((Condition(OTHER, True),), "/a/b"),
                StateList((Condition(OTHER, True),), "http://h/c"),
            ],
        ),
    ],
)
def test_the_examples_of_the_rfc_are_understood(raw: str, expected: list[StateList]) -> None:
    assert parse(raw).lists == tuple(expected)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "()",
        f"<{TOKEN}>",
        f"(<{TOKEN}>",
        f"<{TOKEN}>)",
        "(<no-scheme>)",
        "(<urn:a b>)",
        "([no-quotes])",
        '(["open)',
        f"(Not Not <{TOKEN}>)",
        "(Not)",
        f"(<{TOKEN}>) </a> (<{TOKEN}>)",
        f"</a> </b> (<{TOKEN}>)",
        f"<relative/url> (<{TOKEN}>)",
        f"(<{TOKEN}>),(<{TOKEN}>)",
        f"(<{TOKEN}>) garbage",
    ],
)
def test_what_is_no_header_is_refused(raw: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(raw)
    assert refused.value.kind is BAD_HEADER


def test_as_many_conditions_as_allowed_are_read_and_one_more_is_refused() -> None:
    raw = f"(<{TOKEN}> <{OTHER}>) (<{TOKEN}>)"
    assert len(parse(raw, 3).lists) == 2
    with pytest.raises(Refusal):
        parse(raw, 2)


def test_a_condition_holds_of_the_tokens_and_the_tag_that_are_there() -> None:
    assert Condition(TOKEN, True).holds({TOKEN}, None)
    assert not Condition(TOKEN, True).holds({OTHER}, None)
    assert Condition('"1-2"', False).holds(set(), '"1-2"')
    assert Condition('W/"1-2"', False).holds(set(), '"1-2"')
    assert not Condition('"1-2"', False).holds(set(), '"1-3"')
    assert not Condition('"1-2"', False).holds(set(), None)


@given(conditions, st.sets(uris), st.one_of(st.none(), tags))
def test_a_negated_condition_holds_where_the_plain_one_does_not(
    condition: Condition, tokens: set[str], tag: str | None
) -> None:
    opposite = Condition(condition.state, condition.is_token, not condition.negated)
    assert condition.holds(tokens, tag) is not opposite.holds(tokens, tag)
