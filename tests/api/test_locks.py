"""Locks over HTTP, as RFC 4918 tells them: sections 6, 7, 9.10, 9.11, 10.4 and 15.8."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from lxml import etree

from tests.raw import Raw
from tests.running import MASTER, RunningUnit, Site, running

NS = {"D": "DAV:", "p": "urn:x-personium:xmlns"}
UNKNOWN = "urn:uuid:00000000-0000-4000-8000-000000000000"
PROPPATCH = (
    '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>'
)
ACL = '<D:acl xmlns:D="DAV:"/>'
MAX_WAIT_S = 30


def lockinfo(scope: str = "exclusive", owner: str = "<D:owner>me</D:owner>") -> str:
    return (
        f'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype>'
        f"{owner}</D:lockinfo>"
    )


def ask(cell: Site, path: str, scope: str = "exclusive", *, token: str | None = MASTER, **headers: str) -> Any:
    """A LOCK; header names with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cell.call("LOCK", path, token=token, content=lockinfo(scope), headers=named)


def lock(cell: Site, path: str, scope: str = "exclusive", **options: Any) -> str:
    """The token of a new lock."""
    answer = ask(cell, path, scope, **options)
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.headers["lock-token"]).strip("<>")


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the catalogue's code, in JSON or in WebDAV's XML."""
    if answer.headers["content-type"] == "application/xml":
        return answer.status_code, str(etree.fromstring(answer.content).findtext("p:code", namespaces=NS))
    return answer.status_code, str(answer.json()["code"])


def unmet(answer: httpx.Response) -> tuple[str, list[str]]:
    """The condition that a refusal names, and the URLs in it."""
    (condition, *_) = etree.fromstring(answer.content)
    return etree.QName(condition).localname, condition.xpath("D:href/text()", namespaces=NS)


def writers(cell: Site) -> tuple[str, str]:
    """Access tokens of two accounts that may do everything in the main box."""
    for name in ("alice", "bob"):
        cell.account(name, roles=("w",))
    assert cell.acl("__", {"w": "all"}).status_code == 200
    return cell.token("alice"), cell.token("bob")


@pytest.fixture
def tree(cell: Site) -> Site:
    """A cell with ``__/col/file``, ``__/col/sub/deep`` and ``__/other``."""
    for path in ("col", "col/sub"):
        assert cell.call("MKCOL", f"__/{path}").status_code == 201
    for path in ("col/file", "col/sub/deep", "other"):
        assert cell.call("PUT", f"__/{path}", content=b"1").status_code == 201
    return cell


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit under the word of RFC 4918."""
    with running(tmp_path_factory.mktemp("strict") / "data", **{"dav.semantics": "rfc4918"}) as unit:
        yield unit


