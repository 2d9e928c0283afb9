"""The routes of a unit, and what each method of each needs: the table of the specification, row by row.

Every request is harmless and can be repeated: once it is allowed it reads, or fails on what it brings (a body that is
none, an ETag that nothing has, a key that is not there).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from typing import Literal

# What is needed


@dataclass(frozen=True, slots=True)
class OnCell:
    """A privilege on the cell."""

    privilege: str


Place = Literal["cell", "nowhere", "box", "collection", "own", "sources", "source"]
"""Where an ACL stands: on the cell, the box, a collection in it, a resource in that, and within a service.

Nothing stands on a box that is not there.
"""

Chain = tuple[Place, ...]

CELL: Chain = ("cell",)
NOWHERE: Chain = ("cell", "nowhere")
BOX: Chain = ("cell", "box")
COLLECTION: Chain = ("cell", "box", "collection")
OWN: Chain = ("cell", "box", "collection", "own")
SOURCES: Chain = (*OWN, "sources")
SOURCE: Chain = (*SOURCES, "source")


@dataclass(frozen=True, slots=True)
class OnBox:
    """A privilege on the last of those places; those above hand theirs down."""

    privilege: str
    chain: Chain


Right = OnCell | OnBox


@dataclass(frozen=True, slots=True)
class All:
    """All of these rights."""

    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these rights."""

    rights: tuple[Right, ...]


class Special(Enum):
    """What is no matter of an ACL."""

    NOTHING = auto()
    UNIT = auto()  # a subject of the unit
    ADMIN = auto()  # an administrator of the unit
    OWNED_CELL = auto()  # one whose cell this is, at the unit
    OWNED_HERE = auto()  # the same, at the cell's own URL
    UNIT_USER_HERE = auto()  # the same, told otherwise
    OWN_ACCOUNT = auto()  # an account, by a token whose scope covers ``auth``
    LOGIN = auto()  # a token that can be ended
    KNOWN = auto()  # anyone who says who they are
    INTROSPECTION = auto()  # the unit's own, or an app
    BOX_OF_APP = auto()  # the app of the box, or who may read there
    NO_SUCH_BOX = auto()  # what nobody has


Need = All | Either | Special
NOTHING, UNIT = Special.NOTHING, Special.UNIT


@dataclass(frozen=True, slots=True)
class Row:
    """A request and what it needs.

    The path is below the cell's URL (below the unit's in UNIT_ROWS), ``{box}`` stands for the box of a world.
    ``spends``: it ends the token that it is sent with.
    """

    method: str
    path: str
    need: Need
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    spends: bool = False


def on_cell(*privileges: str) -> All:
    return All(tuple(map(OnCell, privileges)))


def at(chain: Chain, *privileges: str) -> All:
    return All(tuple(OnBox(each, chain) for each in privileges))


NONSENSE = b"<"
"""The body of every request that would change something: neither XML nor JSON nor multipart."""

