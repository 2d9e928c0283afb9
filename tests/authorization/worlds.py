"""The units and cells that the requests of the matrix are sent to, and the connection that they are sent over."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from tests.authorization.expected import Granted, Rules
from tests.authorization.principals import (
    APP,
    CLINIC,
    FRIEND,
    PARTNER,
    PEER,
    ROOT,
    USERS,
    Principal,
    Said,
    Sent,
    held,
)
from tests.authorization.privileges import BOX_PRIVILEGES, CELL_PRIVILEGES, element
from tests.authorization.rows import RESOURCES, Row
from tests.hosts import named
from tests.running import MASTER, RunningUnit, Site, running
from tests.services import make_service

CODE = re.compile(rb"PR[0-9]{3}-[A-Z]{2}-[0-9]{4}")
OPTIONS: Mapping[str, object] = {
    "auth.failure_floor_ms": 0,
    "auth.hash_r": 1,
    "unit_user_issuers": f"personium-localunit:{USERS}:/",
}


# Units in both styles


@dataclass(frozen=True, slots=True)
class Ground:
    """A unit: where it is, what it is called, and how its cells are."""

    url: str
    port: int
    http: httpx.Client
    path_style: bool

    def cell(self, name: str) -> Site:
        """The cell of that name, made for the unit user ``owner`` when it is not there."""
        unit = urlsplit(self.url)
        url = f"{self.url}{name}/" if self.path_style else f"{unit.scheme}://{name}.{unit.netloc}/"
        site = Site(self.http, name, url)
        if site.call("PROPFIND").status_code == 404:
            users = url.replace(name, USERS, 1)
            headers = {"Authorization": f"Bearer {MASTER}", "X-Personium-Unit-User": f"{users}#owner"}
            made = self.http.post(f"{self.url}__ctl/Cell", json={"Name": name}, headers=headers)
            assert made.status_code == 201, made.text
        return site


@contextmanager
def ground(data: Path, style: str) -> Iterator[Ground]:
    """A unit whose cells are paths of it, or hosts of their own."""
    if style == "path":
        with running(data, **OPTIONS) as unit:
            yield _own(unit)
    else:
        with named(data, path_style=False, **OPTIONS) as unit_named:
            yield Ground("http://unit.example/", unit_named.port, unit_named.http, path_style=False)


def _own(unit: RunningUnit) -> Ground:
    return Ground(unit.url, urlsplit(unit.url).port or 80, unit.http, path_style=True)


# Cells


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A cell to be: the name of its box, and the rules that hold there."""

    name: str
    rules: Rules
    box: str = "box"


def _to_holders() -> Granted:
    """Each privilege, wherever it can be granted, to the role that is named after both."""
    own = dict.fromkeys(("box", "collection", "own"), BOX_PRIVILEGES)
    return {
        place: {held(place, each): (each,) for each in privileges}
        for place, privileges in {"cell": (*CELL_PRIVILEGES, *BOX_PRIVILEGES), **own}.items()
    }


def _to(word: str) -> Granted:
    """Some privileges at each place to everyone whom *word* names; all that the cell has to the role of its root."""
    granted: dict[str, dict[str, tuple[str, ...]]] = {
        "cell": {word: ("auth-read", "social", "box", "rule-read", "propfind", "sign", "read-properties", "bind")},
        "box": {word: ("read", "write-properties")},
        "collection": {word: ("unbind", "exec")},
        "own": {word: ("write", "alter-schema")},
    }
    granted["cell"][held("cell", "root")] = ("root",)
    return granted


_TO_ROOT: Granted = {"cell": {held("cell", "root"): ("root",)}}


def _asking(name: str, levels: Mapping[str, str], *, app: bool) -> World:
    return World(name, Rules(_TO_ROOT, levels, APP if app else None))


CLOSED = World("closed", Rules(_to_holders(), {}))
"""Each privilege is granted to a role of its own."""

OPEN = tuple(World(f"for-{word}", Rules(_to(word), {})) for word in ("all", "authenticated", "unauthenticated"))
"""Some privileges are granted to everyone, to those who are known, and to those who are not."""

MAIN_BOX = World("main-box", Rules(_TO_ROOT, {}), box="__")