class TestTakingLocks:
    @pytest.mark.parametrize("path", ["__", "__/col", "__/col/file"])
    def test_a_lock_is_200_with_its_token_and_all_about_it(self, tree: Site, path: str) -> None:
        answer = ask(tree, path, Timeout="Second-60", Depth="0")
        assert answer.status_code == 200
        token = answer.headers["lock-token"]
        assert re.fullmatch(r"<urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}>", token)
        root = etree.fromstring(answer.content)
        assert root.tag == "{DAV:}prop"
        (active,) = root.findall("D:lockdiscovery/D:activelock", NS)
        assert active.find("D:lockscope/D:exclusive", NS) is not None
        assert active.findtext("D:depth", namespaces=NS) == "0"
        assert active.findtext("D:owner", namespaces=NS) == "me"
        assert active.findtext("D:timeout", namespaces=NS) == "Second-60"
        assert active.findtext("D:locktoken/D:href", namespaces=NS) == token.strip("<>")
        assert active.findtext("D:lockroot/D:href", namespaces=NS) == tree.url + path

    def test_no_two_tokens_are_the_same(self, tree: Site) -> None:
        assert len({lock(tree, "__/other", "shared") for _ in range(20)}) == 20

    def test_without_depth_a_lock_is_deep_and_without_timeout_it_lives_as_long_as_it_may(self, tree: Site) -> None:
        active = etree.fromstring(ask(tree, "__/col").content).find("D:lockdiscovery/D:activelock", NS)
        assert active.findtext("D:depth", namespaces=NS) == "infinity"
        assert active.findtext("D:timeout", namespaces=NS) == "Second-3600"

    def test_a_lock_where_nothing_is_makes_an_empty_file(self, tree: Site) -> None:
        answer = ask(tree, "__/col/new")
        assert answer.status_code == 201
        read = tree.call("GET", "__/col/new")
        assert (read.status_code, read.content) == (200, b"")
        assert code(tree.call("PUT", "__/col/new", content=b"2")) == (423, "PR423-DV-0001")
        token = answer.headers["lock-token"]
        assert tree.call("PUT", "__/col/new", content=b"2", headers={"If": f"({token})"}).status_code == 204

    def test_a_lock_where_nothing_can_be_is_refused_as_a_put_is(self, tree: Site) -> None:
        assert code(ask(tree, "__/none/new")) == (409, "PR409-DV-0001")
        assert code(ask(tree, "__/col/bad|name")) == (403, "PR403-DV-0004")
        assert code(ask(tree, "none/new")) == (404, "PR404-DV-0002")
        assert code(ask(tree, "__/other/new")) == (404, "PR404-MC-0001")

    @pytest.mark.parametrize(
        ("headers", "content", "expected"),
        [
            ({"Depth": "1"}, lockinfo(), (400, "PR400-DV-0003")),
            ({}, "<nonsense", (400, "PR400-DV-0001")),
            ({}, '<D:lockinfo xmlns:D="DAV:"/>', (400, "PR400-DV-0002")),
            ({}, lockinfo(owner=f"<D:owner>{'x' * 2000}</D:owner>"), (413, "PR413-CM-0001")),
            ({"If": "nonsense"}, lockinfo(), (400, "PR400-DV-0009")),
            ({"If": f"(<{UNKNOWN}>)"}, lockinfo(), (412, "PR412-DV-0003")),
        ],
    )
    def test_what_asks_for_no_lock_is_refused(
        self, tree: Site, headers: dict[str, str], content: str, expected: tuple[int, str]
    ) -> None:
        assert code(tree.call("LOCK", "__/other", content=content, headers=headers)) == expected
        assert tree.call("PUT", "__/other", content=b"2").status_code == 204

    def test_the_source_collection_of_a_service_is_not_locked_but_its_files_are(self, cell: Site) -> None:
        kind = "<D:collection/><p:service/>"
        body = (
            '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>'
            f"{kind}</D:resourcetype></D:prop></D:set></D:mkcol>"
        )
        assert cell.call("MKCOL", "__/svc", content=body).status_code == 201
        assert cell.call("PUT", "__/svc/__src/a.js", content=b"1").status_code == 201
        assert code(ask(cell, "__/svc/__src")) == (405, "PR405-MC-0001")
        token = lock(cell, "__/svc/__src/a.js")
        assert code(cell.call("PUT", "__/svc/__src/a.js", content=b"2")) == (423, "PR423-DV-0001")
        assert cell.call("DELETE", "__/svc/__src/a.js", headers={"If": f"(<{token}>)"}).status_code == 204

    def test_a_box_holds_as_many_locks_as_it_may_and_no_more(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"limits.locks": 2}) as unit:
            cell = unit.cell()
            tokens = [lock(cell, f"__/{name}") for name in "ab"]
            assert code(ask(cell, "__/c")) == (507, "PR507-DV-0002")
            assert cell.call("GET", "__/c").status_code == 404
            assert cell.call("UNLOCK", "__/a", headers={"Lock-Token": f"<{tokens[0]}>"}).status_code == 204
            lock(cell, "__/c")