DEPTH_0 = (("Depth", "0"),)
NO_SUCH_ETAG = (("If-Match", '"0-0"'),)
NO_SUCH_ENTITY_ETAG = (("If-Match", 'W/"0-0"'),)
JSON = (("Accept", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


# The unit

_A_CELL = "__ctl/Cell('none')"
_THE_CELL = "__ctl/Cell('{cell}')"

UNIT_ROWS = (
    Row("GET", "", NOTHING),
    Row("GET", "crossdomain.xml", NOTHING),
    Row("GET", "healthz", NOTHING),
    Row("GET", "readyz", NOTHING),
    Row("GET", "__ctl/", UNIT),
    Row("OPTIONS", "__ctl/", UNIT),
    Row("GET", "__ctl/$metadata", NOTHING),
    Row("OPTIONS", "__ctl/$metadata", NOTHING),
    Row("GET", "__ctl/Cell", UNIT),
    Row("POST", "__ctl/Cell", UNIT, body=NONSENSE),
    Row("OPTIONS", "__ctl/Cell", UNIT),
    Row("GET", "__ctl/Cell/$count", UNIT),
    *(Row(method, _A_CELL, UNIT, body=NONSENSE) for method in ("GET", "PUT", "MERGE", "PATCH", "DELETE", "OPTIONS")),
    Row("GET", _THE_CELL, Special.OWNED_CELL),
    *(Row(method, _THE_CELL, Special.OWNED_CELL, body=NONSENSE) for method in ("PUT", "MERGE", "PATCH")),
    Row("DELETE", _THE_CELL, Special.OWNED_CELL, NO_SUCH_ENTITY_ETAG),
    Row("OPTIONS", _THE_CELL, UNIT),
    Row("GET", "__quota/none", UNIT),
    Row("PUT", "__quota/none", Special.ADMIN, body=NONSENSE),
    Row("GET", "__quota/{cell}", Special.OWNED_CELL),
    Row("PUT", "__quota/{cell}", Special.ADMIN, body=NONSENSE),
)


# The cell

CELL_ROWS = (
    Row("GET", "", NOTHING, JSON),
    Row("GET", "", NOTHING, (("Accept", "application/xml"),)),
    Row("GET", "", NOTHING, (("Accept", "text/html"),)),
    Row("PROPFIND", "", on_cell("propfind"), DEPTH_0),
    Row("PROPPATCH", "", Special.UNIT_USER_HERE, body=NONSENSE),
    Row("ACL", "", on_cell("acl"), body=NONSENSE),
    Row("OPTIONS", "", on_cell("social-read")),
    Row("DELETE", "", Special.OWNED_HERE),
    Row("POST", "__token", NOTHING, FORM, b"grant_type=none"),
    *(
        Row("OPTIONS", path, NOTHING)
        for path in ("__token", "__authz", "__revoke", "__mypassword", "__logout", "__certs", "__sign")
    ),
    Row("OPTIONS", "__introspect", on_cell("auth-read")),
    Row("GET", "__authz", NOTHING),
    Row("POST", "__authz", NOTHING, FORM),
    Row("GET", "__html/error?code=PR400-AZ-0002", NOTHING),
    Row("POST", "__revoke", NOTHING, FORM),
    Row("POST", "__introspect", Special.INTROSPECTION, FORM, b"token=none"),
    Row("PUT", "__mypassword", Special.OWN_ACCOUNT),
    Row("POST", "__logout", Special.LOGIN, spends=True),
    Row("GET", "__certs", NOTHING),
    Row("POST", "__sign", on_cell("sign"), body=b"text"),
    Row("GET", ".well-known/openid-configuration", NOTHING),
    Row("GET", ".well-known/oauth-authorization-server", NOTHING),
    *(Row("GET", path, on_cell("auth-read")) for path in ("__role", "__role/__", "__role/none/none")),
    Row("GET", "__box?schema=personium-localunit:app:/", Special.BOX_OF_APP),
    Row("GET", "__box?schema=https://nobody.example/", Special.NO_SUCH_BOX),
    *(Row(method, "__upload/none", Special.KNOWN) for method in ("HEAD", "PATCH", "DELETE", "OPTIONS")),
    Row("PROPFIND", "__snapshot", on_cell("root"), DEPTH_0),
    Row("OPTIONS", "__snapshot", on_cell("root")),
    Row("GET", "__snapshot/none", on_cell("root")),
    Row("PUT", "__snapshot/none", on_cell("root"), NO_SUCH_ETAG),
    Row("DELETE", "__snapshot/none", on_cell("root")),
    Row("PROPFIND", "__snapshot/none", on_cell("root"), DEPTH_0),
    Row("OPTIONS", "__snapshot/none", on_cell("root")),
    Row("REPORT", "__snapshot/none", on_cell("root")),
    *(Row("GET", path, on_cell("root")) for path in ("__export", "__import")),
    *(Row("POST", path, on_cell("root"), body=NONSENSE) for path in ("__export", "__import")),
    *(Row("OPTIONS", path, on_cell("root")) for path in ("__export", "__import")),
    Row("DELETE", "__import", on_cell("root")),
    Row("GET", "__topic/__/stream.topic.none", NOTHING),
)


# Its control objects

GUARDS = {
    "Account": "auth",
    "Role": "auth",
    "ExtRole": "auth",
    "ExtCell": "social",
    "Relation": "social",
    "Box": "box",
    "ReceivedMessage": "message",
    "SentMessage": "message",
    "Rule": "rule",
}
"""The privilege that changes a set; with ``-read`` behind it the one that reads it."""

READ_ANY = Either(tuple(OnCell(f"{each}-read") for each in ("box", "auth", "social", "message", "rule")))
DO_ANY = Either((*READ_ANY.rights, *map(OnCell, ("box", "auth", "social", "message", "rule"))))

LINKS = (
    ("Box", "_Role", "box", "auth"),
    ("Box", "_Relation", "box", "social"),
    ("Box", "_Rule", "box", "rule"),
    ("Box", "_ReceivedMessage", "box", "message"),
    ("Box", "_SentMessage", "box", "message"),
    ("Account", "_Role", "auth", "auth"),
    ("ExtCell", "_Role", "social", "auth"),
    ("ExtCell", "_Relation", "social", "social"),
    ("ExtRole", "_Role", "auth", "auth"),
    ("ExtRole", "_Relation", "auth", "social"),
    ("Relation", "_Role", "social", "auth"),
    ("Role", "_Box", "auth", "box"),
    ("Relation", "_Box", "social", "box"),
    ("Rule", "_Box", "rule", "box"),
    ("ReceivedMessage", "_Box", "message", "box"),
    ("SentMessage", "_Box", "message", "box"),
    ("Role", "_Account", "auth", "auth"),
    ("Role", "_ExtCell", "auth", "social"),
    ("Relation", "_ExtCell", "social", "social"),
    ("Role", "_ExtRole", "auth", "auth"),
    ("Relation", "_ExtRole", "social", "auth"),
    ("Role", "_Relation", "auth", "social"),
)
"""Where links go: a set, a navigation property of it, and the privileges of its two ends."""

READ_MARKS = (
    ("ReceivedMessage", "_AccountRead", "message", "auth"),
    ("Account", "_ReceivedMessageRead", "auth", "message"),
)
"""The same of messages and accounts that have read them: links alone are a matter of messages."""

WRITING = ("PUT", "MERGE", "PATCH", "DELETE")


def _set_rows(path: str, read: Need, write: Need) -> Iterator[Row]:
    entity = f"{path}('none')"
    yield from (Row("GET", each, read) for each in (path, f"{path}/$count", entity, f"{entity}/__published"))
    yield from (Row("OPTIONS", each, read) for each in (path, entity))
    yield Row("POST", path, write, body=NONSENSE)
    yield from (Row(method, entity, write, body=NONSENSE) for method in WRITING)


def _link_rows(path: str, name: str, read: Need, write: Need) -> Iterator[Row]:
    links = f"{path}('none')/$links/{name}"
    for each in (links, f"{links}('x')"):
        yield Row("GET", each, read)
        yield from (Row(method, each, write, body=NONSENSE) for method in ("POST", "PUT", "DELETE"))


def _navigation_rows(path: str, name: str, read: Need, write: Need) -> Iterator[Row]:
    followed = f"{path}('none')/{name}"
    for each in (followed, f"{followed}('x')"):
        yield Row("GET", each, read)
        yield Row("POST", each, write, body=NONSENSE)
    yield Row("GET", f"{followed}/$count", read)


def _options_rows(path: str, name: str, need: Need) -> Iterator[Row]:
    ends = (name, f"$links/{name}")
    return (Row("OPTIONS", f"{path}('none')/{end}{key}", need) for end in ends for key in ("", "('x')"))


def _control_rows() -> Iterator[Row]:
    yield from (Row(method, "__ctl/", READ_ANY) for method in ("GET", "OPTIONS"))
    yield from (Row(method, "__ctl/$metadata", NOTHING) for method in ("GET", "OPTIONS"))
    yield Row("POST", "__ctl/$batch", DO_ANY, body=NONSENSE)
    yield Row("GET", "__ctl/Account?$expand=_Role", on_cell("auth-read", "auth-read"))
    yield Row("GET", "__ctl/Role('none')?$expand=_ExtCell", on_cell("auth-read", "social-read"))
    for entity_set, guard in GUARDS.items():
        yield from _set_rows(f"__ctl/{entity_set}", on_cell(f"{guard}-read"), on_cell(guard))


def _control_link_rows() -> Iterator[Row]:
    for entity_set, name, one, other in (*LINKS, *READ_MARKS):
        path, both = f"__ctl/{entity_set}", (on_cell(f"{one}-read", f"{other}-read"), on_cell(one, other))
        marks = (on_cell("message-read"), on_cell("message"))
        yield from _link_rows(path, name, *(marks if (entity_set, name, one, other) in READ_MARKS else both))
        yield from _navigation_rows(path, name, *both)
        yield from _options_rows(path, name, on_cell("social-read"))


CONTROL_ROWS = tuple(_control_rows())
CONTROL_LINK_ROWS = tuple(_control_link_rows())


# Boxes, and what is in them


def _box_rows(path: str, chain: Chain) -> Iterator[Row]:
    yield Row("GET", path, at(chain, "read"))
    yield Row("DELETE", path, on_cell("box"))
    yield Row("MKCOL", path, on_cell("box-install"))
    yield from (Row(method, path, at(chain, "write")) for method in ("COPY", "MOVE"))
    yield from _lock_rows(path, at(chain, "write-content" if chain == BOX else "bind"))
    yield from _described_rows(path, chain)


def _resource_rows(path: str, chain: Chain) -> Iterator[Row]:
    parent = chain[:-1]
    yield Row("GET", path, at(chain, "read"))
    yield Row("PUT", path, at(chain, "write-content"), NO_SUCH_ETAG)
    yield Row("POST", path, at(chain, "write"))
    yield Row("DELETE", path, at(parent, "unbind"), NO_SUCH_ETAG)
    yield Row("MKCOL", path, at(parent, "bind"), body=NONSENSE)
    yield Row("COPY", path, at(chain, "read"))
    yield Row("MOVE", path, at(parent, "unbind"))
    yield from _lock_rows(path, at(chain, "write-content"))
    yield from _described_rows(path, chain)


def _missing_rows(path: str, chain: Chain) -> Iterator[Row]:
    """What is not there, be it below what is not there: the nearest thing above is asked."""
    yield Row("GET", path, at(chain, "read"))
    yield Row("POST", path, at(chain, "write"))
    yield Row("PUT", path, at(chain, "bind"), NO_SUCH_ETAG)
    yield Row("DELETE", path, at(chain, "unbind"))
    yield Row("MKCOL", path, at(chain, "bind"), body=NONSENSE)
    yield Row("COPY", path, at(chain, "read"))
    yield Row("MOVE", path, at(chain, "unbind"))
    yield from _lock_rows(path, at(chain, "bind"))
    yield from _described_rows(path, chain)


def _lock_rows(path: str, need: Need) -> Iterator[Row]:
    yield Row("LOCK", path, need, body=NONSENSE)
    yield Row("UNLOCK", path, need)


def _described_rows(path: str, chain: Chain) -> Iterator[Row]:
    yield Row("PROPFIND", path, at(chain, "read-properties"), DEPTH_0)
    yield Row("PROPPATCH", path, at(chain, "write-properties"), body=NONSENSE)
    yield Row("ACL", path, at(chain, "write-acl"), body=NONSENSE)
    yield Row("OPTIONS", path, at(chain, "read"))
    yield from (Row(method, path, at(chain, "read")) for method in ("REPORT", "MERGE"))


def _transfer_rows(path: str) -> Iterator[Row]:
    """To the box: onto a file, which is not to be overwritten, and onto a collection, which cannot be."""
    come, replace = OnBox("bind", BOX), OnBox("unbind", BOX)
    for method, leave in (("COPY", OnBox("read", OWN)), ("MOVE", OnBox("unbind", COLLECTION))):
        yield Row(method, path, All((leave, come)), (("Destination", "{url}{box}/taken"),))
        yield Row(
            method,
            path,
            All((leave, come, replace)),
            (("Destination", "{url}{box}/collection"), ("Overwrite", "T")),
        )


COLLECTIONS = {"plain": "col.webdav", "service": "col.svc", "odata": "col.odata", "stream": "col.stream"}
RESOURCES = ("file", *COLLECTIONS)
"""What stands in the collection of the box, by its name; collections with their kinds."""


def _file_rows() -> Iterator[Row]:
    yield from _box_rows("{box}", BOX)
    yield from _box_rows("nowhere", NOWHERE)
    yield from _missing_rows("nowhere/file", NOWHERE)
    yield from _resource_rows("{box}/collection", COLLECTION)
    for kind in RESOURCES:
        yield from _resource_rows(f"{{box}}/collection/{kind}", OWN)
    yield from _missing_rows("{box}/none", BOX)
    for path in ("none", "none/deeper"):
        yield from _missing_rows(f"{{box}}/collection/{path}", COLLECTION)
    yield from _missing_rows("{box}/collection/file/below", OWN)
    yield from _transfer_rows("{box}/collection/file")


def _service_rows() -> Iterator[Row]:
    service = "{box}/collection/service"
    for path, method in product(("run", "run/deeper"), ("GET", "POST", "PUT", "DELETE")):
        yield Row(method, f"{service}/{path}", at(OWN, "exec"))
    yield from _resource_rows(f"{service}/__src", SOURCES)
    yield from _resource_rows(f"{service}/__src/run.js", SOURCE)
    yield from _missing_rows(f"{service}/__src/none.js", SOURCES)


def _stream_rows() -> Iterator[Row]:
    for path in ("queue/none", "topic/none"):
        stream = f"{{box}}/collection/stream/{path}"
        yield from (Row(method, stream, at(OWN, "stream-send")) for method in ("POST", "PUT"))
        yield Row("GET", stream, at(OWN, "stream-receive"))
        yield Row("OPTIONS", stream, NOTHING)


def _data_rows() -> Iterator[Row]:
    collection, read, write = "{box}/collection/odata", at(OWN, "read"), at(OWN, "write")
    for each in ("$metadata", "$metadata/$metadata"):
        yield from (Row(method, f"{collection}/{each}", read) for method in ("GET", "OPTIONS"))
    yield Row("POST", f"{collection}/$batch", Either((*read.rights, *write.rights)), body=NONSENSE)
    yield from _set_rows(f"{collection}/Thing", read, write)
    yield from _set_rows(f"{collection}/Nothing", read, write)
    yield from _link_rows(f"{collection}/Thing", "_Thing", read, write)
    yield from _navigation_rows(f"{collection}/Thing", "_Thing", read, write)
    yield from _options_rows(f"{collection}/Thing", "_Thing", read)


SCHEMA_LINKS = (
    ("EntityType", "_Property"),
    ("EntityType", "_AssociationEnd"),
    ("AssociationEnd", "_AssociationEnd"),
    ("Property", "_EntityType"),
    ("ComplexType", "_ComplexTypeProperty"),
    ("ComplexTypeProperty", "_ComplexType"),
)


def _schema_rows() -> Iterator[Row]:
    schema, read, write = "{box}/collection/odata/$metadata", at(OWN, "read"), at(OWN, "alter-schema")
    yield Row("POST", f"{schema}/$batch", Either((*read.rights, *write.rights)), body=NONSENSE)
    for entity_set in ("EntityType", "AssociationEnd", "Property", "ComplexType", "ComplexTypeProperty"):
        yield from _set_rows(f"{schema}/{entity_set}", read, write)
    for entity_set, name in SCHEMA_LINKS:
        yield from _link_rows(f"{schema}/{entity_set}", name, read, write)
        yield from _navigation_rows(f"{schema}/{entity_set}", name, read, write)
        yield from _options_rows(f"{schema}/{entity_set}", name, read)


FILE_ROWS = (*_file_rows(), *_service_rows(), *_stream_rows())
DATA_ROWS = (*_data_rows(), *_schema_rows())

ALL_ROWS = (*CELL_ROWS, *CONTROL_ROWS, *CONTROL_LINK_ROWS, *FILE_ROWS, *DATA_ROWS)


def one_of_each_need(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The first row of each need, for what the method and the path make no difference to."""
    return tuple({row.need: row for row in reversed(rows)}.values())


PLACES = (
    "nowhere",
    "{box}",
    "{box}/none",
    "{box}/collection",
    *(f"{{box}}/collection/{each}" for each in (*RESOURCES, "none", "file/below")),
    "{box}/collection/service/run",
    "{box}/collection/stream/queue/none",
    "{box}/collection/service/__src/run.js",
    "{box}/collection/odata/Thing",
    "{box}/collection/odata/$batch",
    "{box}/collection/odata/$metadata/EntityType",
)
OF_EACH_PLACE = tuple(next(row for row in ALL_ROWS if row.path == path) for path in PLACES)
"""A row of each kind of resource in boxes, for what the privilege makes no difference to."""


# What is specified, and not served yet

AWAITED = (
    Row("GET", "__rule", on_cell("rule-read")),
    Row("POST", "__event", on_cell("event")),
    Row("PROPFIND", "__log/current", on_cell("log-read"), DEPTH_0),
    Row("PROPFIND", "__log/archive", on_cell("log-read"), DEPTH_0),
    Row("GET", "__log/current/default.log", on_cell("log-read")),
    Row("DELETE", "__log/archive/default.log.1", on_cell("log")),
    Row("POST", "__message/send", on_cell("message")),
    Row("POST", "__message/received/none", on_cell("message")),
)
