"""Files in several requests: they survive cuts and restarts, belong to who began them, and become a file at once."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.raw import Raw
from tests.running import MASTER, RunningUnit, Site, running

PARTIAL = "application/partial-upload"
MAX_WAIT_S = 20


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def begin(cell: Site, path: str = "__/f", data: bytes = b"", *, token: str | None = MASTER, **headers: str) -> str:
    answer = attempt(cell, path, data, token=token, **headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"]).removeprefix(cell.url)


def attempt(
    cell: Site, path: str, data: bytes = b"", *, token: str | None = MASTER, **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cell.call("PUT", path, content=data, token=token, headers={"Upload-Complete": "?0", **named})


def patch(
    cell: Site, upload: str, offset: int, data: bytes, *, end: bool = False, token: str | None = MASTER, **more: str
) -> httpx.Response:
    headers = {
        "Content-Type": PARTIAL,
        "Upload-Offset": str(offset),
        "Upload-Complete": f"?{end:d}",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return cell.call("PATCH", upload, content=data, token=token, headers=headers)


def offset_of(cell: Site, upload: str) -> int:
    return int(cell.call("HEAD", upload).headers["upload-offset"])


def blobs(unit: RunningUnit, cell: Site) -> list[Path]:
    """The blobs of the only cell of a unit."""
    return [*unit.data.glob("cells/*/contents/*/blobs/*/*"), *unit.data.glob("cells/*/contents/*/tmp/*")]


class TestTheWay:
    @pytest.mark.parametrize("sizes", [(5,), (0,), (3, 4, 5), (50_000,), (50_000, 1, 60_000), (20_000, 0, 5)])
    def test_pieces_become_the_file_when_the_last_has_come(self, cell: Site, sizes: tuple[int, ...]) -> None:
        pieces = [random.Random(number).randbytes(size) for number, size in enumerate(sizes)]
        whole = b"".join(pieces)
        upload = begin(cell, Content_Type="text/plain", Upload_Length=str(len(whole)))
        at = 0
        for number, piece in enumerate(pieces):
            assert cell.call("GET", "__/f").status_code == 404
            answer = patch(cell, upload, at, piece, end=number == len(pieces) - 1)
            at += len(piece)
        assert (answer.status_code, answer.headers["upload-complete"]) == (201, "?1")
        read = cell.call("GET", "__/f", headers={"Want-Repr-Digest": "sha-256=1"})
        assert (read.content, read.headers["content-type"], read.headers["etag"]) == (
            whole,
            "text/plain",
            answer.headers["etag"],
        )
        assert read.headers["repr-digest"] == digest(whole)

    def test_the_first_request_may_bring_bytes_and_the_last_none(self, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"old")
        answer = attempt(cell, "__/f", b"new ")
        assert (answer.headers["upload-offset"], answer.headers["upload-complete"]) == ("4", "?0")
        assert "max-age=" in answer.headers["upload-limit"]
        upload = answer.headers["location"].removeprefix(cell.url)
        assert patch(cell, upload, 4, b"file").status_code == 204
        assert cell.call("GET", "__/f").content == b"old"
        assert patch(cell, upload, 8, b"", end=True).status_code == 204
        assert cell.call("GET", "__/f").content == b"new file"

    def test_a_put_that_brings_all_is_a_put(self, cell: Site) -> None:
        answer = cell.call("PUT", "__/f", content=b"x", headers={"Upload-Complete": "?1"})
        assert (answer.status_code, "location" in answer.headers) == (201, False)
        assert cell.call("PUT", "__/f", content=b"y", headers={"Upload-Complete": "maybe"}).status_code == 204

    def test_head_tells_how_much_there_is_and_remembers_the_end(self, cell: Site) -> None:
        upload = begin(cell, data=b"12345", Upload_Length="7")
        told = cell.call("HEAD", upload)
        assert told.status_code == 204
        assert {name: told.headers[name] for name in ("upload-offset", "upload-complete", "upload-length")} == {
            "upload-offset": "5",
            "upload-complete": "?0",
            "upload-length": "7",
        }
        assert told.headers["cache-control"] == "no-store"
        patch(cell, upload, 5, b"67", end=True)
        told = cell.call("HEAD", upload)
        assert (told.headers["upload-offset"], told.headers["upload-complete"]) == ("7", "?1")
        assert code(patch(cell, upload, 7, b"8")) == (409, "PR409-DV-0005")

    def test_options_of_a_place_for_files_tell_that_it_takes_parts(self, cell: Site) -> None:
        assert cell.call("OPTIONS", "__/f").headers["accept-patch"] == PARTIAL
        assert cell.call("OPTIONS", begin(cell)).headers["accept-patch"] == PARTIAL

    def test_an_upload_that_is_given_up_is_gone(self, cell: Site) -> None:
        upload = begin(cell, data=b"x" * 50_000)
        assert cell.call("DELETE", upload).status_code == 204
        for method in ("HEAD", "DELETE"):
            assert cell.call(method, upload).status_code == 404

    def test_it_is_told_as_an_event_of_the_file_and_leaves_no_pieces(self, tmp_path: Path) -> None:
        with running(tmp_path / "data") as unit:
            cell = unit.cell()
            for path, parts in (("__/one", [b"a" * 50_000]), ("__/two", [b"b" * 50_000, b"c" * 50_000])):
                upload, at = begin(cell, path), 0
                for part in parts:
                    patch(cell, upload, at, part)
                    at += len(part)
                assert patch(cell, upload, at, b"", end=True).status_code == 201
            dropped = begin(cell, "__/three", b"d" * 50_000)
            cell.call("DELETE", dropped)
            deadline = time.monotonic() + MAX_WAIT_S
            while len(blobs(unit, cell)) > 2:
                assert time.monotonic() < deadline
            assert cell.call("GET", "__/one").content == b"a" * 50_000
            assert cell.call("GET", "__/two").content == b"b" * 50_000 + b"c" * 50_000


class TestWhatDoesNotFit:
    def test_another_offset_is_409_and_tells_the_right_one(self, cell: Site) -> None:
        upload = begin(cell, data=b"12345")
        for offset in (0, 4, 6):
            answer = patch(cell, upload, offset, b"x")
            assert code(answer) == (409, "PR409-DV-0004")
            assert answer.headers["upload-offset"] == "5"
        assert offset_of(cell, upload) == 5

    def test_lengths_are_held_to(self, cell: Site) -> None:
        upload = begin(cell, data=b"12345", Upload_Length="6")
        assert code(patch(cell, upload, 5, b"xy")) == (400, "PR400-DV-0021")
        assert code(patch(cell, upload, 5, b"x", Upload_Length="9")) == (400, "PR400-DV-0021")
        assert code(patch(cell, upload, 5, b"", end=True)) == (400, "PR400-DV-0021")
        assert patch(cell, upload, 5, b"6", end=True).status_code == 201

    def test_digests_of_a_piece_and_of_the_whole_are_held_to(self, cell: Site) -> None:
        upload = begin(cell, data=b"123", Repr_Digest=digest(b"123456"), Content_Digest=digest(b"123"))
        assert code(patch(cell, upload, 3, b"45", Content_Digest=digest(b"46"))) == (400, "PR400-DV-0020")
        assert patch(cell, upload, 3, b"45", Content_Digest=digest(b"45")).status_code == 204
        assert code(patch(cell, upload, 5, b"7", end=True)) == (400, "PR400-DV-0020")
        assert cell.call("GET", "__/f").status_code == 404

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"Content-Type": "text/plain"}, (415, "PR415-MC-0001")),
            ({"Upload-Offset": None}, (400, "PR400-DV-0010")),
            ({"Upload-Offset": "x"}, (400, "PR400-DV-0009")),
            ({"Upload-Complete": None}, (400, "PR400-DV-0010")),
            ({"Upload-Complete": "1"}, (400, "PR400-DV-0009")),
        ],
    )
    def test_a_part_says_what_it_is(
        self, cell: Site, change: dict[str, str | None], expected: tuple[int, str]
    ) -> None:
        upload = begin(cell)
        headers = {"Content-Type": PARTIAL, "Upload-Offset": "0", "Upload-Complete": "?0", **change}
        sent = {name: value for name, value in headers.items() if value is not None}
        assert code(cell.call("PATCH", upload, content=b"x", headers=sent)) == expected
        assert offset_of(cell, upload) == 0

    def test_what_a_put_refuses_is_refused_at_the_beginning_and_at_the_end(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/f", content=b"old").headers["etag"]
        assert code(attempt(cell, "__/f", If_None_Match="*")) == (412, "PR412-DV-0001")
        assert code(attempt(cell, "__/none/f")) == (409, "PR409-DV-0001")
        upload = begin(cell, "__/f", If_Match=etag)
        cell.call("PUT", "__/f", content=b"newer")
        assert code(patch(cell, upload, 0, b"late", end=True)) == (412, "PR412-DV-0001")
        assert cell.call("GET", "__/f").content == b"newer"

    def test_it_is_bounded_in_size_and_number(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.upload_bytes": 10, "limits.uploads": 2}) as unit:
            cell = unit.cell()
            assert code(attempt(cell, "__/f", Upload_Length="11")) == (413, "PR413-CM-0001")
            upload = begin(cell, data=b"12345")
            assert code(patch(cell, upload, 5, b"x" * 6)) == (413, "PR413-CM-0001")
            assert patch(cell, upload, 5, b"x" * 5).status_code == 204
            begin(cell)
            assert code(attempt(cell, "__/f")) == (503, "PR503-DV-0002")
            assert patch(cell, upload, 10, b"", end=True).status_code == 201
            begin(cell)


class TestWhose:
    def test_only_who_began_it_may_go_on(self, cell: Site) -> None:
        for name in ("alice", "bob"):
            cell.account(name, roles=("writer",))
        cell.acl("__", {"writer": "write"})
        alice, bob = cell.token("alice"), cell.token("bob")
        upload = begin(cell, token=alice)
        for token, status in ((bob, 404), (MASTER, 404), (None, 401)):
            assert patch(cell, upload, 0, b"x", token=token).status_code == status
            assert cell.call("HEAD", upload, token=token).status_code == status
            assert cell.call("DELETE", upload, token=token).status_code == status
        assert patch(cell, upload, 0, b"x", end=True, token=alice).status_code == 201

    def test_a_right_that_is_taken_away_meanwhile_counts(self, cell: Site) -> None:
        cell.account("alice", roles=("writer",))
        cell.acl("__", {"writer": "write"})
        alice = cell.token("alice")
        upload = begin(cell, data=b"x", token=alice)
        cell.acl("__", {"writer": "read"})
        assert patch(cell, upload, 1, b"y", end=True, token=alice).status_code == 403

    def test_who_has_locked_the_file_says_so_at_each_step(self, cell: Site) -> None:
        cell.call("PUT", "__/f", content=b"old")
        lock = (
            '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
            "<D:locktype><D:write/></D:locktype></D:lockinfo>"
        )
        token = cell.call("LOCK", "__/f", content=lock).headers["lock-token"]
        upload = begin(cell, data=b"n", If=f"({token})")
        assert patch(cell, upload, 1, b"ew", end=True).status_code == 423
        assert cell.call("GET", "__/f").content == b"old"
        end = offset_of(cell, upload)
        assert patch(cell, upload, end, b"ew"[end - 1 :], end=True, If=f"({token})").status_code == 204
        assert cell.call("GET", "__/f").content == b"new"

    def test_nobody_begins_one_without_a_name(self, cell: Site) -> None:
        cell.acl("__", {"all": "write"})
        assert attempt(cell, "__/f", token=None).status_code == 401
        assert cell.call("PUT", "__/f", token=None, content=b"x").status_code == 201

    def test_nor_by_basic_which_counts_in_boxes_alone(self, cell: Site) -> None:
        cell.account("alice", roles=("writer",))
        cell.acl("__", {"writer": "write"})
        alice = ("alice", "password-1")
        begun = cell.http.put(f"{cell.url}__/f", content=b"x", headers={"Upload-Complete": "?0"}, auth=alice)
        assert begun.status_code == 401
        assert cell.http.put(f"{cell.url}__/f", content=b"x", auth=alice).status_code == 201


class TestCuts:
    @pytest.mark.parametrize("size_bytes", [2_000, 700_000])
    def test_what_a_cut_piece_brought_stays_and_the_rest_follows(
        self, unit: RunningUnit, cell: Site, size_bytes: int
    ) -> None:
        whole = random.Random(size_bytes).randbytes(size_bytes)
        upload = begin(cell)
        at = 0
        for cut in (size_bytes // 3, size_bytes // 2, size_bytes - 1):
            path = urlsplit(cell.url).path + upload
            lines = (f"Content-Type: {PARTIAL}", f"Upload-Offset: {at}", "Upload-Complete: ?1")
            with Raw(unit.url) as raw:
                raw.head("PATCH", path, f"Content-Length: {size_bytes - at}", *lines)
                raw.send(whole[at:cut])
            deadline = time.monotonic() + MAX_WAIT_S
            while (found := offset_of(cell, upload)) == at:
                assert time.monotonic() < deadline
            assert at < found <= cut
            at = found
        assert cell.call("GET", "__/f").status_code == 404
        assert patch(cell, upload, at, whole[at:], end=True).status_code == 201
        assert cell.call("GET", "__/f").content == whole

    def test_it_survives_a_restart_but_not_its_time(self, tmp_path: Path) -> None:
        with running(tmp_path / "data") as unit:
            cell = unit.cell("alice")
            upload = begin(cell, data=b"a" * 50_000)
        with running(tmp_path / "data", **{"limits.upload_s": 1}) as unit:
            cell = Site(unit.http, "alice", f"{unit.url}alice/")
            assert patch(cell, upload, 50_000, b"b").status_code == 204
            deadline = time.monotonic() + MAX_WAIT_S
            while cell.call("HEAD", upload).status_code != 404:
                assert time.monotonic() < deadline
            begin(cell, "__/g")
            while blobs(unit, cell):
                assert time.monotonic() < deadline

    def test_of_two_that_go_on_at_once_one_wins(self, unit: RunningUnit, cell: Site) -> None:
        upload = begin(cell)
        path = urlsplit(cell.url).path + upload
        lines = (f"Content-Type: {PARTIAL}", "Upload-Offset: 0", "Upload-Complete: ?0", "Content-Length: 100000")
        with Raw(unit.url) as slow:
            slow.head("PATCH", path, *lines)
            slow.send(b"s" * 99_999)
            assert patch(cell, upload, 0, b"quick").status_code == 204
            slow.send(b"s")
            assert slow.answer()[0] == 409
        assert patch(cell, upload, 5, b"", end=True).status_code == 201
        assert cell.call("GET", "__/f").content == b"quick"