class TestRivals:
    @pytest.mark.parametrize(
        ("held", "asked", "together"),
        [
            ("exclusive", "exclusive", False),
            ("exclusive", "shared", False),
            ("shared", "exclusive", False),
            ("shared", "shared", True),
        ],
    )
    def test_two_locks_go_together_only_when_both_are_shared(
        self, tree: Site, held: str, asked: str, together: bool
    ) -> None:
        lock(tree, "__/other", held)
        answer = ask(tree, "__/other", asked)
        if together:
            assert answer.status_code == 200
        else:
            assert code(answer) == (423, "PR423-DV-0001")
            assert unmet(answer) == ("no-conflicting-lock", [f"{tree.url}__/other"])

    def test_a_deep_lock_above_forbids_one_below_and_names_its_root(self, tree: Site) -> None:
        lock(tree, "__/col")
        for path in ("__/col", "__/col/file", "__/col/sub/deep"):
            assert unmet(ask(tree, path)) == ("no-conflicting-lock", [f"{tree.url}__/col"])
        assert ask(tree, "__/other").status_code == 200

    def test_a_lock_of_depth_0_above_forbids_nothing_on_what_is_there(self, tree: Site) -> None:
        lock(tree, "__/col", Depth="0")
        assert ask(tree, "__/col/file").status_code == 200

    def test_a_deep_lock_that_locks_below_prevent_is_a_multistatus_and_no_lock(self, tree: Site) -> None:
        lock(tree, "__/col/sub/deep")
        answer = ask(tree, "__/col")
        assert (answer.status_code, "lock-token" in answer.headers) == (207, False)
        found = {
            row.findtext("D:href", namespaces=NS): row.findtext("D:status", namespaces=NS)
            for row in etree.fromstring(answer.content)
        }
        assert found == {
            f"{tree.url}__/col/sub/deep": "HTTP/1.1 423 Locked",
            f"{tree.url}__/col": "HTTP/1.1 424 Failed Dependency",
        }
        assert tree.call("PUT", "__/col/file", content=b"2").status_code == 204
        assert ask(tree, "__/col", Depth="0").status_code == 200

    def test_of_sixteen_who_ask_for_one_exclusive_lock_exactly_one_has_it(self, cell: Site) -> None:
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: ask(cell, "__/one").status_code, range(16)))
        assert sorted(found) == [201] + [423] * 15


CHANGES = {
    "PUT": ("__/col/file", {"content": b"2"}),
    "PROPPATCH": ("__/col/file", {"content": PROPPATCH}),
    "ACL": ("__/col/file", {"content": ACL}),
    "DELETE": ("__/col/file", {}),
    "MOVE": ("__/col/file", {}),
}
"""What changes a file, and must not when it is locked."""


