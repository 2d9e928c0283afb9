"""Which queues and topics properties name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.model.streams import StreamKind, StreamNames
from alveary.wire import xml
from alveary.wire.stream_xml import QUEUES, TOPICS, parse_names

TEXTS = st.frozensets(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")))


def written(group: str, names: frozenset[str]) -> str:
    inner = "".join(f"<p:{group}>{xml.escape(name)}</p:{group}>" for name in sorted(names))
    return f'<p:{group}s xmlns:p="urn:x-personium:xmlns">{inner}</p:{group}s>'


@given(TEXTS, TEXTS)
def test_names_come_out_as_they_were_written(queues: frozenset[str], topics: frozenset[str]) -> None:
    properties = {QUEUES: written("queue", queues), TOPICS: written("topic", topics)}
    assert parse_names(properties, max_depth=8) == StreamNames(queues, topics)


def test_a_name_is_of_a_queue_or_of_a_topic() -> None:
    names = StreamNames(frozenset({"a"}), frozenset({"b"}))
    assert [names.have(kind, name) for kind in StreamKind for name in "ab"] == [True, False, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "no XML",
        "<!DOCTYPE x><x/>",
        '<q:queues xmlns:q="another"><q:queue>q</q:queue></q:queues>',
        "<queues><queue>q</queue></queues>",
        f'<p:queues xmlns:p="urn:x-personium:xmlns">{"<x>" * 9}{"</x>" * 9}</p:queues>',
        "\ud800",
    ],
)
def test_what_is_not_that_xml_names_nothing(text: str) -> None:
    assert parse_names({QUEUES: text}, max_depth=8) == StreamNames()


def test_without_properties_there_are_no_names() -> None:
    assert parse_names({}, max_depth=8) == StreamNames()
