"""Who is measured with entities: an OData collection of Alveary, PocketBase and Kinto, each with a set of people.

The peers check nobody and wait for no disk. PocketBase is as it comes; Kinto logs errors alone, and keeps
everything in memory. Both are built into a cache folder when they are first asked for, PocketBase where there is
Go. What does not belong here: what is asked of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template
from typing import Final

from bench.contestants import ALVEARY, Starter, alveary, member
from bench.load import Order
from bench.processes import HOST, free_port, running
from bench.sites import Site

POCKETBASE: Final = "pocketbase"
KINTO: Final = "kinto"

PEOPLE: Final = 10_000
CITIES: Final = 100
PAGE: Final = 25

VERSIONS: Final = {POCKETBASE: "0.39.0", KINTO: "26.5.0"}
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alveary-bench"
_PROGRAMS: Final = {POCKETBASE: "base", KINTO: "bin/kinto"}
_BUILD_S: Final = 1200
_BODIES: Final = 1_000

_JSON: Final = {"Content-Type": "application/json"}
_ACCEPT: Final = {"Accept": "application/json"}
_PASSWORD: Final = "not-a-secret-1"
_SUPERUSER: Final = "bench@bench.example"

_PERSON: Final = '{"name": "Person %d", "city": "city%d", "age": 42, "score": 1.5, "active": true}'
_TYPES: Final = {
    "name": "Edm.String",
    "city": "Edm.String",
    "age": "Edm.Int32",
    "score": "Edm.Double",
    "active": "Edm.Boolean",
}
_FIELDS: Final = {"name": "text", "city": "text", "age": "number", "score": "number", "active": "bool"}

_MAKE_ODATA: Final = b"""<?xml version="1.0" encoding="utf-8"?>
<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>
<D:resourcetype><D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>"""

_KINTO_INI: Final = Template("""
[server:main]
use = egg:waitress
host = $host
port = %(http_port)s

