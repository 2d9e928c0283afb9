"""The service property and its URI templates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import Refusal
from alveary.wire.service_routes import PATH_CHARS, TEMPLATE_CHARS, BadRoute, Route, ServiceConfig

SERVICE = '<p:service xmlns:p="urn:x-personium:xmlns" language="JavaScript" subject="me">{}</p:service>'
PARTS = st.sampled_from(
    ["a", "b", "/", "{x}", "{x: a*}", "{x: [ab]+}", "{x:.*}", "{x: a?b}", "{x: \\d+}", "{x:.}", "1"]
)


def config(*routes: tuple[str, str]) -> ServiceConfig:
    return ServiceConfig.parse(
        SERVICE.format("".join(f'<p:path name="{name}" src="{src}"/>' for name, src in routes))
    )


class TestProperty:
    def test_language_subject_and_routes_are_read(self) -> None:
        found = config(("hello", "h.js"), ("items/{id}", "i.js"))
        assert (found.language, found.subject) == ("JavaScript", "me")
        assert found.routes == (Route("hello", "h.js"), Route("items/{id}", "i.js"))

    def test_paths_that_lead_nowhere_are_left_out(self) -> None:
        assert config(("", "h.js"), ("x", "")).routes == ()

    @pytest.mark.parametrize("text", ["", "<a", '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "<a>" * 20 + "</a>" * 20])
    def test_broken_deep_or_declared_xml_is_refused(self, text: str) -> None:
        with pytest.raises(Refusal):
            ServiceConfig.parse(text)


class TestTemplates:
    @pytest.mark.parametrize(
        ("name", "path", "fits"),
        [
            ("hello", "hello", True), ("/hello", "hello", True), ("hello", "hello/", False),
            ("hello", "Hello", False),
            ("items/{id}", "items/5", True), ("items/{id}", "items/", False), ("items/{id}", "items/5/6", False),
            ("{a}/x/{b: .+}", "q/x/1/2", True), ("{rest: .*}", "", True), ("{n: [0-9]+}.json", "12.json", True),
            ("{n: [0-9]+}.json", "x.json", False), ("{ id }", "日本", True), ("a.c", "abc", False),
            ("{x: \\d\\d}", "12", True), ("{x: \\d\\d}", "123", False),
        ],
    )  # fmt: skip
    def test_a_template_fits_the_whole_path_or_not(self, name: str, path: str, fits: bool) -> None:
        assert Route(name, "s.js").matches(path) is fits

    @given(st.lists(PARTS, max_size=6), st.text("ab1/", max_size=8))
    def test_matching_agrees_with_a_regular_expression(self, parts: list[str], path: str) -> None:
        name = "x" + "".join(parts)
        pattern = re.sub(r"\{x(?:: ?(.*?))?\}", lambda found: f"(?:{found[1] or '[^/]+'})", name)
        assert Route(name, "s.js").matches("x" + path) is bool(re.fullmatch(pattern, "x" + path))

    @pytest.mark.parametrize(
        "name",
        [
            "{",
            "a}",
            "{}",
            "{a b}",
            "{x: (a|b)}",
            "{x: a{2}}",
            "{x: ^a$}",
            "{x: [z-a]}",
            "{x: [a--b]}",
            "{x: *}",
        ],
    )
    def test_what_is_no_template_is_bad(self, name: str) -> None:
        with pytest.raises(BadRoute):
            Route(name, "s.js").matches("a")

    def test_the_first_route_in_the_document_wins(self) -> None:
        found = config(("a/{x}", "first.js"), ("a/b", "second.js"), ("{x: .*}", "third.js"))
        assert [found.source_for(path) for path in ("a/b", "c/d")] == ["first.js", "third.js"]
        assert config(("a", "a.js")).source_for("b") is None

    def test_long_paths_lead_nowhere_and_long_templates_are_bad(self) -> None:
        assert config(("{x: .*}", "x.js")).source_for("a" * PATH_CHARS) == "x.js"
        assert config(("{x: .*}", "x.js")).source_for("a" * (PATH_CHARS + 1)) is None
        with pytest.raises(BadRoute):
            config(("{x}" + "a" * TEMPLATE_CHARS, "x.js")).source_for("a")

    def test_a_template_made_to_backtrack_costs_next_to_nothing(self) -> None:
        assert not Route("{x: " + ".*" * 500 + "}b", "s.js").matches("a" * PATH_CHARS)