OF_APPS = (
    _asking("app", {}, app=True),
    _asking("app-none", {"box": "none"}, app=True),
    _asking("app-public", {"box": "public"}, app=True),
    _asking("app-confidential", {"box": "confidential"}, app=True),
    _asking("any-public", {"box": "public"}, app=False),
    _asking("any-confidential", {"box": "confidential"}, app=False),
    _asking("none-below", {"box": "confidential", "collection": "none"}, app=True),
    _asking("public-below", {"collection": "public", "own": "none"}, app=True),
    _asking("from-the-cell", {"cell": "public"}, app=True),
)
"""Boxes with and without an app, and the authentication of it that is asked for."""


def _acl_body(site: Site, granted: Mapping[str, tuple[str, ...]], level: str | None) -> str:
    def principal(word: str) -> str:
        return f"<D:{word}/>" if word in {"all", "authenticated", "unauthenticated"} else f"<D:href>{word}</D:href>"

    entries = "".join(
        f"<D:ace><D:principal>{principal(word)}</D:principal><D:grant>"
        + "".join(f"<D:privilege>{element(each)}</D:privilege>" for each in privileges)
        + "</D:grant></D:ace>"
        for word, privileges in granted.items()
    )
    asked = f' p:requireSchemaAuthz="{level}"' if level else ""
    base = f'xml:base="{site.url}__role/__/"'
    return f'<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"{asked} {base}>{entries}</D:acl>'


_COLLECTION = (
    '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/>'
    "{kind}</D:resourcetype></D:prop></D:set></D:mkcol>"
)
_UNRECORDED = (
    '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
    "<p:accountsnotrecordingauthhistory>Basic-without-roles,Basic-of-root</p:accountsnotrecordingauthhistory>"
    "</D:prop></D:set></D:propertyupdate>"
)


def build(ground: Ground, world: World) -> Stage:
    """The cell of *world*, with its box, one resource of each kind in a collection of it, roles and ACLs."""
    site = ground.cell(world.name)
    box = world.box
    if box != "__":
        app = world.rules.app
        body = {"Name": box} if app is None else {"Name": box, "Schema": ground.cell(app).url}
        _done(site.call("POST", "__ctl/Box", json=body))
    for collection in (f"{box}/collection", f"{box}/collection/plain"):
        _done(site.call("MKCOL", collection))
    for file in (f"{box}/taken", f"{box}/collection/file"):
        _done(site.call("PUT", file, content=b"text"))
    for kind in ("odata", "stream"):
        _done(site.call("MKCOL", f"{box}/collection/{kind}", content=_COLLECTION.format(kind=f"<p:{kind}/>")))
    make_service(site, {}, path=f"{box}/collection/service")
    _done(site.call("PUT", f"{box}/collection/service/__src/run.js", content=b"text"))
    _done(site.call("POST", f"{box}/collection/odata/$metadata/EntityType", json={"Name": "Thing"}))
    _done(site.call("PROPPATCH", "", content=_UNRECORDED))
    for role in {word for granted in world.rules.granted.values() for word in granted}:
        site.call("POST", "__ctl/Role", json={"Name": role})
    _set_acls(site, world)
    _know_others(ground, site)
    return Stage(ground, world, site)


def _set_acls(site: Site, world: World) -> None:
    collection = f"{world.box}/collection"
    paths_of = {
        "cell": ("",),
        "box": (world.box,),
        "collection": (collection,),
        "own": tuple(f"{collection}/{each}" for each in RESOURCES),
    }
    for place, paths in paths_of.items():
        granted, level = world.rules.granted.get(place, {}), world.rules.levels.get(place)
        for path in paths if granted or level else ():
            _done(site.call("ACL", path, content=_acl_body(site, granted, level)))