[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.bucket_create_principals = system.Everyone
kinto.userid_hmac_secret = bench
kinto.batch_max_requests = 1000

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = ERROR
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
""")


Person = Mapping[str, str | int | float | bool]
"""What a person has, by name; with an ``id`` if the client chooses the key."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request that makes many people at once."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


@dataclass(frozen=True, slots=True)
class Served:
    """A set of people on a *site*: how one is made, one of the first PEOPLE got by key, and a page of a city got.

    ``parcel`` packs people into one request that makes them.
    """

    site: Site
    create: Order
    one: Order
    page: Order
    parcel: Callable[[Iterable[Person]], Parcel]


def person(number: int) -> Person:
    """The person of that number, without a key."""
    return {
        "name": f"Person {number}",
        "city": f"city{number % CITIES}",
        "age": number % 90,
        "score": number / 2,
        "active": number % 3 > 0,
    }


def person_with_key(number: int) -> Person:
    """The same with a key that all contestants take."""
    return {"id": f"p{number:014}", **person(number)}


@contextmanager
def alveary_people(folder: Path) -> Iterator[Served]:
    """An OData collection in a box that an account may use by a role: each request is checked for both."""
    with alveary(folder) as unit:
        site = member(unit)
        collection = f"{site.root}people"
        unit.call("MKCOL", collection, _MAKE_ODATA)
        unit.call("POST", f"{collection}/$metadata/EntityType", _dumps({"Name": "Person"}))
        for name, kind in _TYPES.items():
            described = {"Name": name, "Type": kind, "_EntityType.Name": "Person"}
            unit.call("POST", f"{collection}/$metadata/Property", _dumps(described))
        people = f"{collection}/Person"
        yield Served(
            site,
            Order("POST", people, _BODIES, body=_PERSON, headers=_JSON | _ACCEPT),
            Order("GET", f"{people}('p%014d')", PEOPLE, headers=_ACCEPT),
            Order("GET", f"{people}?$filter=city%%20eq%%20'city%d'&$top={PAGE}", CITIES, headers=_ACCEPT),
            lambda people: _multipart(f"{collection}/$batch", people),
        )


def _multipart(path: str, people: Iterable[Person]) -> Parcel:
    head = (
        "--bench\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nPOST Person HTTP/1.1"
    )
    parts = []
    for each in people:
        own = {("__id" if name == "id" else name): value for name, value in each.items()}
        parts.append(f"{head}\r\nContent-Type: application/json\r\n\r\n{json.dumps(own)}\r\n")
    body = "".join(parts) + "--bench--\r\n"
    return Parcel(path, body.encode(), {"Content-Type": "multipart/mixed; boundary=bench"})


@contextmanager
def pocketbase(program: Path, folder: Path) -> Iterator[Served]:
    """PocketBase as its example program has it, with a collection that is open to everybody."""
    port = free_port()
    options = ["--dir", str(folder / "data"), "--dev=false", "--automigrate=false"]
    login = [_SUPERUSER, _PASSWORD]
    subprocess.run([program, "superuser", "upsert", *login, *options], check=True, capture_output=True)
    with running([str(program), "serve", f"--http={HOST}:{port}", *options], folder, port, "/api/health") as process:
        site = Site(POCKETBASE, process)
        identity = {"identity": _SUPERUSER, "password": _PASSWORD}
        answer = site.call("POST", "/api/collections/_superusers/auth-with-password", _dumps(identity), _JSON)
        headers = _JSON | {"Authorization": json.loads(answer)["token"]}
        settings = {"batch": {"enabled": True, "maxRequests": 1000, "timeout": 60}}
        site.call("PATCH", "/api/settings", _dumps(settings), headers)
        described = {
            "name": "people",
            "type": "base",
            **dict.fromkeys(("listRule", "viewRule", "createRule"), ""),
            "fields": [{"name": name, "type": kind} for name, kind in _FIELDS.items()],
            "indexes": ["CREATE INDEX people_city ON people (city)"],
        }
        site.call("POST", "/api/collections", _dumps(described), headers)
        records = "/api/collections/people/records"

        def parcel(people: Iterable[Person]) -> Parcel:
            requests = [{"method": "POST", "url": records, "body": each} for each in people]
            return Parcel("/api/batch", _dumps({"requests": requests}))

        yield Served(
            site,
            Order("POST", records, _BODIES, body=_PERSON, headers=_JSON),
            Order("GET", f"{records}/p%014d", PEOPLE),
            Order("GET", f"{records}?filter=(city='city%d')&perPage={PAGE}&skipTotal=1", CITIES),
            parcel,
        )


@contextmanager
def kinto(program: Path, folder: Path) -> Iterator[Served]:
    """Kinto under waitress, as its command line starts it, with its memory backend and a bucket open to everybody."""
    port = free_port()
    ini = folder / "kinto.ini"
    ini.write_text(_KINTO_INI.substitute(host=HOST))
    with running([str(program), "start", "--ini", str(ini), "--port", str(port)], folder, port, "/v1/") as process:
        site = Site(KINTO, process)
        bucket = "/buckets/bench"
        records = f"{bucket}/collections/people/records"
        site.call("PUT", f"/v1{bucket}", _dumps({"permissions": {"write": ["system.Everyone"]}}), _JSON)
        site.call("PUT", f"/v1{bucket}/collections/people", _dumps({}), _JSON)

        def parcel(people: Iterable[Person]) -> Parcel:
            requests = [{"body": {"data": each}} for each in people]
            defaults = {"method": "POST", "path": f"/v1{records}"}
            return Parcel("/v1/batch", _dumps({"defaults": defaults, "requests": requests}))

        yield Served(
            site,
            Order("POST", f"/v1{records}", _BODIES, body=f'{{"data": {_PERSON}}}', headers=_JSON),
            Order("GET", f"/v1{records}/p%014d", PEOPLE),
            Order("GET", f"/v1{records}?city=city%d&_limit={PAGE}", CITIES),
            parcel,
        )


def _dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def find_odata_contestants() -> dict[str, Starter[Served]]:
    """Alveary and the peers that are there or can be built, by name."""
    found: dict[str, Starter[Served]] = {ALVEARY: alveary_people}
    for name, start in ((POCKETBASE, pocketbase), (KINTO, kinto)):
        if _is_built(name):
            found[name] = partial(start, _program(name))
    return found


def odata_versions() -> dict[str, str]:
    """The versions of the peers that are there."""
    return {name: version for name, version in VERSIONS.items() if _program(name).exists()}


def _program(name: str) -> Path:
    return _CACHE / f"{name}-{VERSIONS[name]}" / _PROGRAMS[name]


def _is_built(name: str) -> bool:
    """Whether the peer of that name is there; it is built when it was not."""
    program, build = _program(name), _build_pocketbase if name == POCKETBASE else _build_kinto
    if program.exists():
        return True
    print(f"{name} is built once, into {_CACHE}.", file=sys.stderr)
    try:
        build(_CACHE / f"{name}-{VERSIONS[name]}")
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"{name} is left out: {problem}", file=sys.stderr)
    return program.exists()


def _build_pocketbase(folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise FileNotFoundError("there is no go to build it with")
    package = f"github.com/pocketbase/pocketbase/examples/base@v{VERSIONS[POCKETBASE]}"
    environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}  # as its releases are built
    subprocess.run([go, "install", package], env=environment, check=True, timeout=_BUILD_S)


def _build_kinto(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=_BUILD_S)
    pip = [folder / "bin" / "python", "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", f"kinto=={VERSIONS[KINTO]}"], check=True, timeout=_BUILD_S)
