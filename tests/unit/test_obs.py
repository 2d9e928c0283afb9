"""No secret reaches a log, in whatever form it comes; everything else does."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.obs import SECRET_NAMES, Relay, mask, open_log

SECRET = "Xq7secretValue9"


def lines(write: Any, form: str = "json", level: str = "debug", **options: Any) -> str:
    """What a log writes when *write* is given it."""
    stream = io.StringIO()
    write(open_log(level=level, form=form, stream=stream, **options))
    return stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_the_value_of_a_secret_name_is_gone_at_any_depth(name: str, form: str) -> None:
    header = name.title().replace("_", "-")
    deep = {"request": {"headers": [{header: SECRET, "Host": "unit.example"}]}}
    text = lines(lambda log: log.info("seen", **{name: SECRET}, deep=deep), form)
    assert SECRET not in text
    assert "unit.example" in text


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"sent bearer {SECRET} along",
        f"Basic {SECRET}==",
        f"grant_type=password&username=a&password={SECRET}&p_target=x",
        f"https://unit.example/c/?access_token={SECRET}#x",
        f'{{"refresh_token": "{SECRET}"}}',
        f'{{\\"password\\": \\"two {SECRET} words\\"}}',
        f"{{'X-Personium-Credential': '{SECRET}'}}",
        f"Cookie: p_cookie={SECRET}",
        f"AR~{SECRET}",
        f"GC~{SECRET}.{SECRET}",
        f"eyJhbGciOiJSUzI1NiJ9.{SECRET}.{SECRET}",
        f"PEFzc2VydGlvbiB4bWxucz0{SECRET}",
    ],
)
def test_what_looks_like_a_secret_is_gone_from_any_text(text: str) -> None:
    assert SECRET not in mask(text)
    assert SECRET not in lines(lambda log: log.info(text, note=(text,), raw=text.encode()))


def test_a_configured_secret_is_gone_wherever_it_stands() -> None:
    assert SECRET not in lines(lambda log: log.info(f"/c/{SECRET}/f", n=[SECRET]), secrets=["", SECRET])


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_neither_secrets_of_its_message_nor_local_variables(form: str) -> None:
    def write(log: Any) -> None:
        local = "".join(["Xq7secret", "Value9"])
        try:
            raise ValueError("password=" + local)
        except ValueError:
            log.exception("it broke")

    text = lines(write, form)
    assert "ValueError" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "text",
    [
        "[PR401-AU-0011] - Basic authentication failed.",
        "The Basic credentials are malformed.",
        '{"code": "PR404-DV-0001"}',
        "GET /cell/box/f.txt 200",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert mask(text) == text


def test_lines_below_the_level_are_not_written() -> None:
    assert lines(lambda log: log.info("quiet"), level="warning") == ""


def test_a_json_line_holds_the_event_its_level_its_time_and_its_fields() -> None:
    line = json.loads(lines(lambda log: log.warning("slow", cell="c", ms=12, big=2**70, odd="\udcff")))
    assert {"event": "slow", "level": "warning", "cell": "c", "ms": 12, "big": 2**70}.items() <= line.items()
    assert line["timestamp"].endswith("Z")


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.binary()))
def test_whatever_is_logged_is_one_line_of_json(event: str, fields: dict[str, Any]) -> None:
    text = lines(lambda log: log.info(event, fields=fields))
    assert text.count("\n") == 1
    assert json.loads(text)["level"] == "info"


def test_what_libraries_log_takes_the_same_way() -> None:
    def write(log: Any) -> None:
        library = logging.Logger("library")
        library.addHandler(Relay(log))
        try:
            raise ValueError(f"Bearer {SECRET}")
        except ValueError:
            library.exception("request with token=%s failed", SECRET)

    line = json.loads(lines(write))
    assert line["logger"] == "library"
    assert line["level"] == "error"
    assert "ValueError" in line["exception"]
    assert SECRET not in str(line)