def change(cell: Site, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
    headers = {"Overwrite": "T", **options.pop("headers", {})}
    if method == "MOVE":
        headers.setdefault("Destination", f"{cell.url}__/moved")
    if token is not None:
        headers["If"] = f"<{cell.url}{options.pop('locked', path)}> (<{token}>)"
    return cell.call(method, path, headers=headers, **options)


class TestWhatLocksForbid:
    @pytest.mark.parametrize("method", CHANGES)
    def test_a_locked_file_is_changed_with_the_token_only(self, tree: Site, method: str) -> None:
        path, options = CHANGES[method]
        token = lock(tree, path)
        refused = change(tree, method, path, **options)
        assert code(refused) == (423, "PR423-DV-0001")
        assert unmet(refused) == ("lock-token-submitted", [tree.url + path])
        assert tree.call("GET", path).content == b"1"
        assert change(tree, method, path, token, **options).status_code in {200, 201, 204, 207}

    @pytest.mark.parametrize("method", CHANGES)
    def test_a_deep_lock_above_forbids_the_same(self, tree: Site, method: str) -> None:
        path, options = CHANGES[method]
        token = lock(tree, "__/col")
        assert unmet(change(tree, method, path, **options)) == ("lock-token-submitted", [f"{tree.url}__/col"])
        assert change(tree, method, path, token, locked="__/col", **options).status_code in {200, 201, 204, 207}

    @pytest.mark.parametrize("depth", ["0", "infinity"])
    def test_nothing_comes_into_a_locked_collection_nor_goes_out_of_it(self, tree: Site, depth: str) -> None:
        token = lock(tree, "__/col", Depth=depth)
        into = {"headers": {"Destination": f"{tree.url}__/col/moved"}}
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("PUT", "__/col/new", {"content": b"2"}),
            ("MKCOL", "__/col/made", {}),
            ("LOCK", "__/col/locked", {"content": lockinfo("shared")}),
            ("DELETE", "__/col/file", {}),
            ("MOVE", "__/other", into),
            ("MOVE", "__/col/sub", {}),
        ]
        for method, path, options in calls:
            refused = change(tree, method, path, **options)
            assert unmet(refused) == ("lock-token-submitted", [f"{tree.url}__/col"]), method
        for method, path, options in calls:
            if (method, depth) == ("LOCK", "infinity"):
                continue  # what is made there is locked already
            answer = change(tree, method, path, token, locked="__/col", **options)
            assert answer.status_code in {201, 204}, (method, answer.text)

    def test_a_lock_of_depth_0_leaves_what_is_in_the_files_alone(self, tree: Site) -> None:
        lock(tree, "__/col", Depth="0")
        assert tree.call("PUT", "__/col/file", content=b"2").status_code == 204
        assert tree.call("PUT", "__/col/sub/new", content=b"2").status_code == 201
        assert code(change(tree, "PROPPATCH", "__/col", content=PROPPATCH)) == (423, "PR423-DV-0001")

    def test_what_is_locked_can_be_read_all_the_same(self, tree: Site) -> None:
        lock(tree, "__")
        answers = [tree.call(method, "__/col/file", headers={"Depth": "0"}) for method in ("GET", "PROPFIND")]
        assert [answer.status_code for answer in answers] == [200, 207]

    @pytest.mark.parametrize("method", ["DELETE", "MOVE"])
    def test_a_collection_does_not_go_while_something_in_it_is_locked(self, tree: Site, method: str) -> None:
        token = lock(tree, "__/col/sub/deep")
        recursive = {"headers": {"X-Personium-Recursive": "true"}}
        assert unmet(change(tree, method, "__/col", **recursive)) == (
            "lock-token-submitted",
            [f"{tree.url}__/col/sub/deep"],
        )
        assert tree.call("GET", "__/col/sub/deep").status_code == 200
        answer = change(tree, method, "__/col", token, locked="__/col/sub/deep", **recursive)
        assert answer.status_code in {201, 204}

    def test_a_locked_file_is_overwritten_by_a_move_with_its_token_only(self, tree: Site) -> None:
        token = lock(tree, "__/other")
        onto = {"headers": {"Destination": f"{tree.url}__/other"}}
        assert unmet(change(tree, "MOVE", "__/col/file", **onto)) == (
            "lock-token-submitted",
            [f"{tree.url}__/other"],
        )
        assert change(tree, "MOVE", "__/col/file", token, locked="__/other", **onto).status_code == 204

    def test_a_box_does_not_go_while_something_in_it_is_locked(self, cell: Site) -> None:
        assert cell.call("POST", "__ctl/Box", json={"Name": "box"}).status_code == 201
        token = lock(cell, "box/file")
        recursive = {"X-Personium-Recursive": "true"}
        assert code(cell.call("DELETE", "box", headers=recursive)) == (423, "PR423-DV-0001")
        condition = {"If": f"<{cell.url}box/file> (<{token}>)"}
        assert cell.call("DELETE", "box", headers=recursive | condition).status_code == 204

    def test_a_put_that_a_lock_refuses_is_refused_before_its_body_is_read(self, tree: Site) -> None:
        lock(tree, "__/other")
        with Raw(tree.url) as raw:
            raw.head("PUT", f"/{tree.name}/__/other", "Content-Length: 1000000000")
            assert raw.answer()[0] == 423
        assert tree.call("GET", "__/other").content == b"1"

    def test_of_two_shared_locks_the_token_of_either_opens(self, tree: Site) -> None:
        for token in [lock(tree, "__/other", "shared") for _ in range(2)]:
            assert change(tree, "PUT", "__/other", token, content=b"2").status_code == 204

    def test_privileges_come_before_locks_and_existence(self, tree: Site) -> None:
        lock(tree, "__/other")
        tree.account("nobody", roles=("none",))
        stranger = tree.token("nobody")
        for path in ("__/other", "__/col/none"):
            for method, options in (("LOCK", {"content": lockinfo()}), ("UNLOCK", {}), ("PUT", {"content": b"2"})):
                assert tree.call(method, path, token=stranger, **options).status_code == 403, (method, path)
                assert tree.call(method, path, token=None, **options).status_code == 401, (method, path)

    def test_locking_needs_write_content_or_bind_where_nothing_is(self, tree: Site) -> None:
        tree.account("alice", roles=("r",))
        token = tree.token("alice")
        for granted, expected in (("write-content", (200, 403)), ("bind", (403, 201)), ("read", (403, 403))):
            tree.acl("__/col", {"r": granted})
            found = [ask(tree, f"__/col/{name}", "shared", token=token).status_code for name in ("file", granted)]
            assert tuple(found) == expected, granted


