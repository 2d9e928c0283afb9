"""Each limit from both sides: the last that fits is taken, one more is refused with its code and changes nothing.

Limits of files, collections and uploads are tested with WebDAV, those of scripts with services.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.raw import Raw
from tests.running import MASTER, RunningUnit, Site, running

MAX_WAIT_S = 20
MAX_STRING_BYTES = 51_200
ANYWHERE = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit whose limits are within reach."""
    options = {
        "limits.header_bytes": 4096,
        "limits.url_bytes": 1024,
        "limits.json_bytes": 1024,
        "limits.form_bytes": 1024,
        "limits.xml_bytes": 1024,
        "limits.xml_depth": 8,
        "limits.links_per_entity": 2,
        "limits.top_default": 3,
        "limits.top_max": 5,
        "limits.skip_max": 7,
        "limits.snapshot_bytes": 1000,
        "limits.snapshot_name_chars": 20,
        "limits.children": 3,
    }
    with running(tmp_path_factory.mktemp("narrow") / "data", **options) as unit:
        yield unit


@pytest.fixture
def tight(narrow: RunningUnit) -> Site:
    """A cell of that unit."""
    return narrow.cell()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def padded(text: str, size_bytes: int) -> bytes:
    """*text* with blanks behind it."""
    return text.encode().ljust(size_bytes)


def chunked(data: bytes) -> Iterator[bytes]:
    """*data* as a body of unknown length."""
    for at in range(0, len(data), 100):
        yield data[at : at + 100]


class TestNames:
    @pytest.mark.parametrize("entity_set", ["Box", "Role", "Account"])
    def test_control_objects_have_names_of_1_to_128_characters(self, cell: Site, entity_set: str) -> None:
        for length in (1, 128):
            made = cell.call("POST", f"__ctl/{entity_set}", json={"Name": "n" * length})
            assert made.status_code == 201, length
            assert cell.call("GET", f"__ctl/{entity_set}('{'n' * length}')").status_code == 200
        for length in (0, 129):
            answer = cell.call("POST", f"__ctl/{entity_set}", json={"Name": "n" * length})
            assert code(answer) == (400, "PR400-OD-0006"), length

    def test_cells_have_names_of_1_to_128_characters(self, unit: RunningUnit, cell: Site) -> None:
        for length, status in ((1, 201), (128, 201), (0, 400), (129, 400)):
            made = cell.http.post(
                f"{unit.url}__ctl/Cell",
                json={"Name": "z" * length},
                headers={"Authorization": f"Bearer {MASTER}"},
            )
            assert made.status_code == status, length
            if status == 400:
                assert code(made) == (400, "PR400-OD-0006")
        long = Site(cell.http, "z" * 128, f"{unit.url}{'z' * 128}/")
        assert long.call("PUT", "__/f", content="text").status_code == 201

    @pytest.mark.parametrize(("letter", "most"), [("n", 255), ("日", 255), ("😀", 127)])
    def test_files_have_names_of_1_to_255_utf_16_units(self, cell: Site, letter: str, most: int) -> None:
        for length in (1, most):
            assert cell.call("PUT", f"__/{letter * length}", content="x").status_code == 201, length
            assert cell.call("GET", f"__/{letter * length}").text == "x"
        assert code(cell.call("PUT", f"__/{letter * (most + 1)}", content="x")) == (403, "PR403-DV-0004")

    def test_snapshots_have_names_of_1_to_192_characters(self, cell: Site) -> None:
        for length in (1, 192):
            exported(cell, "s" * length)
        for length in (0, 193):
            answer = cell.call("POST", "__export", json={"Name": "s" * length})
            assert code(answer) == (400, "PR400-CM-0002"), length

    def test_their_length_can_be_made_less(self, tight: Site) -> None:
        exported(tight, "s" * 20)
        assert code(tight.call("POST", "__export", json={"Name": "s" * 21})) == (400, "PR400-CM-0002")


def exported(cell: Site, name: str) -> None:
    assert cell.call("POST", "__export", json={"Name": name}).status_code == 202
    assert ended(cell, "__export") == "ready"
    assert cell.call("HEAD", f"__snapshot/{name}.zip").status_code == 200


