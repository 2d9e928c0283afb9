"""PROPFIND and PROPPATCH over HTTP: what is asked for, how deep, in whose order, in which shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.running import RunningUnit, Site, running

NS = {"D": "DAV:"}
ALWAYS = {"creationdate", "getlastmodified", "resourcetype", "getetag", "displayname", "acl"}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def propfind(body: str) -> str:
    return f'<D:propfind xmlns:D="DAV:" xmlns:Z="urn:z">{body}</D:propfind>'


def proppatch(body: str) -> str:
    return f'<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">{body}</D:propertyupdate>'


def asked(cell: Site, path: str, body: str = "", **headers: str) -> httpx.Response:
    answer = cell.call("PROPFIND", path, content=propfind(body) if body else None, headers={"Depth": "0", **headers})
    assert answer.status_code == 207, answer.text
    return answer


def stats(answer: httpx.Response) -> dict[int, dict[str, str | None]]:
    """The properties of the first resource by their status: texts by names in Clark's notation."""
    found: dict[int, dict[str, str | None]] = {}
    for stat in etree.fromstring(answer.content).find("D:response", NS).findall("D:propstat", NS):
        status = int(stat.findtext("D:status", namespaces=NS).split()[1])
        found[status] = {each.tag.replace("{DAV:}", ""): each.text for each in stat.find("D:prop", NS)}
    return found


def hrefs(answer: httpx.Response) -> list[str]:
    return etree.fromstring(answer.content).xpath("/D:multistatus/D:response/D:href/text()", namespaces=NS)