class TestCopies:
    def copy(self, cell: Site, source: str, goal: str, token: str | None = None, locked: str = "") -> httpx.Response:
        headers = {"Destination": cell.url + goal, "Overwrite": "T"}
        if token is not None:
            headers["If"] = f"<{cell.url}{locked}> (<{token}>)"
        return cell.call("COPY", source, headers=headers)

    def test_what_is_locked_is_copied_without_its_lock(self, tree: Site) -> None:
        lock(tree, "__/col")
        assert self.copy(tree, "__/col", "__/copied").status_code == 201
        assert tree.call("PUT", "__/copied/file", content=b"2").status_code == 204

    def test_a_copy_comes_into_a_locked_collection_with_the_token_only_and_is_locked_there(self, tree: Site) -> None:
        token = lock(tree, "__/col")
        assert unmet(self.copy(tree, "__/other", "__/col/new"))[1] == [f"{tree.url}__/col"]
        assert self.copy(tree, "__/other", "__/col/new", token, "__/col").status_code == 201
        assert code(tree.call("PUT", "__/col/new", content=b"2")) == (423, "PR423-DV-0001")

    def test_a_locked_file_is_replaced_by_a_copy_with_its_token_only_and_its_lock_ends(self, tree: Site) -> None:
        token = lock(tree, "__/other")
        assert unmet(self.copy(tree, "__/col/file", "__/other"))[1] == [f"{tree.url}__/other"]
        assert self.copy(tree, "__/col/file", "__/other", token, "__/other").status_code == 204
        assert tree.call("PUT", "__/other", content=b"2").status_code == 204

    def test_the_if_header_of_a_copy_is_heeded(self, tree: Site) -> None:
        assert code(self.copy(tree, "__/other", "__/new", UNKNOWN, "__/other")) == (412, "PR412-DV-0003")


class TestWhoseLock:
    def test_a_token_counts_only_for_who_made_the_lock(self, tree: Site) -> None:
        alice, bob = writers(tree)
        token = lock(tree, "__/other", token=alice)
        condition = {"If": f"(<{token}>)"}
        for other in (bob, MASTER):
            answer = tree.call("PUT", "__/other", token=other, content=b"2", headers=condition)
            assert code(answer) == (423, "PR423-DV-0001")
        assert tree.call("PUT", "__/other", token=alice, content=b"2", headers=condition).status_code == 204

    def test_a_lock_is_ended_by_who_made_it_or_by_a_unit_user_with_all_rights(self, tree: Site) -> None:
        alice, bob = writers(tree)
        for who, expected in ((bob, 403), (alice, 204), (MASTER, 204)):
            token = lock(tree, "__/other", "shared", token=alice)
            answer = tree.call("UNLOCK", "__/other", token=who, headers={"Lock-Token": f"<{token}>"})
            assert answer.status_code == expected

    def test_only_who_made_it_keeps_a_lock_alive(self, tree: Site) -> None:
        alice, bob = writers(tree)
        token = lock(tree, "__/other", token=alice)
        headers = {"If": f"(<{token}>)"}
        for other in (bob, MASTER):
            assert tree.call("LOCK", "__/other", token=other, headers=headers).status_code == 403
        assert tree.call("LOCK", "__/other", token=alice, headers=headers).status_code == 200

    def test_a_lock_that_anyone_may_make_is_everyones(self, tree: Site) -> None:
        assert tree.acl("__/col", {"all": "all"}).status_code == 200
        token = lock(tree, "__/col/file", token=None)
        condition = {"If": f"(<{token}>)"}
        assert tree.call("PUT", "__/col/file", token=None, content=b"2").status_code == 423
        assert tree.call("PUT", "__/col/file", token=None, content=b"2", headers=condition).status_code == 204
        tokened = {"Lock-Token": f"<{token}>"}
        assert tree.call("UNLOCK", "__/col/file", token=None, headers=tokened).status_code == 204


