"""Files with digests: told to who asks, and heeded when one comes with a body."""

from __future__ import annotations

import base64
import hashlib

import httpx
import pytest

from tests.running import RunningUnit, Site

WANTED = {"Want-Repr-Digest": "sha-256=5"}
SIZES = [0, 5, 100_000]
PATHS = ["__/f", "__snapshot/f.zip"]


def told(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size_bytes", SIZES)
def test_put_get_and_head_tell_the_digest_to_who_asks(cell: Site, path: str, size_bytes: int) -> None:
    data = b"d" * size_bytes
    for status in (201, 204):
        put = cell.call("PUT", path, content=data, headers=WANTED)
        assert (put.status_code, put.headers["repr-digest"]) == (status, told(data))
    for method in ("GET", "HEAD"):
        assert cell.call(method, path, headers=WANTED).headers["repr-digest"] == told(data)
        assert "repr-digest" not in cell.call(method, path).headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size_bytes", SIZES)
@pytest.mark.parametrize("header", ["Repr-Digest", "Content-Digest"])
def test_a_body_that_is_not_what_it_should_be_is_400_and_the_old_file_stays(
    unit: RunningUnit, cell: Site, path: str, size_bytes: int, header: str
) -> None:
    cell.call("PUT", path, content=b"old")
    data = b"d" * size_bytes
    wrong = cell.call("PUT", path, content=data, headers={header: told(data + b"!")})
    assert code(wrong) == (400, "PR400-DV-0020")
    assert cell.call("GET", path).content == b"old"
    assert cell.call("PUT", path, content=data, headers={header: told(data)}).status_code == 204
    assert cell.call("GET", path).content == data


def test_a_digest_that_cannot_be_read_is_400_before_the_body(cell: Site) -> None:
    answer = cell.call("PUT", "__/f", content=b"x", headers={"Repr-Digest": "sha-256=:AA==:"})
    assert code(answer) == (400, "PR400-DV-0009")
    assert cell.call("GET", "__/f").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_a_part_of_a_file_does_not_replace_it(cell: Site, path: str) -> None:
    cell.call("PUT", path, content=b"old")
    answer = cell.call("PUT", path, content=b"x", headers={"Content-Range": "bytes 0-0/3"})
    assert code(answer) == (400, "PR400-DV-0009")
    assert cell.call("GET", path).content == b"old"


def test_head_tells_what_get_tells(cell: Site) -> None:
    cell.call("PUT", "__/f", content=b"x" * 50_000, headers={"Content-Type": "text/plain"})
    for headers in ({}, WANTED, {"If-None-Match": "*"}, {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}):
        get, head = (cell.call(method, "__/f", headers=headers) for method in ("GET", "HEAD"))
        by_request = {"date", "x-personium-requestkey"}
        assert head.status_code == get.status_code
        assert {k: v for k, v in head.headers.items() if k not in by_request} == {
            k: v for k, v in get.headers.items() if k not in by_request
        }
