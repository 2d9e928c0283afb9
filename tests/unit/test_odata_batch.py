"""The bytes of ``$batch``: what is read, what is refused whole, and what an answer looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import (
    BATCH_METHOD,
    BATCH_NESTED,
    BATCH_PART_HEADER,
    BATCH_PATH,
    BATCH_TOO_MANY,
    BATCH_TOP,
    BATCH_UNREADABLE,
    Kind,
    Refusal,
)
from alveary.wire.odata_batch import (
    ON_ENTITIES,
    Batch,
    BatchAnswer,
    BatchRequest,
    Changeset,
    ChangesetAnswer,
    multipart_type,
    parse_batch,
    render_batch,
)

SERVICE = "https://unit.example/cell/box/col/"
TYPE = "multipart/mixed; boundary=b"


def parse(
    body: bytes | str, content_type: str | None = TYPE, *, service: str = SERVICE, most: int = 1000, top: int = 10_000
) -> Batch:
    raw = body.encode() if isinstance(body, str) else body
    return parse_batch(raw, content_type, service_url=service, most=most, top_max=top)


def refused(body: bytes | str, content_type: str | None = TYPE, *, most: int = 1000, top: int = 10_000) -> Kind:
    with pytest.raises(Refusal) as caught:
        parse(body, content_type, most=most, top=top)
    assert caught.value.text
    return caught.value.kind


def one(line: str, rest: str = "\n") -> str:
    """A batch of one request with that request line."""
    return f"--b\nContent-Type: application/http\n\n{line}\n{rest}\n--b--"


def read(line: str, rest: str = "\n") -> BatchRequest:
    request = parse(one(line, rest)).items[0]
    assert isinstance(request, BatchRequest)
    return request


def write(batch: Batch, newline: str) -> bytes:
    """*batch* as a client writes it."""
    pieces: list[bytes] = []

    def lines(*each: str) -> None:
        pieces.append("".join(line + newline for line in each).encode("utf-8"))

    def request(boundary: str, item: BatchRequest) -> None:
        given_id = [f"Content-ID: {item.content_id}"] if item.content_id is not None else []
        lines(f"--{boundary}", "Content-Type: application/http", *given_id, "")
        lines(f"{item.method} {item.path}{'?' if item.query else ''}{item.query} HTTP/1.1")
        lines(*(f"{name}: {value}" for name, value in item.headers.items()), "")
        pieces.append(item.body)
        lines("")

    for item in batch.items:
        if isinstance(item, BatchRequest):
            request(batch.boundary, item)
            continue
        lines(f"--{batch.boundary}", f"content-type: {multipart_type(item.boundary)}", "")
        for each in item.requests:
            request(item.boundary, each)
        lines(f"--{item.boundary}--", "")
    lines(f"--{batch.boundary}--")
    return b"".join(pieces)


# What is read


def test_requests_and_changesets_are_read_in_their_order() -> None:
    body = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "GET Set?$top=1&$filter=a eq 'x' HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n"
        "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        "--c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n"
        'POST Set HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"a": 1}\r\n'
        "--c\r\nContent-Type: application/http\r\n\r\nDELETE Set('1') HTTP/1.1\r\nIf-Match: *\r\n\r\n\r\n"
        "--c--\r\n"
        "--b--\r\n"
    )
    assert parse(body) == Batch(
        "b",
        (
            BatchRequest("GET", "Set", "$top=1&$filter=a eq 'x'", {"accept": "application/json"}),
            Changeset(
                "c",
                (
                    BatchRequest("POST", "Set", "", {"content-type": "application/json"}, b'{"a": 1}', "1"),
                    BatchRequest("DELETE", "Set('1')", "", {"if-match": "*"}),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/mixed;boundary=b",
        'Multipart/Mixed; charset=utf-8; Boundary="b"',
        "multipart/mixed; boundary=b; charset=utf-8",
        "multipart/mixed ; boundary = b ",
    ],
)
def test_a_boundary_is_found_in_any_spelling_of_the_type(content_type: str) -> None:
    assert parse(one("GET Set HTTP/1.1"), content_type).boundary == "b"


@pytest.mark.parametrize("boundary", ["batch(36522ad7-fc75)", "a b", "-", "'()+_,-./:=?", "x" * 70])
def test_a_boundary_may_hold_what_mime_allows(boundary: str) -> None:
    body = f"--{boundary}\nContent-Type: application/http\n\nGET Set\n\n--{boundary}--"
    assert parse(body, f'multipart/mixed; boundary="{boundary}"').boundary == boundary


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        ("GET Set HTTP/1.1", "Set", ""),
        ("GET Set", "Set", ""),
        ("GET /Set HTTP/1.1", "Set", ""),
        ("GET  Set  HTTP/1.0", "Set", ""),
        ("GET Set?$skip=1?&a=%20", "Set", "$skip=1?&a=%20"),
        ("GET Set?$filter=a eq 1 and b eq 2", "Set", "$filter=a eq 1 and b eq 2"),
        ("GET Set('%E6%97%A5')", "Set('%E6%97%A5')", ""),
        ("GET Set('日本''s')", "Set('日本''s')", ""),
        ("GET Set('a')/_T", "Set('a')/_T", ""),
        ("DELETE Set('a')/$links/_T('b')", "Set('a')/$links/_T('b')", ""),
        (f"GET {SERVICE}Set('a')", "Set('a')", ""),
        ("GET HTTPS://Unit.Example/cell/box/col/Set('a')", "Set('a')", ""),
        ("GET /cell/box/col/Set('a')", "Set('a')", ""),
        ("PATCH Set%28%27a%27%29", "Set%28%27a%27%29", ""),
        ("DELETE Set%28'a'%29/%24links/_T%28%27b%27%29", "Set%28'a'%29/%24links/_T%28%27b%27%29", ""),
    ],
)
def test_a_path_is_read_as_it_is_below_the_service_root(line: str, path: str, query: str) -> None:
    request = read(line)
    assert (request.path, request.query) == (path, query)


def test_a_request_may_end_after_its_line() -> None:
    assert read("DELETE Set('a') HTTP/1.1", "") == BatchRequest("DELETE", "Set('a')")


def test_the_same_header_twice_is_joined() -> None:
    assert read("GET Set", "Accept: a\nACCEPT: b\n\n").headers == {"accept": "a, b"}


def test_a_content_id_may_stand_among_the_headers_of_the_request() -> None:
    assert read("POST Set", "Content-Id: 7\n\n").content_id == "7"


def test_a_post_may_stand_for_a_merge() -> None:
    request = read("POST Set('a')", "X-HTTP-Method: MERGE\n\n{}")
    assert (request.method, request.verb, request.body) == ("POST", "MERGE", b"{}")


def test_what_stands_before_the_first_and_after_the_last_boundary_is_nothing() -> None:
    assert parse(f"preamble\n{one('GET Set')}\nepilogue\n--b\n") == parse(one("GET Set"))


def test_a_boundary_within_a_line_is_text() -> None:
    assert read("POST Set", "\n{\n --b\n--bc\n--b-}").body == b"{\n --b\n--bc\n--b-}"


def test_a_get_in_a_changeset_is_read() -> None:
    inner = one("GET Set").replace("--b", "--c")
    changeset = parse(f"--b\nContent-Type: multipart/mixed; boundary=c\n\n{inner}\n--b--").items[0]
    assert isinstance(changeset, Changeset)
    assert changeset.requests == (BatchRequest("GET", "Set"),)


# What is refused


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (one("GET Set"), None),
        (one("GET Set"), ""),
        (one("GET Set"), "application/json"),
        (one("GET Set"), "multipart/mixed"),
        (one("GET Set"), "multipart/mixed; boundary="),
        (one("GET Set"), "multipart/mixed; boundary=b@d"),
        (one("GET Set"), f"multipart/mixed; boundary={'b' * 71}"),
        (one("GET Set"), "multipart/mixed; boundary=c"),
        ("", TYPE),
        ("\n", TYPE),
        (one("GET Set").removesuffix("--"), TYPE),
        ("--b\nContent-Type application/http\n\nGET Set\n\n--b--", TYPE),
        (one("GET Set", "no header\n\n"), TYPE),
        (one("GET Set", "A: b\0\n\n"), TYPE),
        (one("GET Set", "A: b\rC: d\n\n"), TYPE),
        (one("GET Set", f"A: {'b' * 16_384}\n\n"), TYPE),
        (one(f"GET Set?a={'b' * 16_384}"), TYPE),
        ("--b\nContent-Type: multipart/mixed; boundary=c\n\n--b--", TYPE),
        ("--b\nContent-Type: multipart/mixed\n\n--c--\n--b--", TYPE),
    ],
)
def test_a_body_that_cannot_be_parsed_is_refused(body: str, content_type: str | None) -> None:
    assert refused(body, content_type) is BATCH_UNREADABLE


@pytest.mark.parametrize("header", ["", "Content-Type: application/json\n", "Content-Type:\n", "Accept: a\n"])
def test_a_part_says_that_it_is_a_request(header: str) -> None:
    assert refused(f"--b\n{header}\nGET Set\n\n--b--") is BATCH_PART_HEADER


def test_an_empty_part_is_refused() -> None:
    assert refused("--b\n--b--") is BATCH_PART_HEADER


def test_a_changeset_in_a_changeset_is_refused() -> None:
    inner = "--c\nContent-Type: multipart/mixed; boundary=d\n\n--d--\n--c--"
    assert refused(f"--b\nContent-Type: multipart/mixed; boundary=c\n\n{inner}\n--b--") is BATCH_NESTED


@pytest.mark.parametrize("in_changeset", [False, True])
def test_a_batch_holds_so_many_requests_and_no_more(*, in_changeset: bool) -> None:
    requests = (BatchRequest("GET", "Set"),) * 2
    items: tuple[BatchRequest | Changeset, ...] = (Changeset("c", requests),) if in_changeset else requests
    body = write(Batch("b", items), "\n")
    assert parse(body, most=2).items == items
    assert refused(body, most=1) is BATCH_TOO_MANY


def test_empty_changesets_count_too() -> None:
    body = write(Batch("b", (Changeset("c", ()),) * 2), "\n")
    assert refused(body, most=1) is BATCH_TOO_MANY


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "get", "PROPFIND", "", "X" * 1000])
def test_a_method_that_no_batch_takes_is_refused(method: str) -> None:
    assert refused(one(f"{method} Set HTTP/1.1")) is BATCH_METHOD


def test_a_tunnelled_method_that_no_batch_takes_is_refused() -> None:
    assert refused(one("POST Set('a')", "X-HTTP-Method: HEAD\n\n")) is BATCH_METHOD


@pytest.mark.parametrize(
    "line",
    [
        "GET",
        "GET HTTP/1.1",
        "GET /",
        "GET //Set",
        "GET Set/",
        "GET Set/$count",
        "GET Set/%24count",
        "GET %24metadata",
        "POST Set%28%27a%27%29",
        "GET Set/_T",
        "GET $metadata",
        "POST $batch",
        "GET Set('a",
        "GET Set('a')b",
        "GET Set('a b')",
        "GET Set('a/b')",
        "GET Set('a')/",
        "GET Set('a')/Name",
        "GET Set('a')/_T/_U",
        "GET Set('a')/$links/_T/_U",
        "GET Set('a\x01')",
        "GET Set?a=\x01",
        "GET Set#a",
        "GET http://unit.example/cell/box/col/Set",
        "GET https://unit.example:444/cell/box/col/Set",
        "GET https://unit.example/cell/box/other/Set",
        "GET https://unit.example.evil.example/cell/box/col/Set",
        "GET ../other/Set",
        "POST Set('a')",
        *(f"{method} Set" for method in sorted(ON_ENTITIES - {"GET"})),
    ],
)
def test_a_path_that_no_batch_takes_is_refused(line: str) -> None:
    assert refused(one(line)) is BATCH_PATH


def test_a_path_that_is_not_utf8_is_refused() -> None:
    assert refused(b"--b\nContent-Type: application/http\n\nGET Set('\xff')\n\n--b--") is BATCH_PATH


@pytest.mark.parametrize(("queries", "fits"), [(["$top=6", "%24top=4&a=b"], True), (["$top=6", "a=b&$top=5"], False)])
def test_all_tops_together_are_bounded(queries: list[str], *, fits: bool) -> None:
    body = write(Batch("b", tuple(BatchRequest("GET", "Set", query) for query in queries)), "\n")
    if fits:
        assert len(parse(body, top=10).items) == 2
    else:
        assert refused(body, top=10) is BATCH_TOP


@pytest.mark.parametrize("query", ["$top=11", "$top=x", "$top=", "$top=" + "9" * 5000, "x$top=11"])
def test_a_top_that_is_refused_by_itself_is_not_added(query: str) -> None:
    assert read(f"GET Set?{query}").query == query


# Any bytes

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
KEYS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/?#'�"), max_size=8)
BOUNDARIES = st.from_regex(r"[0-9A-Za-z'()+_,./:=?-]{1,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
HEADERS = st.dictionaries(
    NAMES.map(str.lower).filter(lambda name: name not in {"content-id", "x-http-method"}), VALUES, max_size=3
)
TO_SETS = st.tuples(st.sampled_from(["GET", "POST"]), NAMES)
TO_ENTITIES = st.tuples(
    st.sampled_from(sorted(ON_ENTITIES)), st.builds(lambda name, key: f"{name}('{key}')", NAMES, KEYS)
)
REQUESTS = st.builds(
    lambda target, *rest: BatchRequest(target[0], target[1], *rest),
    TO_SETS | TO_ENTITIES,
    VALUES.filter(lambda text: "top=" not in text),
    HEADERS,
    st.binary(max_size=40).filter(lambda body: b"\n--" not in body and body[-1:] != b"\r" and body[:2] != b"--"),
    st.none() | NAMES,
)
BATCHES = st.tuples(BOUNDARIES, BOUNDARIES).flatmap(
    lambda both: st.builds(
        Batch,
        st.just(f"b{both[0]}"),
        st.lists(
            REQUESTS | st.builds(Changeset, st.just(f"c{both[1]}"), st.lists(REQUESTS, max_size=3).map(tuple)),
            max_size=4,
        ).map(tuple),
    )
)


@given(BATCHES, st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read_as_it_was(batch: Batch, newline: str) -> None:
    assert parse(write(batch, newline), multipart_type(batch.boundary)) == batch


def passes_or_refuses(act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal as refusal:
        assert refusal.kind.code.startswith("PR400-OD-")
        assert refusal.text


SNIPPETS = st.sampled_from(
    [
        *(
            b"\n",
            b"\r",
            b"\0",
            b" ",
            b":",
            b"\xff",
            b"--b",
            b"--b--",
            b"--c",
            b"--c--",
            b"GET Set('a')",
            b"POST Set\n\n",
        ),
        b"Content-Type: application/http\n\n",
        b"Content-Type: multipart/mixed; boundary=c\n\n",
    ]
)


@given(st.lists(SNIPPETS | st.binary(max_size=8), max_size=20).map(b"".join))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    passes_or_refuses(lambda: parse(body))
    passes_or_refuses(lambda: parse(b"--b\n" + body + b"\n--b--"))
    passes_or_refuses(lambda: parse(b"--b\nContent-Type: application/http\n\n" + body + b"\n--b--"))


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_content_type_is_read_or_refused(rest: str, line: str) -> None:
    passes_or_refuses(lambda: parse(one(line), f"multipart/mixed; boundary={rest}"))
    passes_or_refuses(lambda: parse(one("GET Set"), rest))


MEGABYTE = 1_000_000
END = b"\n--b--"
HEAD = b"--b\nContent-Type: application/http\n\n"


@pytest.mark.parametrize(
    "body",
    [
        b"a" * MEGABYTE,
        b"\n" * MEGABYTE,
        b"\n--b" * (MEGABYTE // 4),
        b"\n--bx" * (MEGABYTE // 5),
        b"--b" + b" " * MEGABYTE,
        b"--b\n" + b"a:" * (MEGABYTE // 2) + END,
        b"--b\n" + b"a:\n" * (MEGABYTE // 3) + END,
        b"--b\n" + b"\r" * MEGABYTE + END,
        b"--b\n" + b"\0" * MEGABYTE + END,
        HEAD + b"GET " + b"(" * MEGABYTE + END,
        HEAD + b"GET " + b"a(" * 8_000 + END,
        HEAD + b"GET Set('" + b"a/_" * 5_000 + END,
        HEAD + b"GET " + b" " * 16_000 + b"HTTP/1.1" + END,
        HEAD + b"GET Set\n" + b"\r\r\n" * (MEGABYTE // 3) + END,
        HEAD + b"GET Set\n" + b"\r\n" * (MEGABYTE // 2),
        b"--b\nContent-Type: multipart/mixed;boundary=c\n\n" + b"--c\n" * (MEGABYTE // 4) + END,
        b"--b\nContent-Type: multipart/mixed;boundary=c\n\n--c--\n" * (MEGABYTE // 53) + END,
        b"--b\nContent-Type: multipart/mixed" + b";" * 16_000 + b"\n\n" + END,
        b"--b\nContent-Type: multipart/mixed" + b"; boundary" * 1_600 + b"\n\n" + END,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_hostile_body_is_refused(body: bytes) -> None:
    assert refused(body).code.startswith("PR400-OD-")


# What is answered


def test_answers_are_written_line_by_line() -> None:
    created = BatchAnswer(201, {"Content-Type": "application/json", "ETag": 'W/"1-2"'}, b"{}", "7")
    body = render_batch(
        "b",
        [BatchAnswer(200, {"A": "b"}, b"[]"), ChangesetAnswer("c", [created, BatchAnswer(204)]), BatchAnswer(599)],
    )
    assert body.decode() == (
        "--b\nContent-Type: application/http\n\nHTTP/1.1 200 OK\nA: b\n\n[]\n"
        "--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\nContent-Type: application/http\nContent-Transfer-Encoding: binary\nContent-ID: 7\n\n"
        'HTTP/1.1 201 Created\nContent-Type: application/json\nETag: W/"1-2"\n\n{}\n'
        "--c\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\nHTTP/1.1 204 No Content\n\n\n"
        "--c--\n"
        "--b\nContent-Type: application/http\n\nHTTP/1.1 599 \n\n\n"
        "--b--\n"
    )


def test_answers_are_written_with_the_line_ends_of_mime_where_they_are_asked_for() -> None:
    answers = [BatchAnswer(200, {"A": "b"}, b"[\n]", "7"), ChangesetAnswer("c", [BatchAnswer(204)])]
    body = render_batch("b", answers, line_end="\r\n")
    assert body.replace(b"[\n]", b"[]") == render_batch("b", answers).replace(b"[\n]", b"[]").replace(b"\n", b"\r\n")


def test_an_empty_batch_is_answered_by_its_end_alone() -> None:
    assert parse("--b--").items == ()
    assert render_batch("b", []) == b"--b--\n"


@pytest.mark.parametrize(
    ("boundary", "written"),
    [("batch_1-a.b", "multipart/mixed; boundary=batch_1-a.b"), ("a:b c", 'multipart/mixed; boundary="a:b c"')],
)
def test_a_boundary_is_quoted_where_it_must_be(boundary: str, written: str) -> None:
    assert multipart_type(boundary) == written