def ended(cell: Site, path: str) -> str:
    deadline = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < deadline:
        status = str(cell.call("GET", path).json()["status"])
        if not status.endswith("in progress"):
            return status
        time.sleep(0.005)
    raise AssertionError("it never ends")


class TestValues:
    @pytest.mark.parametrize("letter", ["x", "日"])
    def test_a_text_has_up_to_51200_bytes(self, cell: Site, letter: str) -> None:
        most = MAX_STRING_BYTES // len(letter.encode())
        text = letter * most + "x" * (MAX_STRING_BYTES - most * len(letter.encode()))
        made = cell.call("POST", "__ctl/Account", json={"Name": "full", "Cell": text})
        assert made.status_code == 201
        assert cell.call("GET", "__ctl/Account('full')").json()["d"]["results"]["Cell"] == text
        answer = cell.call("POST", "__ctl/Account", json={"Name": "over", "Cell": text + "x"})
        assert code(answer) == (400, "PR400-OD-0006")
        assert cell.call("GET", "__ctl/Account('over')").status_code == 404

    def test_a_schema_has_up_to_1024_characters(self, cell: Site) -> None:
        url = "https://app.example/"
        fits = url + "a" * (1024 - len(url) - 1) + "/"
        assert cell.call("POST", "__ctl/Box", json={"Name": "b", "Schema": fits}).status_code == 201
        answer = cell.call("POST", "__ctl/Box", json={"Name": "c", "Schema": f"{fits[:-1]}a/"})
        assert code(answer) == (400, "PR400-OD-0050")

    @pytest.mark.parametrize(
        ("value", "good"),
        [
            ("192.0.2.1", True),
            ("192.0.2.0/24,2001:db8::/32", True),
            ("0.0.0.0/1", True),
            ("192.0.2.7/32", True),
            ("", True),
            ("0.0.0.0/0", False),
            ("::/0", False),
            ("192.0.2.0/33", False),
            ("192.0.2.256", False),
            ("192.0.2.0/024", False),
            ("192.0.2.0/255.255.255.0", False),
            ("192.0.2.0/0.0.0.255", False),
            ("192.0.2.1,192.0.2.0/255.255.255.0", False),
            ("192.0.2.1, 192.0.2.2", False),
            ("192.0.2.1,", False),
            ("fe80::1", True),
            ("fe80::1%eth0", False),
            ("fe80::1%eth0/64", False),
            ("2001:db8::/129", False),
            ("localhost", False),
        ],
    )
    def test_addresses_are_addresses_or_networks_with_commas_between(
        self, cell: Site, value: str, good: bool
    ) -> None:
        answer = cell.call("POST", "__ctl/Account", json={"Name": "a", "IPAddressRange": value})
        assert answer.status_code == (201 if good else 400)
        if not good:
            assert code(answer) == (400, "PR400-OD-0006")

    @pytest.mark.parametrize(("network", "status"), [("127.0.0.0/31", 200), ("127.0.0.2/31", 400), ("::1", 400)])
    def test_the_first_and_last_address_of_a_network_are_in_it(self, cell: Site, network: str, status: int) -> None:
        cell.account("alice", IPAddressRange=network)
        assert cell.grant("alice").status_code == status


