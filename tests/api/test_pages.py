"""The page at a cell's own URL: where it comes from, and what is passed on of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.api.test_cell_root import code
from tests.running import RunningUnit, Site, running

HOME = b"<p>home</p>"


@dataclass(slots=True)
class Pages:
    """Another host: pages by path, each a status, a media type and a body."""

    url: str = ""
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    pages = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages.asked.append(f"{self.path} {self.headers.get('Authorization')} {self.headers.get('Accept')}")
            status, media_type, body = pages.answers[self.path]
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("X-Other", "kept back")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pages.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield pages
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def open_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that may reach that host."""
    with running(tmp_path_factory.mktemp("open") / "data", **{"outbound.allow": ["127.0.0.1"]}) as unit:
        yield unit


def set_page(cell: Site, url: str) -> None:
    body = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
        f"<p:relayhtmlurl>{url}</p:relayhtmlurl></D:prop></D:set></D:propertyupdate>"
    )
    assert cell.call("PROPPATCH", "", content=body).status_code == 207


def home(cell: Site, **options: str) -> httpx.Response:
    return cell.call(
        "GET", "", token=options.pop("token", None), headers={"Accept": "text/html,*/*;q=0.8", **options}
    )


class TestOtherHosts:
    def test_status_and_body_are_passed_on_and_no_other_header(self, open_unit: RunningUnit, pages: Pages) -> None:
        pages.answers |= {"/home": (200, "text/html", HOME), "/odd": (418, "TEXT/HTML; Charset=utf-8; a=b", b"odd")}
        cell = open_unit.cell()
        set_page(cell, f" {pages.url}home\n")
        answer = home(cell)
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/html", HOME)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert {"x-other", "content-security-policy"}.isdisjoint(answer.headers)
        set_page(cell, f"{pages.url}odd")
        answer = home(cell)
        assert (answer.status_code, answer.headers["content-type"]) == (418, "text/html;charset=utf-8")

    def test_head_has_the_headers_alone(self, open_unit: RunningUnit, pages: Pages) -> None:
        pages.answers["/home"] = (200, "text/html", HOME)
        cell = open_unit.cell()
        set_page(cell, f"{pages.url}home")
        answer = cell.call("HEAD", "", token=None)
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/html", b"")

    def test_nothing_of_the_visitor_goes_to_the_host(self, open_unit: RunningUnit, pages: Pages) -> None:
        pages.answers["/visit"] = (200, "text/html", HOME)
        cell = open_unit.cell()
        set_page(cell, f"{pages.url}visit")
        cell.account("alice")
        assert home(cell, token=cell.token("alice"), Cookie="a=b").status_code == 200
        assert pages.asked[-1] == "/visit None text/html"

    def test_what_is_no_html_is_not_passed_on(self, open_unit: RunningUnit, pages: Pages) -> None:
        cell = open_unit.cell()
        for path, media_type in (("json", "application/json"), ("xhtml", "application/xhtml+xml"), ("x", "")):
            pages.answers[f"/{path}"] = (200, media_type, HOME)
            set_page(cell, f"{pages.url}{path}")
            assert code(home(cell)) == (500, "PR500-NW-0002")

    def test_a_host_that_cannot_be_reached_is_told(self, open_unit: RunningUnit) -> None:
        cell = open_unit.cell()
        for url in ("http://127.0.0.1:1/", "http://nobody.invalid/"):
            set_page(cell, url)
            assert code(home(cell)) == (500, "PR500-UI-0002")

    def test_a_private_address_is_refused_by_default(self, unit: RunningUnit, pages: Pages) -> None:
        pages.answers["/private"] = (200, "text/html", HOME)
        cell = unit.cell()
        for url in (f"{pages.url}private", "http://169.254.169.254/latest/meta-data/", "http://[::1]/"):
            set_page(cell, url)
            assert code(home(cell)) == (500, "PR500-UI-0002")
        assert not [each for each in pages.asked if each.startswith("/private")]

    @pytest.mark.parametrize(
        "url",
        ["ftp://a.example/", "file:///etc/passwd", "home.html", "personium-localbox:/a", "javascript:1", "//a/"],
    )
    def test_another_kind_of_url_is_no_page(self, cell: Site, url: str) -> None:
        set_page(cell, url)
        assert code(home(cell)) == (412, "PR412-UI-0002")