class TestRefreshing:
    def test_a_lock_without_a_body_keeps_the_lock_that_the_if_header_names(self, tree: Site) -> None:
        token = lock(tree, "__/col", Timeout="Second-10")
        for path in ("__/col", "__/col/sub/deep"):  # directly, and through the deep lock above
            answer = tree.call("LOCK", path, headers={"If": f"(<{token}>)", "Timeout": "Second-100"})
            assert (answer.status_code, "lock-token" in answer.headers) == (200, False)
            active = etree.fromstring(answer.content).find("D:lockdiscovery/D:activelock", NS)
            assert active.findtext("D:timeout", namespaces=NS) == "Second-100"
            assert active.findtext("D:locktoken/D:href", namespaces=NS) == token
            assert active.findtext("D:lockroot/D:href", namespaces=NS) == f"{tree.url}__/col"

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (None, (400, "PR400-DV-0010")),
            ('(["1-1"])', (400, "PR400-DV-0009")),
            (f"(<{UNKNOWN}>)", (412, "PR412-DV-0003")),
            (f"(Not <{UNKNOWN}>)", (412, "PR412-DV-0003")),
            (f"(<{UNKNOWN}> <urn:x:y>)", (400, "PR400-DV-0009")),
        ],
    )
    def test_what_names_no_lock_of_the_resource_keeps_none(
        self, tree: Site, condition: str | None, expected: tuple[int, str]
    ) -> None:
        lock(tree, "__/other")
        headers = {} if condition is None else {"If": condition}
        assert code(tree.call("LOCK", "__/other", headers=headers)) == expected

    def test_what_is_not_there_has_no_lock_to_keep(self, tree: Site) -> None:
        assert code(tree.call("LOCK", "__/none", headers={"If": f"(<{UNKNOWN}>)"})) == (404, "PR404-DV-0001")


class TestEnds:
    def test_unlock_is_204_and_the_resource_is_free(self, tree: Site) -> None:
        token = lock(tree, "__/col")
        answer = tree.call("UNLOCK", "__/col/sub/deep", headers={"Lock-Token": f"<{token}>"})  # any in its scope
        assert (answer.status_code, answer.content) == (204, b"")
        assert tree.call("PUT", "__/col/file", content=b"2").status_code == 204

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, (400, "PR400-DV-0010")),
            ("nonsense", (400, "PR400-DV-0009")),
            (f"<{UNKNOWN}>", (409, "PR409-DV-0003")),
        ],
    )
    def test_unlock_without_a_token_of_this_resource_ends_nothing(
        self, tree: Site, header: str | None, expected: tuple[int, str]
    ) -> None:
        lock(tree, "__/other")
        headers = {} if header is None else {"Lock-Token": header}
        assert code(tree.call("UNLOCK", "__/other", headers=headers)) == expected
        assert tree.call("PUT", "__/other", content=b"2").status_code == 423

    def test_the_token_of_another_resource_is_409_with_the_condition(self, tree: Site) -> None:
        token = lock(tree, "__/other")
        answer = tree.call("UNLOCK", "__/col", headers={"Lock-Token": f"<{token}>"})
        assert (answer.status_code, unmet(answer)) == (409, ("lock-token-matches-request-uri", []))
        assert tree.call("UNLOCK", "__/none", headers={"Lock-Token": f"<{token}>"}).status_code == 404

    def test_a_lock_ends_by_time(self, tree: Site) -> None:
        token = lock(tree, "__/other", Timeout="Second-1")
        deadline = time.monotonic() + MAX_WAIT_S
        while (answer := tree.call("PUT", "__/other", content=b"2")).status_code == 423:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.status_code == 204
        tokened = {"Lock-Token": f"<{token}>"}
        assert code(tree.call("UNLOCK", "__/other", headers=tokened)) == (409, "PR409-DV-0003")

    @pytest.mark.parametrize("method", ["DELETE", "MOVE"])
    def test_a_lock_goes_with_its_resource(self, tree: Site, method: str) -> None:
        token = lock(tree, "__/col/file")
        assert change(tree, method, "__/col/file", token).status_code in {201, 204}
        for path in ("__/col/file", "__/moved"):
            assert tree.call("PUT", path, content=b"2").status_code in {201, 204}
            assert ask(tree, path).status_code == 200

    def test_what_is_moved_into_a_locked_collection_is_locked_with_it(self, tree: Site) -> None:
        token = lock(tree, "__/col")
        into = {"headers": {"Destination": f"{tree.url}__/col/moved"}}
        assert change(tree, "MOVE", "__/other", token, locked="__/col", **into).status_code == 201
        assert unmet(tree.call("PUT", "__/col/moved", content=b"2"))[1] == [f"{tree.url}__/col"]

    def test_an_import_ends_the_locks_and_a_snapshot_holds_none(self, tree: Site) -> None:
        lock(tree, "__/other")
        for path in ("__export", "__import"):
            assert tree.call("POST", path, json={"Name": "snap"}).status_code == 202
            deadline = time.monotonic() + MAX_WAIT_S
            while tree.call("GET", path).json()["status"] != "ready":
                assert time.monotonic() < deadline
                time.sleep(0.005)
        assert tree.call("PUT", "__/other", content=b"2").status_code == 204