class TestBodies:
    @pytest.mark.parametrize("size_bytes", [1024, 1025])
    @pytest.mark.parametrize("body", [bytes, chunked], ids=["length", "chunks"])
    @pytest.mark.parametrize(("path", "text"), [("__ctl/Role", '{"Name": "r"}'), ("__import", '{"Name": "none"}')])
    def test_json_up_to_its_limit_is_read_and_more_is_413(
        self, tight: Site, path: str, text: str, body: type[bytes], size_bytes: int
    ) -> None:
        answer = tight.call("POST", path, content=body(padded(text, size_bytes)))
        if size_bytes > 1024:
            assert code(answer) == (413, "PR413-CM-0001")
            assert tight.call("GET", "__ctl/Role('r')").status_code == 404
        else:
            assert answer.status_code in {201, 404}

    @pytest.mark.parametrize("size_bytes", [1024, 1025])
    def test_a_form_up_to_its_limit_is_read_and_more_is_413(self, tight: Site, size_bytes: int) -> None:
        tight.account("alice")
        form = "grant_type=password&username=alice&password=password-1&rest="
        answer = tight.call("POST", "__token", token=None, content=form.ljust(size_bytes, "x"))
        assert answer.status_code == (200 if size_bytes == 1024 else 413)

    @pytest.mark.parametrize(("count", "status"), [(64, 200), (65, 400)])
    def test_a_form_has_up_to_64_fields(self, cell: Site, count: int, status: int) -> None:
        cell.account("alice")
        fields = {"grant_type": "password", "username": "alice", "password": "password-1"}
        more = {f"f{number}": "x" for number in range(count - len(fields))}
        assert cell.call("POST", "__token", token=None, data=fields | more).status_code == status

    @pytest.mark.parametrize("size_bytes", [1024, 1025])
    def test_xml_up_to_its_limit_is_read_and_more_is_413(self, tight: Site, size_bytes: int) -> None:
        text = padded('<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>', size_bytes)
        answer = tight.call("PROPFIND", "__", content=text, headers={"Depth": "0"})
        assert answer.status_code == (207 if size_bytes == 1024 else 413)

    @pytest.mark.parametrize(("depth", "status"), [(8, 207), (9, 400)])
    @pytest.mark.parametrize("path", ["", "__", "__snapshot"])
    def test_xml_nests_as_deep_as_allowed(self, tight: Site, path: str, depth: int, status: int) -> None:
        text = f'<D:propfind xmlns:D="DAV:">{"<a>" * (depth - 1)}{"</a>" * (depth - 1)}</D:propfind>'
        answer = tight.call("PROPFIND", path, content=text, headers={"Depth": "0"})
        assert answer.status_code == status
        if status == 400:
            assert code(answer) == (400, "PR400-DV-0001")

    @pytest.mark.parametrize(("depth", "status"), [(8, 207), (9, 400)])
    def test_properties_nest_as_deep_as_allowed(self, tight: Site, depth: int, status: int) -> None:
        head, tail = '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>', "</D:prop></D:set></D:propertyupdate>"
        text = f"{head}{'<a>' * (depth - 3)}{'</a>' * (depth - 3)}{tail}"
        assert tight.call("PROPPATCH", "__", content=text).status_code == status

    @pytest.mark.parametrize(
        ("method", "path", "text"),
        [
            ("PROPFIND", "__", "<a>" * 100_000),
            ("PROPFIND", "__", "<a>" * 100_000 + "</a>" * 100_000),
            ("PROPPATCH", "__", "<a" + " b='c'" * 50_000 + "/>"),
            ("ACL", "__", f"<{'a' * 500_000}/>"),
        ],
    )
    def test_xml_that_only_wastes_is_400_at_once(self, cell: Site, method: str, path: str, text: str) -> None:
        answer = cell.call(method, path, content=text, headers={"Depth": "0"})
        assert answer.status_code == 400
        assert answer.elapsed.total_seconds() < 2

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"Name":' * 100_000, '{"Name": 1' + "0" * 100_000 + "}"])
    def test_json_that_only_wastes_is_400_at_once(self, cell: Site, text: str) -> None:
        for path in ("__ctl/Role", "__export", "__ctl/Account('a')/$links/_Role"):
            answer = cell.call("POST", path, content=text)
            assert answer.status_code in {400, 404}, path
            assert answer.elapsed.total_seconds() < 2


class TestHeads:
    def test_a_request_target_up_to_its_limit_is_served_and_longer_is_414(self, narrow: RunningUnit) -> None:
        for length, status in ((1024, 200), (1025, 414)):
            answer = narrow.http.get(f"{narrow.url}healthz?".ljust(len(narrow.url) - 1 + length, "x"))
            assert answer.status_code == status, length
        assert code(answer) == (414, "PR414-CM-0001")

    def test_headers_up_to_their_limit_are_read_and_more_is_431(self, narrow: RunningUnit) -> None:
        for size_bytes, expected in ((4096, 200), (4097, 431)):
            with Raw(narrow.url) as raw:
                host = urlsplit(narrow.url).netloc
                # The first line counts with its target alone, the empty line at the end not at all.
                counted = len(f"/healthzHost: {host}\r\nX: \r\n")
                raw.send(
                    f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nX: {'x' * (size_bytes - counted)}\r\n\r\n".encode()
                )
                status, _, body = raw.answer()
                assert status == expected, size_bytes
        assert b"PR431-CM-0001" in body

    def test_a_request_key_has_up_to_128_characters(self, cell: Site) -> None:
        for length, status in ((0, 200), (1, 200), (128, 200), (129, 400)):
            answer = cell.call("GET", "", headers=ANYWHERE | {"X-Personium-RequestKey": "k" * length})
            assert answer.status_code == status, length
        assert code(answer) == (400, "PR400-EV-0002")


class TestLists:
    @pytest.mark.parametrize(
        ("query", "refusal"),
        [
            ("$top=0", None),
            ("$top=10000", None),
            ("$top=10001", "PR400-OD-0029"),
            ("$top=-1", "PR400-OD-0029"),
            ("$top=1.5", "PR400-OD-0036"),
            ("$top=99999999999999999999", "PR400-OD-0036"),
            ("$skip=0", None),
            ("$skip=100000", None),
            ("$skip=100001", "PR400-OD-0029"),
            ("$skip=-1", "PR400-OD-0029"),
            ("$skip=", "PR400-OD-0036"),
        ],
    )
    def test_top_and_skip_are_bounded(self, cell: Site, query: str, refusal: str | None) -> None:
        for path in ("__ctl/Role", "__ctl/Account"):
            answer = cell.call("GET", f"{path}?{query}")
            assert (code(answer)[1] if answer.status_code == 400 else None) == refusal

    def test_their_bounds_and_the_default_can_be_set(self, tight: Site) -> None:
        for number in range(6):
            tight.call("POST", "__ctl/Role", json={"Name": f"r{number}"})
        counts = {"": 3, "$top=5": 5, "$skip=5": 1, "$skip=7": 0, "$top=0": 0}
        for query, count in counts.items():
            assert len(tight.call("GET", f"__ctl/Role?{query}").json()["d"]["results"]) == count, query
        for query in ("$top=6", "$skip=8"):
            assert code(tight.call("GET", f"__ctl/Role?{query}")) == (400, "PR400-OD-0029")

    def test_an_entity_has_as_many_links_as_allowed(self, tight: Site) -> None:
        tight.account("alice", roles=("r0", "r1"))
        tight.call("POST", "__ctl/Role", json={"Name": "r2"})
        link = {"uri": f"{tight.url}__ctl/Role('r2')"}
        answer = tight.call("POST", "__ctl/Account('alice')/$links/_Role", json=link)
        assert code(answer) == (400, "PR400-OD-0038")
        assert tight.call("DELETE", "__ctl/Account('alice')/$links/_Role('r0')").status_code == 204
        assert tight.call("POST", "__ctl/Account('alice')/$links/_Role", json=link).status_code == 204


class TestSnapshots:
    def test_a_snapshot_up_to_its_limit_is_stored_and_a_larger_one_413(self, tight: Site) -> None:
        assert tight.call("PUT", "__snapshot/s.zip", content=b"x" * 1000).status_code == 201
        assert code(tight.call("PUT", "__snapshot/s.zip", content=b"y" * 1001)) == (413, "PR413-CM-0001")
        assert tight.call("GET", "__snapshot/s.zip").content == b"x" * 1000

    def test_the_area_holds_as_many_files_as_a_collection(self, tight: Site) -> None:
        for number in range(3):
            assert tight.call("PUT", f"__snapshot/s{number}.zip", content=b"x").status_code == 201
        assert code(tight.call("PUT", "__snapshot/s4.zip", content=b"x")) == (400, "PR400-DV-0007")
        assert code(tight.call("POST", "__export", json={"Name": "s5"})) == (400, "PR400-DV-0007")
        assert tight.call("PUT", "__snapshot/s0.zip", content=b"y").status_code == 204

    def test_an_archive_with_one_entry_too_many_is_refused_and_changes_nothing(
        self, cell: Site, tmp_path: Path
    ) -> None:
        for number in range(12):
            cell.call("PUT", f"__/f{number}", content="text")
        exported(cell, "full")
        archive = cell.call("GET", "__snapshot/full.zip").content
        count = len(zipfile.ZipFile(io.BytesIO(archive)).namelist())
        for most, good in ((count, True), (count - 1, False)):
            with running(tmp_path / f"of{most}", **{"limits.snapshot_entries": most}) as unit:
                other = unit.cell()
                other.call("PUT", "__/own", content="own")
                other.call("PUT", "__snapshot/full.zip", content=archive)
                answer = other.call("POST", "__import", json={"Name": "full"})
                if good:
                    assert answer.status_code == 202
                    assert ended(other, "__import") == "ready"
                    assert other.call("GET", "__/f11").text == "text"
                else:
                    assert answer.status_code == 400
                    assert other.call("GET", "__/own").text == "own"

    @pytest.mark.parametrize(("size_bytes", "status"), [(60_000, "ready"), (66_000, "import failed")])
    def test_a_line_up_to_its_limit_is_imported_and_a_longer_one_fails(
        self, cell: Site, tmp_path: Path, size_bytes: int, status: str
    ) -> None:
        head, tail = '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>', "</D:prop></D:set></D:propertyupdate>"
        cell.call("PUT", "__/f", content="text")
        assert cell.call("PROPPATCH", "__/f", content=f"{head}<a>{'x' * size_bytes}</a>{tail}").status_code == 207
        exported(cell, "long")
        archive = cell.call("GET", "__snapshot/long.zip").content
        with running(tmp_path / "data", **{"limits.snapshot_line_bytes": 65_536}) as unit:
            other = unit.cell()
            other.call("PUT", "__/own", content="own")
            other.call("PUT", "__snapshot/long.zip", content=archive)
            assert other.call("POST", "__import", json={"Name": "long"}).status_code == 202
            assert ended(other, "__import") == status
            if status == "ready":
                assert other.call("GET", "__/f").text == "text"
            else:
                assert other.call("DELETE", "__import").status_code == 204
                assert other.call("GET", "__/own").text == "own"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that waits for nobody, and serves one at a time."""
    options = {
        "limits.header_timeout_s": 0.1,
        "limits.body_idle_s": 0.2,
        "limits.keep_alive_s": 0.1,
        "limits.concurrent_requests": 1,
    }
    with running(tmp_path_factory.mktemp("hasty") / "data", **options) as unit:
        yield unit


class TestPatience:
    def test_a_head_that_stalls_is_408(self, hasty: RunningUnit) -> None:
        with Raw(hasty.url) as raw:
            raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            assert raw.answer()[0] == 408
            assert raw.at_end()

    def test_a_body_that_stalls_is_408_and_leaves_nothing(self, hasty: RunningUnit) -> None:
        cell = hasty.cell()
        with Raw(hasty.url) as raw:
            raw.head("PUT", f"/{cell.name}/__/f", "Content-Length: 200000")
            raw.send(b"x" * 100_000)
            assert raw.answer()[0] == 408
        assert cell.call("GET", "__/f").status_code == 404
        assert not list(hasty.data.glob("cells/*/contents/*/tmp/*"))

    def test_a_connection_on_which_nothing_more_comes_is_closed(self, hasty: RunningUnit) -> None:
        with Raw(hasty.url) as raw:
            raw.head("GET", "/healthz")
            assert raw.answer()[0] == 200
            assert raw.at_end()

    def test_requests_beyond_the_number_at_once_are_503_and_told_to_come_back(self, hasty: RunningUnit) -> None:
        cell = hasty.cell()
        with Raw(hasty.url) as raw:
            raw.head("PUT", f"/{cell.name}/__/f", "Content-Length: 5", "Expect: 100-continue")
            assert raw.answer()[0] == 100
            refused = cell.call("GET", "__/f")
            assert (*code(refused), refused.headers["retry-after"]) == (503, "PR503-SV-0001", "1")
            raw.send(b"12345")
            assert raw.answer()[0] == 201
        assert cell.call("GET", "__/f").text == "12345"


class TestTokens:
    @pytest.mark.parametrize(("asked", "given"), [("1", 1), ("3600", 3600)])
    def test_a_token_lives_as_long_as_asked_for(self, cell: Site, asked: str, given: int) -> None:
        cell.account("alice")
        assert cell.grant("alice", expires_in=asked).json()["expires_in"] == given

    @pytest.mark.parametrize("asked", ["0", "3601", "-1", "x", "1.5"])
    def test_a_life_that_no_token_has_is_400(self, cell: Site, asked: str) -> None:
        cell.account("alice")
        assert cell.grant("alice", expires_in=asked).status_code == 400