def _know_others(ground: Ground, site: Site) -> None:
    """Give the role of the cell's root to a cell, to a relation that one has, and to a role that one has in it."""
    for name in ("partners", "clinics"):
        _done(site.call("POST", "__ctl/Relation", json={"Name": name}))
    for name in (FRIEND, PARTNER, CLINIC):
        _done(site.call("POST", "__ctl/ExtCell", json={"Url": ground.cell(name).url}))
    doctor = f"{ground.cell(CLINIC).url}__role/__/doctor"
    _done(site.call("POST", "__ctl/ExtRole", json={"ExtRole": doctor, "_Relation.Name": "clinics"}))
    friend, partner, clinic = (f"ExtCell('{_key(ground.cell(each).url)}')" for each in (FRIEND, PARTNER, CLINIC))
    doctor_there = f"ExtRole(ExtRole='{_key(doctor)}',_Relation.Name='clinics')"
    root = f"Role('{ROOT}')"
    for source, way, target in (
        (friend, "_Role", root),
        (partner, "_Relation", "Relation('partners')"),
        ("Relation('partners')", "_Role", root),
        (clinic, "_Relation", "Relation('clinics')"),
        (doctor_there, "_Role", root),
    ):
        _done(site.call("POST", f"__ctl/{source}/$links/{way}", json={"uri": f"{site.url}__ctl/{target}"}))


def _key(url: str) -> str:
    return quote(url, safe="")


def _done(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 201, 204, 207}, answer.text


# Requests


class Line:
    """A connection that stays open, and asks one thing after the other: quicker than a library."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._answers = self._socket.makefile("rb")

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Headers, bytes]:
        """Status, headers and body of the answer."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        length = [f"Content-Length: {len(body)}"] if body else []
        self._socket.sendall("\r\n".join((*lines, *length, "", "")).encode() + body)
        status = int(self._line().split()[1])
        found: dict[str, list[str]] = {}
        while line := self._line():
            name, _, value = line.partition(": ")
            found.setdefault(name.lower(), []).append(value)
        return status, found, b"" if method == "HEAD" else self._body(found)

    def _line(self) -> str:
        return self._answers.readline().decode().rstrip("\r\n")

    def _body(self, headers: Headers) -> bytes:
        if "transfer-encoding" not in headers:
            return self._answers.read(int(headers.get("content-length", ["0"])[0]))
        body = b""
        while size := int(self._line(), 16):
            body += self._answers.read(size)
            self._line()
        self._line()
        return body

    def close(self) -> None:
        """End it."""
        self._answers.close()
        self._socket.close()


Headers = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer to a method: its status, why it says no, and the challenges that come with it."""

    method: str
    status: int
    said: Said | None
    challenges: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((str(self.said or self.status), *self.challenges))


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The cell of a world, and the credentials of those who ask there."""

    ground: Ground
    world: World
    site: Site
    sent: dict[Principal, Sent] = field(default_factory=dict)

    @property
    def unit_url(self) -> str:
        """The URL of the unit."""
        return self.ground.url

    def cell(self, name: str) -> Site:
        """Another cell of the unit."""
        return self.ground.cell(name)

    def admit(self, subjects: Iterable[Principal]) -> None:
        """Give each of *subjects* the credentials that it has."""
        self.sent.update({who: who.sends(self, who) for who in subjects})

    def ask(self, line: Line, row: Row, sent: Sent, *, at_unit: bool = False) -> Heard:
        """What is answered to *row*."""
        path, own = self._request(row, at_unit=at_unit)
        headers = {**own, **sent}
        peer = headers.pop(PEER, None)
        if peer is not None:
            path += f"{'&' if '?' in path else '?'}{PEER}={peer}"
        status, found, body = line.ask(row.method, path, headers, row.body)
        code = CODE.search(body)
        said = Said(status, code[0].decode()) if code else None
        return Heard(row.method, status, said, tuple(found.get("www-authenticate", ())))

    @cache  # noqa: B019 - for as long as the tests run
    def _request(self, row: Row, *, at_unit: bool) -> tuple[str, Sent]:
        """Path and headers of *row* here."""
        url = urlsplit(self.ground.url if at_unit else self.site.url)
        path = quote(f"{url.path}{self._filled(row.path)}", safe="/?&=$(),'*:")
        return path, {"Host": url.netloc, **{name: self._filled(value) for name, value in row.headers}}

    def _filled(self, text: str) -> str:
        known = {"{box}": self.world.box, "{cell}": self.site.name, "{url}": self.site.url}
        return reduce(lambda done, name: done.replace(name, known[name]), known, text)
