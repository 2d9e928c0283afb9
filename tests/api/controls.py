"""The control sets of a cell as tests over HTTP fill, ask and read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from tests.running import RunningUnit, Site
from tests.snapshot_unit import FIXTURE

Members = Mapping[str, Any]

RECEIVED = "249826fc0b7343bcb93b3a612a1dd0ab"
"""A message that the cell of the fixture has received, and has been read."""
REQUEST = "3973b547c0bd4dd58502d1d7b539cbb2"
"""A request that it has received: to add a relation."""
SENT = "c5f0c7e8a7c942dba42918ada2a8d83a"
"""A message that it has sent."""

PEER = "https://peer.unit.example/cell/"
"""The URL of a cell elsewhere."""
PEER_ROLE = f"{PEER}__role/__/guest"

BOUND = {"_Box.Name": "b"}

WORLD: tuple[tuple[str, Members], ...] = (
    ("Box", {"Name": "b"}),
    ("Account", {"Name": "a"}),
    ("Role", {"Name": "r"}),
    ("Relation", {"Name": "l"}),
    ("ExtCell", {"Url": PEER}),
    ("ExtRole", {"ExtRole": PEER_ROLE, "_Relation.Name": "l"}),
    ("Rule", {"Name": "w", "Action": "log"}),
)
"""One entity of each set that clients fill, in an order in which they can be made."""

KEYS: Mapping[str, str] = {
    "Box": "('b')",
    "Account": "('a')",
    "Role": "(Name='r',_Box.Name=null)",
    "Relation": "(Name='l',_Box.Name=null)",
    "ExtCell": f"('{quote(PEER, safe='')}')",
    "ExtRole": f"(ExtRole='{quote(PEER_ROLE, safe='')}',_Relation.Name='l',_Relation._Box.Name=null)",
    "Rule": "(Name='w',_Box.Name=null)",
    "ReceivedMessage": f"('{RECEIVED}')",
    "SentMessage": f"('{SENT}')",
}
"""The keys of those, and of the messages, as the unit spells them."""

MANY = [
    ("Account", "Role"),
    ("ExtCell", "Role"),
    ("ExtCell", "Relation"),
    ("ExtRole", "Role"),
    ("Relation", "Role"),
]
"""The sets of which many are linked with many."""
WAYS = [*MANY, *((second, first) for first, second in MANY)]

BINDABLE = ["Role", "Relation", "Rule"]
"""The sets whose entities may be bound to a box, which is part of their key."""


def address(entity_set: str) -> str:
    """Where the entity of that set is, below the control root."""
    return f"{entity_set}{KEYS[entity_set]}"


def made(cell: Site, entity_set: str, members: Members, **options: Any) -> str:
    """The URL of a new entity."""
    answer = cell.call("POST", f"__ctl/{entity_set}", json=members, **options)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def populate(cell: Site, *entity_sets: str) -> None:
    """Make what WORLD has of those sets, of all when none is named."""
    for entity_set, members in WORLD:
        if not entity_sets or entity_set in entity_sets:
            made(cell, entity_set, members)


def with_messages(unit: RunningUnit) -> Site:
    """A new cell that holds what the fixture holds, messages among it."""
    cell = unit.cell()
    assert cell.call("PUT", "__snapshot/fixture.zip", content=FIXTURE.read_bytes()).status_code == 201
    assert cell.call("POST", "__import", json={"Name": "fixture"}).status_code == 202
    while (told := cell.call("GET", "__import").json()["status"]) != "ready":
        assert "in progress" in told
    return cell


def results(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["d"]["results"]


def code_of(answer: httpx.Response) -> str:
    """How *answer* says no, which it must do in the form of Personium."""
    body = answer.json()
    assert set(body) == {"code", "message"} and set(body["message"]) == {"lang", "value"}, answer.text
    assert body["message"]["lang"] == "en" and body["message"]["value"]
    assert str(body["code"]).startswith(f"PR{answer.status_code}-"), answer.text
    assert answer.headers["content-type"].startswith("application/json")
    return str(body["code"])


def count_of(cell: Site, entity_set: str) -> int:
    """How many entities of that set the cell holds."""
    return int(cell.call("GET", f"__ctl/{entity_set}/$count").text)


def told(shown: Members, names: Iterable[str]) -> dict[str, Any]:
    """What *shown*, an entity in JSON, tells of the properties of those names."""
    return {name: shown[name] for name in names}


def uris(cell: Site, path: str) -> list[str]:
    """The URLs that a list of links has, below those of the control sets."""
    listed = results(cell.call("GET", f"__ctl/{path}"))
    start = f"{cell.url}__ctl/"
    assert all(list(each) == ["uri"] and each["uri"].startswith(start) for each in listed), listed
    return [each["uri"].removeprefix(start) for each in listed]


def in_role(cell: Site, name: str, *roles: str) -> str:
    """The token of a new account with those roles."""
    cell.account(name, roles=roles)
    return cell.token(name)
