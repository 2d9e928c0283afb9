"""Which cell a URL is of, what its segments are, and how URLs are spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import BAD_AUTHORITY, MALFORMED_REQUEST, NO_SUCH_URI, PATH_STYLE_DISABLED, Kind, Refusal
from alveary.wire.urls import Target, Urls, decode_path, encode_segment

PATH = Urls.parse("http://unit.example:8080/", path_style=True, aliases=["Other.example"])
HOST = Urls.parse("https://unit.example:443", path_style=False, aliases=["other.example"])
BASED = Urls.parse("https://unit.example/personium", path_style=True)
STYLES = (PATH, HOST, BASED)

CELLS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name not in {"healthz", "readyz", "metrics"}
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda name: name not in {".", ".."}
)


def refused(urls: Urls, authority: str | None, path: bytes) -> Kind:
    with pytest.raises(Refusal) as caught:
        urls.target(authority, path)
    return caught.value.kind


def path_of(url: str, base: str) -> bytes:
    return url.removeprefix(base.rstrip("/")).encode()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"/", Target(None, (), True)),
        (b"/__ctl/Cell('a')", Target(None, ("__ctl", "Cell('a')"), False)),
        (b"/healthz", Target(None, ("healthz",), False)),
        (b"/crossdomain.xml", Target(None, ("crossdomain.xml",), False)),
        (b"/cell", Target("cell", (), False)),
        (b"/cell/", Target("cell", (), True)),
        (b"/cell/box/a%20b/", Target("cell", ("box", "a b"), True)),
        (b"//cell///box//a", Target("cell", ("box", "a"), False)),
        (b"/cell/__ctl/Box", Target("cell", ("__ctl", "Box"), False)),
    ],
)
def test_path_style_takes_the_cell_from_the_first_segment(path: bytes, target: Target) -> None:
    for authority in ("unit.example:8080", "UNIT.example:8080", "other.example", "other.example:80", None):
        assert PATH.target(authority, path) == target


def test_host_style_takes_the_cell_from_the_first_label() -> None:
    for authority in ("cell.unit.example", "Cell.Unit.Example:443", "cell.other.example"):
        assert HOST.target(authority, b"/box/a") == Target("cell", ("box", "a"), False)
    assert HOST.target("unit.example", b"/__ctl/Cell") == Target(None, ("__ctl", "Cell"), False)


def test_the_other_style_and_foreign_authorities_are_refused() -> None:
    assert refused(HOST, "unit.example", b"/cell/box") is PATH_STYLE_DISABLED
    assert refused(PATH, "cell.unit.example:8080", b"/box") is BAD_AUTHORITY
    for authority in ("", "evil.example", "unit.example", "unit.example:8080.evil", "unit.example:8080, a"):
        assert refused(PATH, authority, b"/cell/") is BAD_AUTHORITY
    for authority in ("evil.example", "a.b.unit.example", ".unit.example", "a_b.unit.example", "unit.example:1"):
        assert refused(HOST, authority, b"/") is BAD_AUTHORITY


def test_a_base_path_comes_before_everything() -> None:
    assert BASED.target("unit.example", b"/personium/cell/box") == Target("cell", ("box",), False)
    assert BASED.target("unit.example", b"/personium") == Target(None, (), False)
    assert refused(BASED, "unit.example", b"/personiumcell/box") is NO_SUCH_URI
    assert BASED.cell_url("cell") == "https://unit.example/personium/cell/"


@pytest.mark.parametrize(
    "segment",
    [b"..", b".", b"%2e%2e", b"%2E.", b"a%00b", b"%c0%af", b"%ed%a0%80", b"%ff", b"%zz", b"%4", b"a%"],
)
def test_segments_that_name_nothing_are_refused(segment: bytes) -> None:
    assert refused(PATH, None, b"/cell/box/" + segment) is MALFORMED_REQUEST
    assert refused(PATH, None, b"/cell/" + segment + b"/secret") is MALFORMED_REQUEST


def test_a_segment_is_decoded_exactly_once_and_never_split() -> None:
    assert decode_path(b"/a%2Fb/%252e%252e/..%2f..") == ("a/b", "%2e%2e", "../..")


@given(st.lists(NAMES))
def test_segments_read_back_as_they_were_written(names: list[str]) -> None:
    path = "/".join(map(encode_segment, names))
    assert path.isascii()
    assert decode_path(path.encode()) == tuple(names)


@given(st.binary())
def test_no_path_breaks_the_parser(raw: bytes) -> None:
    try:
        segments = PATH.target(None, b"/" + raw).segments
    except Refusal as refusal:
        assert refusal.kind is MALFORMED_REQUEST
    else:
        assert not {"", ".", ".."} & set(segments)


@given(st.sampled_from(STYLES), CELLS, NAMES.filter(lambda name: not name.startswith("__")), st.lists(NAMES))
def test_a_resource_is_found_by_the_url_it_was_given(urls: Urls, cell: str, box: str, names: list[str]) -> None:
    url = urls.resource_url(cell, box, names)
    local = urls.to_local(url)
    assert local.startswith(f"personium-localunit:{cell}:/")
    assert urls.to_http(local) == url
    assert urls.to_local(local) == local
    authority, _, path = url.partition("://")[2].partition("/")
    assert urls.target(authority, f"/{path}".encode()) == Target(cell, (box, *names), False)


@given(st.sampled_from(STYLES), CELLS)
def test_both_local_forms_mean_the_same(urls: Urls, cell: str) -> None:
    for rest in ("", "/", "/box/a?b#c"):
        stored = f"personium-localunit:{cell}:{rest or '/'}"
        assert urls.to_local(f"personium-localunit:/{cell}{rest}") == stored
        assert urls.to_local(f"personium-localunit:{cell}:{rest}") == stored
        assert urls.to_local(urls.cell_url(cell) + rest[1:]) == stored
        assert urls.to_http(stored) == urls.cell_url(cell) + rest[1:]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cell",
        "http://evil.example/cell/",
        "https://unit.example:8080/cell/",
        "http://unit.example:8080",
        "http://unit.example:8080/",
        "http://unit.example:8080/__ctl/Cell",
        "http://unit.example:8080/healthz",
        "http://unit.example:8080/Cell/",
        "http://unit.example:8080@evil.example/cell/",
        "http://cell.unit.example:8080/",
        "personium-localunit:",
        "personium-localunit:/",
        "personium-localcell:/box/a",
        "urn:x",
    ],
)
def test_urls_that_are_of_no_cell_here_stay_as_they_are(url: str) -> None:
    assert PATH.to_local(url) == url
    assert PATH.to_http(url) == url


def test_user_information_does_not_make_a_url_the_units_own() -> None:
    assert HOST.locate("https://cell.unit.example@evil.example/") is None


def test_relative_local_forms_need_to_be_told_of_what() -> None:
    assert PATH.to_http("personium-localcell:/a?b", cell="c") == "http://unit.example:8080/c/a?b"
    assert PATH.to_http("personium-localbox:/a", cell="c", box="b") == "http://unit.example:8080/c/b/a"
    assert PATH.to_http("personium-localbox:/a", cell="c") == "personium-localbox:/a"
    assert HOST.to_http("personium-localcell:/a", cell="c") == "https://c.unit.example/a"


def test_an_alias_is_the_unit_whatever_its_scheme() -> None:
    assert PATH.to_local("https://other.example/cell/a") == "personium-localunit:cell:/a"


def test_urls_of_unit_cells_and_boxes_end_in_a_slash() -> None:
    assert PATH.unit_url == "http://unit.example:8080/"
    assert HOST.unit_url == "https://unit.example/"
    assert HOST.box_url("cell", "box") == "https://cell.unit.example/box/"
    assert PATH.resource_url("cell", "box") == "http://unit.example:8080/cell/box"
    assert PATH.resource_url("cell", "box", ["#hash", "%41.txt"]).endswith("/box/%23hash/%2541.txt")


@pytest.mark.parametrize("url", ["", "unit.example", "ftp://unit.example/", "http:///", "http://a/?b"])
def test_a_unit_needs_a_real_url(url: str) -> None:
    with pytest.raises(ValueError):
        Urls.parse(url, path_style=True)