class TestOwnPages:
    """The unit may not reach itself over the network here: what is read, is read without."""

    @pytest.fixture
    def cell(self, unit: RunningUnit) -> Site:
        cell = unit.cell()
        for name in ("open", "closed"):
            assert cell.call("MKCOL", f"__/{name}").status_code == 201
        cell.acl("__/open", {"all": "read"})
        html = {"Content-Type": "text/html; charset=utf-8"}
        for path, body in (("open/ä.html", HOME), ("closed/a.html", HOME), ("open/long.html", HOME * 10_000)):
            assert cell.call("PUT", f"__/{path}", content=body, headers=html).status_code == 201
        cell.call("PUT", "__/open/a.txt", content=b"a", headers={"Content-Type": "text/plain"})
        return cell

    def test_a_file_that_anyone_may_read_is_the_page_in_every_spelling(self, cell: Site) -> None:
        for start in (
            "personium-localcell:/",
            cell.url,
            f"personium-localunit:{cell.name}:/",
            f"personium-localunit:/{cell.name}/",
        ):
            set_page(cell, f"{start}__/open/%C3%A4.html?x=1#top")
            answer = home(cell)
            assert (answer.status_code, answer.content) == (200, HOME), start
            assert answer.headers["content-type"] == "text/html;charset=utf-8"

    def test_a_long_file_is_whole(self, cell: Site) -> None:
        set_page(cell, "personium-localcell:/__/open/long.html")
        assert home(cell).content == HOME * 10_000

    def test_another_cell_may_have_the_page(self, cell: Site, unit: RunningUnit) -> None:
        other = unit.cell()
        set_page(other, f"personium-localunit:{cell.name}:/__/open/%C3%A4.html")
        assert home(other).content == HOME

    def test_what_nobody_may_read_is_not_shown_to_its_owner_either(self, cell: Site) -> None:
        set_page(cell, "personium-localcell:/__/closed/a.html")
        assert code(home(cell)) == (500, "PR500-UI-0002")
        assert code(cell.call("GET", "", headers={"Accept": "text/html"})) == (500, "PR500-UI-0002")

    @pytest.mark.parametrize(
        "path",
        ["", "__", "__/open", "__/open/none.html", "none/a.html", "__ctl/Box", "__/open/%2e%2e/a", "__/open/%zz"],
    )
    def test_what_is_no_file_is_no_page(self, cell: Site, path: str) -> None:
        for start in ("personium-localcell:/", cell.url):
            set_page(cell, start + path)
            assert code(home(cell)) == (500, "PR500-UI-0002")

    def test_a_cell_that_is_not_there_has_no_page(self, cell: Site) -> None:
        set_page(cell, "personium-localunit:nowhere:/__/a.html")
        assert code(home(cell)) == (500, "PR500-UI-0002")

    def test_a_file_that_is_no_html_is_no_page(self, cell: Site) -> None:
        set_page(cell, "personium-localcell:/__/open/a.txt")
        assert code(home(cell)) == (500, "PR500-NW-0002")


def test_a_cell_without_a_page_of_its_own_has_the_units(tmp_path: Path) -> None:
    default = "personium-localunit:main:/__/home.html"
    with running(tmp_path / "data", **{"html.relay_url": default, "outbound.max_bytes": 2_000}) as unit:
        main, cell = unit.cell("main"), unit.cell()
        assert code(home(cell)) == (500, "PR500-UI-0002")
        main.call("PUT", "__/home.html", content=HOME, headers={"Content-Type": "text/html"})
        main.acl("__", {"all": "read"})
        assert home(cell).content == HOME
        set_page(cell, "")
        assert home(cell).content == HOME
        main.call("PUT", "__/home.html", content=HOME * 1_000, headers={"Content-Type": "text/html"})
        assert code(home(cell)) == (500, "PR500-UI-0002")