class TestTheIfHeader:
    def put(self, cell: Site, condition: str, path: str = "__/other") -> int:
        return cell.call("PUT", path, content=b"2", headers={"If": condition}).status_code

    def test_one_list_must_hold_whole(self, tree: Site) -> None:
        etag = tree.call("GET", "__/other").headers["etag"]
        token = lock(tree, "__/other")
        assert self.put(tree, f'(<{token}> ["0-0"])') == 412
        assert self.put(tree, f'(<{token}> ["0-0"]) (<{token}> [{etag}])') == 204
        assert self.put(tree, f"(<{token}> Not [{etag}])") == 204
        assert self.put(tree, f"(Not <{token}>)") == 412
        assert self.put(tree, f"(<{token}> Not <DAV:no-lock>)") == 204

    def test_a_token_is_submitted_wherever_it_stands(self, tree: Site) -> None:
        token = lock(tree, "__/other")
        assert self.put(tree, "(Not <DAV:no-lock>)") == 423
        assert self.put(tree, f"(Not <DAV:no-lock>) (<{token}> <{UNKNOWN}>)") == 204

    def test_a_tag_says_of_which_resource_its_lists_are(self, tree: Site) -> None:
        token = lock(tree, "__/col")
        local = urlsplit(tree.url).path
        for tag in (f"{tree.url}__/col", f"{local}__/col", f"{tree.url}__/col/sub/deep"):
            assert self.put(tree, f"<{tag}> (<{token}>)", "__/col/file") == 204, tag
        for tag in (f"{tree.url}__/other", "http://elsewhere.example/__/col", f"{tree.url}__/%zz", tree.url):
            assert self.put(tree, f"<{tag}> (<{token}>)", "__/col/file") == 412, tag

    def test_a_resource_that_is_not_there_has_no_state(self, tree: Site) -> None:
        assert self.put(tree, '(["1-1"])', "__/new") == 412
        assert self.put(tree, '(Not ["1-1"])', "__/new") == 201

    @pytest.mark.parametrize("method", [*CHANGES, "MKCOL"])
    def test_each_method_that_changes_something_heeds_it(self, tree: Site, method: str) -> None:
        path, options = CHANGES.get(method, ("__/made", {}))
        for condition, expected in (("nonsense", (400, "PR400-DV-0009")), (f"(<{UNKNOWN}>)", (412, "PR412-DV-0003"))):
            answer = change(tree, method, path, headers={"If": condition}, **options)
            assert code(answer) == expected
        assert tree.call("GET", "__/col/file").content == b"1"

    def test_the_tag_of_another_resource_is_told_only_to_who_may_read_its_properties(self, tree: Site) -> None:
        tree.account("alice", roles=("r",))
        token = tree.token("alice")
        tree.acl("__/col", {"r": "write"})
        for granted, expected in (("read-acl", 412), ("read-properties", 204)):
            etag = tree.acl("__/other", {"r": granted}).headers["etag"]
            condition = {"If": f"<{tree.url}__/other> ([{etag}])"}
            answer = tree.call("PUT", "__/col/file", token=token, content=b"2", headers=condition)
            assert answer.status_code == expected, granted

    def test_of_sixteen_writers_with_one_tag_and_a_shared_lock_exactly_one_wins_each_version(
        self, cell: Site
    ) -> None:
        etag = cell.call("PUT", "__/a", content=b"0").headers["etag"]
        token = lock(cell, "__/a", "shared")
        for _ in range(3):
            condition = f"(<{token}> [{etag}])"

            def write(number: int, condition: str = condition) -> httpx.Response:
                return cell.call("PUT", "__/a", content=b"%d" % number, headers={"If": condition})

            with ThreadPoolExecutor(16) as pool:
                found = list(pool.map(write, range(16)))
            assert sorted(answer.status_code for answer in found) == [204] + [412] * 15
            (etag,) = [answer.headers["etag"] for answer in found if answer.status_code == 204]