@pytest.fixture(scope="module")
def rfc_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit where RFC 4918 has the last word."""
    with running(tmp_path_factory.mktemp("rfc") / "data", **{"dav.semantics": "rfc4918"}) as unit:
        yield unit


@pytest.fixture
def rfc(rfc_unit: RunningUnit) -> Site:
    """A fresh cell of that unit."""
    return rfc_unit.cell()


@pytest.fixture
def file(cell: Site) -> Site:
    """A cell with the file ``__/f.txt``."""
    cell.call("PUT", "__/f.txt", content=b"12345", headers={"Content-Type": "text/plain"})
    cell.call("PROPPATCH", "__/f.txt", content=proppatch("<D:set><D:prop><Z:a>1</Z:a></D:prop></D:set>"))
    return cell


class TestWhatIsAskedFor:
    def test_prop_answers_those_properties_and_names_the_missing_ones(self, file: Site) -> None:
        names = "<D:getcontentlength/><Z:none/><Z:a/><bare xmlns=''/><D:quota-of-none/>"
        assert stats(asked(file, "__/f.txt", f"<D:prop>{names}</D:prop>")) == {
            200: {"getcontentlength": "5", "{urn:z}a": "1"},
            404: {"{urn:z}none": None, "bare": None, "quota-of-none": None},
        }

    def test_propname_answers_names_without_values(self, file: Site) -> None:
        found = stats(asked(file, "__/f.txt", "<D:propname/>"))
        assert found == {200: dict.fromkeys((*ALWAYS, "getcontentlength", "getcontenttype", "{urn:z}a"))}

    @pytest.mark.parametrize("body", ["", "<D:allprop/>"])
    def test_allprop_and_no_body_answer_all(self, file: Site, body: str) -> None:
        found = stats(asked(file, "__/f.txt", body))
        assert found.keys() == {200}
        assert found[200].keys() == {*ALWAYS, "getcontentlength", "getcontenttype", "{urn:z}a"}

    def test_include_names_what_is_not_there_beside_all(self, file: Site) -> None:
        found = stats(asked(file, "__/f.txt", "<D:allprop/><D:include><D:getetag/><Z:none/></D:include>"))
        assert found[404] == {"{urn:z}none": None}
        assert found[200].keys() >= ALWAYS

    def test_getetag_is_that_of_get_and_displayname_the_name_until_another_is_set(self, file: Site) -> None:
        names = "<D:prop><D:getetag/><D:displayname/></D:prop>"
        etag = file.call("GET", "__/f.txt").headers["etag"]
        assert stats(asked(file, "__/f.txt", names))[200] == {"getetag": etag, "displayname": "f.txt"}
        change = proppatch("<D:set><D:prop><D:displayname>Fine</D:displayname></D:prop></D:set>")
        file.call("PROPPATCH", "__/f.txt", content=change)
        assert stats(asked(file, "__/f.txt", names))[200]["displayname"] == "Fine"
        assert len(etree.fromstring(asked(file, "__/f.txt").content).findall(".//D:displayname", NS)) == 1
        assert stats(asked(file, "__", names))[200]["displayname"] == "__"

    def test_getcontentlanguage_is_there_once_it_was_set(self, file: Site) -> None:
        names = "<D:prop><D:getcontentlanguage/></D:prop>"
        assert stats(asked(file, "__/f.txt", names)) == {404: {"getcontentlanguage": None}}
        change = proppatch("<D:set><D:prop><D:getcontentlanguage>ja</D:getcontentlanguage></D:prop></D:set>")
        file.call("PROPPATCH", "__/f.txt", content=change)
        assert stats(asked(file, "__/f.txt", names)) == {200: {"getcontentlanguage": "ja"}}

    def test_cells_and_snapshot_files_answer_what_is_asked_too(self, file: Site) -> None:
        names = '<D:prop><p:cellstatus xmlns:p="urn:x-personium:xmlns"/><Z:none/></D:prop>'
        assert stats(asked(file, "", names)) == {
            200: {"{urn:x-personium:xmlns}cellstatus": "normal"},
            404: {"{urn:z}none": None},
        }
        file.call("PUT", "__snapshot/s.zip", content=b"123")
        found = stats(asked(file, "__snapshot/s.zip", "<D:prop><D:getcontentlength/><Z:none/></D:prop>"))
        assert found == {200: {"getcontentlength": "3"}, 404: {"{urn:z}none": None}}

    @pytest.mark.parametrize("body", ["<D:other xmlns:D='DAV:'/>", "<a", '<D:propfind xmlns:D="DAV:" xmlns:x=""/>'])
    def test_what_is_no_propfind_is_400(self, cell: Site, body: str) -> None:
        assert cell.call("PROPFIND", "__", content=body, headers={"Depth": "0"}).status_code == 400


class TestHowDeep:
    def plant(self, cell: Site) -> None:
        for path in ("__/c", "__/c/d"):
            cell.call("MKCOL", path)
        for path in ("__/a", "__/c/f", "__/c/d/g"):
            cell.call("PUT", path, content=b"1")

    def test_infinity_is_served_where_it_is_allowed_and_implied_under_rfc_4918(
        self, rfc: Site, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        tree = ["", "/a", "/c/", "/c/d/", "/c/d/g", "/c/f"]
        self.plant(rfc)
        for headers in ({"Depth": "infinity"}, {}):
            answer = rfc.call("PROPFIND", "__", headers=headers)
            assert [each.partition("/__")[2] for each in hrefs(answer)] == ["/", *tree[1:]]
        with running(tmp_path_factory.mktemp("deep") / "data", **{"dav.infinity": True}) as unit:
            cell = unit.cell()
            self.plant(cell)
            answer = cell.call("PROPFIND", "__", headers={"Depth": "Infinity"})
            assert [each.partition("/__")[2] for each in hrefs(answer)] == [each.rstrip("/") for each in tree]
            assert cell.call("PROPFIND", "__").status_code == 400

    def test_what_asks_for_an_app_further_down_is_left_out_with_all_below_it(self, rfc: Site) -> None:
        self.plant(rfc)
        rfc.account("ann", roles=("r",))
        token = rfc.token("ann")
        rfc.acl("__", {"r": "read"})
        rfc.acl("__/c/d", {}, authz="public")
        for depth, path, expected in (("1", "__/c", 2), ("infinity", "__", 4)):
            answer = rfc.call("PROPFIND", path, token=token, headers={"Depth": depth})
            assert len(hrefs(answer)) == expected

    def test_inherited_entries_are_told_as_of_where_they_stand_at_every_level(self, rfc: Site) -> None:
        self.plant(rfc)
        rfc.call("POST", "__ctl/Role", json={"Name": "r"})
        rfc.acl("__/c", {"r": "read"})
        root = etree.fromstring(rfc.call("PROPFIND", "__", headers={"Depth": "infinity"}).content)
        found = {
            response.findtext("D:href", namespaces=NS).partition("/__")[2]: [
                each.partition("/__")[2] for each in response.xpath(".//D:inherited/D:href/text()", namespaces=NS)
            ]
            for response in root.findall("D:response", NS)
        }
        assert found == {"/": [], "/a": [], "/c/": [], "/c/d/": ["/c"], "/c/d/g": ["/c"], "/c/f": ["/c"]}

    def test_own_entries_stand_before_inherited_ones_however_acls_change_on_the_way(self, rfc: Site) -> None:
        self.plant(rfc)
        rfc.call("PUT", "__/c/d/h", content=b"1")
        rfc.acl("", {"all": "p:auth-read"})
        rfc.acl("__/c", {"all": "write"}, authz="none")
        rfc.acl("__/c/d", {"all": "read"})
        rfc.acl("__/c/d/g", {"all": "read-acl"})
        root = etree.fromstring(rfc.call("PROPFIND", "__", headers={"Depth": "infinity"}).content)
        found = {
            response.findtext("D:href", namespaces=NS).partition("/__")[2]: [
                etree.QName(each).localname for each in response.xpath(".//D:privilege/*", namespaces=NS)
            ]
            for response in root.findall("D:response", NS)
        }
        top, deep = ["auth-read"], ["read", "write", "auth-read"]
        below = {"/c/d/": deep, "/c/d/g": ["read-acl", *deep], "/c/d/h": deep}
        assert found == {"/": top, "/a": top, "/c/": ["write", *top], "/c/f": ["write", *top], **below}

    def test_an_acl_is_there_when_it_is_asked_for_and_hides_nothing_when_it_is_not(self, rfc: Site) -> None:
        self.plant(rfc)
        rfc.account("ann", roles=("r",))
        token = rfc.token("ann")
        rfc.acl("__", {"r": "read"})
        rfc.acl("__/c", {"r": "read-acl"})
        rfc.acl("__/c/d", {}, authz="public")
        for names, shown in (("<D:getetag/><D:acl/>", 2), ("<D:getetag/>", 0), ("<D:acl/>", 2)):
            body = propfind(f"<D:prop>{names}</D:prop>")
            answer = rfc.call("PROPFIND", "__", token=token, content=body, headers={"Depth": "infinity"})
            assert (len(hrefs(answer)), answer.text.count("<acl ")) == (4, shown), names
        told = rfc.call("PROPFIND", "__/c", content=propfind("<D:propname/>"), headers={"Depth": "1"})
        assert told.text.count("<acl/>") == 3


class TestProppatch:
    def patched(self, cell: Site, *changes: tuple[str, str]) -> httpx.Response:
        parts = "".join(f"<D:{what}><D:prop>{element}</D:prop></D:{what}>" for what, element in changes)
        answer = cell.call("PROPPATCH", "__/f.txt", content=proppatch(parts))
        assert answer.status_code == 207, answer.text
        return answer

    @pytest.mark.parametrize(
        ("changes", "left"),
        [
            ((("set", "<Z:b>1</Z:b>"), ("remove", "<Z:b/>")), None),
            ((("remove", "<Z:b/>"), ("set", "<Z:b>1</Z:b>")), "1"),
            ((("set", "<Z:b>1</Z:b>"), ("set", "<Z:b>2</Z:b>")), "2"),
            ((("set", "<Z:b>1</Z:b>"), ("remove", "<Z:b/>"), ("set", "<Z:b>3</Z:b>")), "3"),
        ],
    )
    def test_changes_are_made_in_the_order_of_the_document(
        self, file: Site, changes: tuple[tuple[str, str], ...], left: str | None
    ) -> None:
        self.patched(file, *changes)
        assert stats(asked(file, "__/f.txt"))[200].get("{urn:z}b") == left

    def test_a_property_brings_no_namespace_but_those_it_uses(self, file: Site) -> None:
        def update(declared: str, names: str) -> httpx.Response:
            changed = f"<D:set><D:prop>{names}</D:prop></D:set>"
            body = f'<D:propertyupdate xmlns:D="DAV:" {declared}>{changed}</D:propertyupdate>'
            return file.call("PROPPATCH", "__/f.txt", content=body)

        many = " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(63))
        assert update(many, "<n1:a n2:b='1'><n3:c/></n1:a>").status_code == 207
        shown = asked(file, "__/f.txt", "<D:prop><a xmlns='urn:1'/></D:prop>").text
        assert [f'"urn:{number}"' in shown for number in (1, 2, 3, 4)] == [True, True, True, False]
        assert update("", "".join(f'<a xmlns="urn:{number}"/>' for number in range(200))).status_code == 207
        for declared in (f'{many} xmlns:more="urn:more"', f'xmlns:long="{"u" * 257}"'):
            assert update(declared, "<a/>").status_code == 400

    def test_names_in_any_namespace_or_none_come_back_as_they_went_in(self, file: Site) -> None:
        elements = {
            "{urn:z}a": "<Z:a>1<Z:in/></Z:a>",
            "none": '<none xmlns="">2</none>',
            "{http://e.x/?a&b}odd": '<odd xmlns="http://e.x/?a&amp;b">3</odd>',
            "{urn:z}mixed": '<Z:mixed><none xmlns="">4</none><D:in/></Z:mixed>',
        }
        answer = self.patched(file, *(("set", element) for element in elements.values()))
        assert stats(answer).keys() == {200}
        root = etree.fromstring(asked(file, "__/f.txt").content)
        for name in elements:
            assert len(root.findall(f".//{{DAV:}}prop/{name}")) == 1, name
        mixed = root.find(".//{urn:z}mixed")
        assert [each.tag for each in mixed] == ["none", "{DAV:}in"]

    @pytest.mark.parametrize("where", ["property", "prop", "set", "propertyupdate"])
    def test_the_language_of_a_value_is_kept_wherever_it_is_said(self, file: Site, where: str) -> None:
        said = {each: ' xml:lang="ja"' if each == where else "" for each in ("property", "prop", "set")}
        body = f"<D:set{said['set']}><D:prop{said['prop']}><Z:b{said['property']}>猫</Z:b></D:prop></D:set>"
        update = proppatch(body)
        if where == "propertyupdate":
            update = update.replace("xmlns:D", 'xml:lang="ja" xmlns:D', 1)
        file.call("PROPPATCH", "__/f.txt", content=update.encode())
        root = etree.fromstring(asked(file, "__/f.txt").content)
        assert root.find(".//{urn:z}b").get(XML_LANG) == "ja"

    @pytest.mark.parametrize("name", ["getetag", "resourcetype", "acl", "lockdiscovery", "creationdate"])
    @pytest.mark.parametrize("what", ["set", "remove"])
    def test_what_the_unit_keeps_is_403_the_rest_424_and_nothing_is_changed(
        self, file: Site, name: str, what: str
    ) -> None:
        before = asked(file, "__/f.txt").content
        answer = self.patched(file, ("set", "<Z:new>1</Z:new>"), (what, f"<D:{name}/>"), ("remove", "<Z:a/>"))
        assert {status: set(names) for status, names in stats(answer).items()} == {
            403: {name},
            424: {"{urn:z}new", "{urn:z}a"},
        }
        assert asked(file, "__/f.txt").content == before

    def test_the_status_of_a_cell_is_kept_by_the_unit_and_elsewhere_a_name_as_others(self, file: Site) -> None:
        status = '<p:cellstatus xmlns:p="urn:x-personium:xmlns">mine</p:cellstatus>'
        change = proppatch(f"<D:set><D:prop>{status}<Z:b>1</Z:b></D:prop></D:set>")
        answer = file.call("PROPPATCH", "", content=change)
        name = "{urn:x-personium:xmlns}cellstatus"
        assert {each: set(names) for each, names in stats(answer).items()} == {403: {name}, 424: {"{urn:z}b"}}
        shown = stats(asked(file, ""))[200]
        assert (shown[name], "{urn:z}b" in shown) == ("normal", False)
        self.patched(file, ("set", status))
        assert stats(asked(file, "__/f.txt"))[200][name] == "mine"

    @pytest.mark.parametrize("semantics", ["personium", "rfc4918"])
    def test_names_in_the_namespace_of_xml_are_spelled_so_that_they_can_be_read(
        self, cell: Site, rfc: Site, semantics: str
    ) -> None:
        site, name = rfc if semantics == "rfc4918" else cell, "{http://www.w3.org/XML/1998/namespace}foo"
        site.call("PUT", "__/f.txt", content=b"1")
        assert name in stats(asked(site, "__/f.txt", "<D:prop><xml:foo/></D:prop>"))[404]
        assert name in stats(self.patched(site, ("set", "<xml:foo>1</xml:foo>")))[200]
        for body in ("", "<D:propname/>", "<D:prop><xml:foo/></D:prop>"):
            assert name in stats(asked(site, "__/f.txt", body))[200]
        assert name in stats(self.patched(site, ("remove", "<xml:foo/>")))[200]

    def test_under_rfc_4918_names_are_told_without_values_and_nothing_to_remove_is_a_success(self, rfc: Site) -> None:
        rfc.call("PUT", "__/f.txt", content=b"1")
        answer = self.patched(rfc, ("set", "<Z:b>1</Z:b>"), ("remove", "<Z:none/>"))
        assert stats(answer) == {200: {"{urn:z}b": None, "{urn:z}none": None}}

    def test_personium_tells_values_and_what_was_not_there(self, file: Site) -> None:
        answer = self.patched(file, ("set", "<Z:b>1</Z:b>"), ("remove", "<Z:none/>"))
        assert stats(answer) == {200: {"{urn:z}b": "1"}, 404: {"{urn:z}none": None}}


FEW: Mapping[str, object] = {"limits.properties_of_resource": 3, "limits.property_bytes": 1024}


@pytest.fixture(scope="module")
def few_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit where a resource has three properties at most, of 1 KiB in all."""
    with running(tmp_path_factory.mktemp("few") / "data", **FEW) as unit:
        yield unit


