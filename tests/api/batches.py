"""Bodies of ``$batch`` as tests over HTTP write and read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.running import Site

BOUNDARY = "batch_of-tests"
CHANGESET = "changeset_of-tests"

MKCOL = (
    '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/>'
    "<p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>"
)


@dataclass(frozen=True)
class Part:
    """The answer to one request of a batch."""

    status: int
    reason: str
    outer: Mapping[str, str]
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def results(self) -> Any:
        return self.json["d"]["results"]

    @property
    def code(self) -> str:
        """How it says no, in the form of Personium."""
        body = self.json
        assert set(body) == {"code", "message"} and set(body["message"]) == {"lang", "value"}
        assert body["code"].startswith(f"PR{self.status}-") and self.headers["Content-Type"] == "application/json"
        return str(body["code"])


def request(
    method: str, path: str, body: Any = None, *, head: Mapping[str, str] | None = None, **headers: str
) -> str:
    """One request of a batch: *head* and *headers* are the part's own and those of the request."""
    part = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary", **(head or {})}
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
    lines = [f"{name}: {value}" for name, value in part.items()]
    inner = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", f"{method} {path} HTTP/1.1", *inner, "", text])


Item = str | Sequence[str]
"""A request, or the requests of a changeset."""


def changeset(requests: Iterable[str], boundary: str = CHANGESET) -> str:
    parts = "".join(f"--{boundary}\n{each}\n" for each in requests)
    return f"Content-Type: multipart/mixed; boundary={boundary}\n\n{parts}--{boundary}--"


def body_of(*items: Item, boundary: str = BOUNDARY) -> str:
    parts = "".join(f"--{boundary}\n{each if isinstance(each, str) else changeset(each)}\n" for each in items)
    return f"{parts}--{boundary}--\n"


def post(
    cell: Site, service: str, *items: Item, headers: Mapping[str, str] | None = None, **options: Any
) -> httpx.Response:
    """The answer to a batch of *items*."""
    kind = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}
    return cell.call(
        "POST", f"{service}$batch", content=body_of(*items), headers={**kind, **(headers or {})}, **options
    )


def answers(response: httpx.Response) -> list[Part | list[Part]]:
    """What a batch was answered with, in its order."""
    assert response.status_code == 202, response.text
    assert response.headers["dataserviceversion"] == "2.0"
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/mixed"
    found: list[Part | list[Part]] = []
    for piece in split(response.content.decode(), boundary):
        head, _, rest = piece.partition("\n\n")
        kind, _, inner = head.partition("; boundary=")
        found.append([parse(each) for each in split(rest, inner)] if inner else parse(piece))
    return found


def split(text: str, boundary: str) -> list[str]:
    """The parts between the delimiters of *boundary*."""
    assert "\r" not in text
    pieces = f"\n{text}".split(f"\n--{boundary}")
    assert not pieces[0].strip() and pieces[-1].strip() == "--", text
    return [piece.removeprefix("\n") for piece in pieces[1:-1]]


def parse(piece: str) -> Part:
    outer, _, rest = piece.partition("\n\n")
    line, _, rest = rest.partition("\n")
    head, _, body = f"\n{rest}".partition("\n\n")
    version, status, reason = line.split(" ", 2)
    assert version == "HTTP/1.1"
    told = fields(outer)
    assert told["Content-Type"] == "application/http"
    return Part(int(status), reason, told, fields(head.strip("\n")), body)


def fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(": ") for line in text.split("\n") if line)}


def parts(response: httpx.Response) -> list[Part]:
    """The answers of a batch without changesets."""
    found = answers(response)
    assert all(isinstance(each, Part) for each in found)
    return [each for each in found if isinstance(each, Part)]


def statuses(response: httpx.Response) -> list[int | list[int]]:
    """The statuses of what a batch was answered with."""
    return [each.status if isinstance(each, Part) else [one.status for one in each] for each in answers(response)]


def collection(cell: Site, box: str = "data") -> str:
    """A new OData collection of persons, who have orders (each of one person) and tags (each of many)."""
    assert cell.call("POST", "__ctl/Box", json={"Name": box}).status_code == 201
    path = f"{box}/od/"
    assert cell.call("MKCOL", path, content=MKCOL).status_code == 201
    schema = f"{path}$metadata/"
    for name in ("Person", "Order", "Tag"):
        assert cell.call("POST", f"{schema}EntityType", json={"Name": name}).status_code == 201
    declared = {"Name": "age", "_EntityType.Name": "Person", "Type": "Edm.Int32"}
    assert cell.call("POST", f"{schema}Property", json=declared).status_code == 201
    for one, many, other in (("0..1", "*", "Order"), ("*", "*", "Tag")):
        end = {"Name": f"to{other}", "Multiplicity": one, "_EntityType.Name": "Person"}
        assert cell.call("POST", f"{schema}AssociationEnd", json=end).status_code == 201
        way = f"{schema}AssociationEnd(Name='to{other}',_EntityType.Name='Person')/_AssociationEnd"
        back = {"Name": "toPerson", "Multiplicity": many, "_EntityType.Name": other}
        assert cell.call("POST", way, json=back).status_code == 201
    return path