class TestWhatIsTold:
    @pytest.mark.parametrize(("semantics", "classes"), [("personium", "1, 2"), ("rfc4918", "1, 2, 3")])
    def test_options_tells_the_classes_and_the_methods(
        self, unit: RunningUnit, strict: RunningUnit, semantics: str, classes: str
    ) -> None:
        cell = (strict if semantics == "rfc4918" else unit).cell()
        answer = cell.call("OPTIONS", "__")
        assert answer.headers["dav"] == classes
        assert {"LOCK", "UNLOCK"} < set(answer.headers["allow"].split(", "))
        assert cell.call("OPTIONS", "__", token=None).headers["dav"] == "1, 2"

    def test_propfind_tells_locks_under_the_word_of_the_rfc(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        cell.call("MKCOL", "__/col")
        cell.call("PUT", "__/col/file", content=b"1")
        cell.call("PUT", "__/free", content=b"1")
        deep, shared = lock(cell, "__/col", "shared"), lock(cell, "__/col/file", "shared", Depth="0")

        def told(path: str, depth: str) -> dict[str, list[str]]:
            rows = etree.fromstring(cell.call("PROPFIND", path, headers={"Depth": depth}).content)
            assert len(rows.findall(".//D:supportedlock", NS)) == len(rows)
            return {
                row.findtext("D:href", namespaces=NS).removeprefix(cell.url).rstrip("/"): row.xpath(
                    ".//D:lockdiscovery/D:activelock/D:locktoken/D:href/text()", namespaces=NS
                )
                for row in rows
            }

        assert told("__", "1") == {"__": [], "__/col": [deep], "__/free": []}
        assert told("__/col", "1") == {"__/col": [deep], "__/col/file": [deep, shared]}

    def test_supportedlock_names_both_scopes(self, strict: RunningUnit) -> None:
        answer = strict.cell().call("PROPFIND", "__", headers={"Depth": "0"})
        entries = etree.fromstring(answer.content).findall(".//D:supportedlock/D:lockentry", NS)
        scopes = [etree.QName(entry.find("D:lockscope", NS)[0]).localname for entry in entries]
        assert scopes == ["exclusive", "shared"]
        assert all(entry.find("D:locktype/D:write", NS) is not None for entry in entries)

    def test_propfind_tells_nothing_of_locks_under_the_word_of_personium(self, tree: Site) -> None:
        lock(tree, "__/other")
        assert b"lock" not in tree.call("PROPFIND", "__/other", headers={"Depth": "0"}).content

    def test_propfind_tells_locks_that_it_names_under_either_word(self, tree: Site) -> None:
        token = lock(tree, "__/other")
        named = "<D:prop><D:lockdiscovery/><D:supportedlock/></D:prop>"
        for asked in (named, f"<D:allprop/><D:include>{named[8:-9]}</D:include>"):
            body = f'<D:propfind xmlns:D="DAV:">{asked}</D:propfind>'
            row = etree.fromstring(tree.call("PROPFIND", "__/other", headers={"Depth": "0"}, content=body).content)
            assert row.xpath("//D:locktoken/D:href/text()", namespaces=NS) == [token]
            assert len(row.xpath("//D:lockentry", namespaces=NS)) == 2

    def test_locks_cannot_be_set_as_properties(self, tree: Site) -> None:
        for name in ("lockdiscovery", "supportedlock"):
            body = f'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:{name}/></D:prop></D:set></D:propertyupdate>'
            assert b"403 Forbidden" in tree.call("PROPPATCH", "__/other", content=body).content
