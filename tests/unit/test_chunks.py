"""Sealed chunks: what comes back is what was sealed, any part of it, and whatever was done to them is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.wire import chunks
from alveary.wire.chunks import (
    CHUNK_BYTES,
    TAG_BYTES,
    ChunkCipher,
    OpenedFile,
    Sealer,
    Tampered,
    open_all,
    open_span,
    plain_size_bytes,
    sealed_size_bytes,
)

KEY = bytes(range(32))
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
SIZES = [0, 1, 1_000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 77]
sizes = st.sampled_from(SIZES)


def plain(size_bytes: int) -> bytes:
    return (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]


def sealed(data: bytes, *cuts: int, key: bytes = KEY) -> bytes:
    sealer, parts, at = Sealer(ChunkCipher(key)), [], 0
    for cut in (*sorted(cuts), len(data)):
        parts.append(sealer.write(data[at:cut]))
        at = max(at, cut)
    return b"".join([*parts, sealer.finish()])


def fetcher(data: bytes) -> chunks.Fetch:
    return lambda start, size_bytes: data[start : start + size_bytes]


def opened(data: bytes, key: bytes = KEY) -> bytes:
    return b"".join(open_all(ChunkCipher(key), fetcher(data), len(data)))


SEALED = {size: sealed(plain(size)) for size in SIZES}


@given(sizes, st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=4))
def test_what_is_opened_is_what_was_sealed_however_it_came(size_bytes: int, cuts: list[int]) -> None:
    data = plain(size_bytes)
    text = sealed(data, *(min(cut, size_bytes) for cut in cuts))
    assert text == SEALED[size_bytes]
    assert opened(text) == data
    assert len(text) == sealed_size_bytes(size_bytes)
    assert plain_size_bytes(len(text)) == size_bytes


@given(sizes, st.integers(0, 4 * CHUNK_BYTES), st.integers(0, 4 * CHUNK_BYTES))
def test_any_span_is_the_slice(size_bytes: int, one: int, other: int) -> None:
    start, end = sorted((min(one, size_bytes), min(other, size_bytes)))
    text = SEALED[size_bytes]
    assert open_span(ChunkCipher(KEY), fetcher(text), size_bytes, start, end) == plain(size_bytes)[start:end]


def test_a_span_fetches_no_more_than_its_chunks() -> None:
    text, fetched = SEALED[3 * CHUNK_BYTES + 77], []

    def fetch(start: int, size_bytes: int) -> bytes:
        fetched.append((start, size_bytes))
        return text[start : start + size_bytes]

    open_span(ChunkCipher(KEY), fetch, 3 * CHUNK_BYTES + 77, CHUNK_BYTES + 5, CHUNK_BYTES + 9)
    assert fetched == [(SEALED_BYTES, SEALED_BYTES)]


@given(sizes, st.data())
def test_any_changed_bit_is_noticed(size_bytes: int, data: st.DataObject) -> None:
    text = bytearray(SEALED[size_bytes])
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Tampered):
        opened(bytes(text))


@given(sizes, st.data())
def test_any_cut_is_noticed(size_bytes: int, data: st.DataObject) -> None:
    text = SEALED[size_bytes]
    places = st.integers(0, len(text) - 1) | st.sampled_from(range(0, len(text), SEALED_BYTES))
    with pytest.raises(Tampered):
        opened(text[: data.draw(places)])


@given(sizes, st.binary(min_size=1, max_size=100) | st.sampled_from([SEALED[0], SEALED[CHUNK_BYTES]]))
def test_any_extension_is_noticed(size_bytes: int, more: bytes) -> None:
    with pytest.raises(Tampered):
        opened(SEALED[size_bytes] + more)


@given(st.permutations(range(4)))
def test_any_other_order_of_chunks_is_noticed(order: list[int]) -> None:
    text = SEALED[3 * CHUNK_BYTES + 77]
    parts = [text[at : at + SEALED_BYTES] for at in range(0, len(text), SEALED_BYTES)]
    if order == sorted(order):
        assert opened(text) == plain(3 * CHUNK_BYTES + 77)
        return
    with pytest.raises(Tampered):
        opened(b"".join(parts[index] for index in order))


def test_chunks_left_out_or_of_another_file_are_noticed() -> None:
    text, other = SEALED[3 * CHUNK_BYTES + 77], sealed(plain(3 * CHUNK_BYTES + 77), key=b"o" * 32)
    for wrong in (
        text[SEALED_BYTES:],
        text[:SEALED_BYTES] + text[2 * SEALED_BYTES :],
        text[:SEALED_BYTES] + other[SEALED_BYTES : 2 * SEALED_BYTES] + text[2 * SEALED_BYTES :],
        other,
        b"",
    ):
        with pytest.raises(Tampered):
            opened(wrong)


@given(sizes, st.lists(st.tuples(st.integers(0, 3 * CHUNK_BYTES), st.integers(-1, 2 * CHUNK_BYTES)), max_size=6))
def test_an_opened_file_reads_like_a_plain_one(size_bytes: int, steps: list[tuple[int, int]]) -> None:
    data = plain(size_bytes)
    file = OpenedFile(ChunkCipher(KEY), fetcher(SEALED[size_bytes]), size_bytes)
    for at, count in steps:
        assert file.seek(at) == at
        expected = data[at:] if count < 0 else data[at : at + count]
        assert file.read(count) == expected
        assert file.tell() == at + len(expected)
    assert file.seek(0, 2) == size_bytes
    assert (file.seek(-min(5, size_bytes), 1), file.read()) == (size_bytes - min(5, size_bytes), data[-5:])