@pytest.fixture
def site(few_unit: RunningUnit) -> Site:
    """A fresh cell of that unit with the file ``__/f.txt``."""
    cell = few_unit.cell()
    cell.call("PUT", "__/f.txt", content=b"1")
    return cell


class TestHowManyProperties:
    def patch(self, site: Site, path: str, *names: str, value: str = "", removed: str = "") -> tuple[int, str]:
        """The status and the code of a PROPPATCH that removes one property and sets those of *names*."""
        parts = f"<D:remove><D:prop><Z:{removed}/></D:prop></D:remove>" if removed else ""
        for name in names:
            parts += f"<D:set><D:prop><Z:{name}>{value}</Z:{name}></D:prop></D:set>"
        answer = site.call("PROPPATCH", path, content=proppatch(parts))
        return answer.status_code, "" if answer.status_code == 207 else str(answer.json()["code"])

    @pytest.mark.parametrize("path", ["__/f.txt", "__", ""])
    def test_the_last_that_fits_is_set_and_one_more_is_507_and_changes_nothing(self, site: Site, path: str) -> None:
        assert self.patch(site, path, "a") == (207, "")
        before = asked(site, path).content
        assert self.patch(site, path, "a", "b", "c", "d", value="2") == (507, "PR507-DV-0004")
        assert asked(site, path).content == before
        assert self.patch(site, path, "b", "c") == (207, "")
        assert self.patch(site, path, "d") == (507, "PR507-DV-0004")
        assert self.patch(site, path, "a", value="2") == (207, "")
        assert self.patch(site, path, "d", removed="b") == (207, "")
        assert stats(asked(site, path))[200].items() >= {"{urn:z}a": "2", "{urn:z}d": None}.items()

    def test_their_bytes_are_counted_together(self, site: Site) -> None:
        assert self.patch(site, "__/f.txt", "a", "b", value="x" * 350) == (207, "")
        assert self.patch(site, "__/f.txt", "c", value="x" * 350) == (507, "PR507-DV-0004")
        assert self.patch(site, "__/f.txt", "c", value="猫" * 100) == (507, "PR507-DV-0004")
        assert self.patch(site, "__/f.txt", "c", value="x" * 350, removed="a") == (207, "")

    def test_what_is_too_much_already_may_still_become_less(self, tmp_path: Path) -> None:
        with running(tmp_path / "data") as unit:
            cell = unit.cell()
            assert self.patch(cell, "__", *"abcde", value="x" * 400) == (207, "")
        with running(tmp_path / "data", **FEW) as unit:
            site = Site(unit.http, cell.name, f"{unit.url}{cell.name}/")
            assert self.patch(site, "__", "f") == (507, "PR507-DV-0004")
            assert self.patch(site, "__", "a", value="x" * 401) == (507, "PR507-DV-0004")
            assert self.patch(site, "__", removed="a") == (207, "")
            assert "{urn:z}a" not in stats(asked(site, "__"))[200]


def test_a_listing_shows_every_resource_the_same_way_at_depth_1(cell: Site) -> None:
    cell.call("MKCOL", "__/c")
    made: Mapping[str, bytes] = {"__/c/a": b"1", "__/c/b": b"22"}
    for path, content in made.items():
        cell.call("PUT", path, content=content)
    answer = asked(cell, "__/c", "<D:prop><D:getcontentlength/></D:prop>", Depth="1")
    root = etree.fromstring(answer.content)
    assert [each.findtext(".//D:getcontentlength", namespaces=NS) for each in root] == ["", "1", "2"]
    assert [len(each.findall("D:propstat", NS)) for each in root] == [1, 1, 1]
