"""A ``$batch`` whose requests meet a locked cell or a bug: each is answered all the same."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from alveary import obs
from alveary.api.odata.routes import control
from alveary.http.call import Call
from alveary.http.request import Request
from alveary.ports import Ports
from tests.api.batches import BOUNDARY, Item, Part, answers, body_of, request
from tests.control_unit import Unit, opened

ROLE = request("POST", "Role", {"Name": "r"})
ACCOUNT = request("POST", "Account", {"Name": "a"}, X_Personium_Credential="password-1")
READ = request("GET", "Role")


class BrokenPasswords:
    """Hashes nothing."""

    async def hash(self, password: str) -> Any:
        raise ZeroDivisionError("a bug")


class Answer:
    """A response, as far as the answers of a batch are read from it."""

    def __init__(self, response: Any) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.content = response.body
        self.text = response.body.decode()


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with opened(tmp_path) as made:
        yield made


async def batch(unit: Unit, *items: Item, **ports: Any) -> list[Part | list[Part]]:
    body = [body_of(*items).encode()]

    async def receive() -> bytes:
        return body.pop() if body else b""

    size = str(len(body[0])).encode()
    fields = [(b"content-type", f"multipart/mixed; boundary={BOUNDARY}".encode()), (b"content-length", size)]
    sent = Request("POST", b"/cell/__ctl/$batch", fields, receive)
    used: Ports = replace(unit.ports, **ports)
    call = Call(used, unit.admin, unit.admin.here, sent, cast(Any, used.urls))
    return answers(cast(Any, Answer(await control(call, ("__ctl", "$batch")))))


def codes(found: list[Part | list[Part]]) -> list[str | int]:
    return [each.code if isinstance(each, Part) and each.status >= 400 else 200 for each in found]


class TestLocked:
    async def test_each_write_of_a_locked_cell_is_refused_by_itself_and_reads_go_on(self, unit: Unit) -> None:
        async with unit.ports.store.lock(unit.admin.here, "import"):
            found = await batch(unit, READ, ROLE, [ROLE], [READ], READ)
        assert codes(found) == [200, "PR409-CM-0002", "PR409-CM-0002", 200, 200]
        assert codes(await batch(unit, [ROLE])) == [200]


class TestBugs:
    @pytest.mark.parametrize("item", [ACCOUNT, [ROLE, ACCOUNT]])
    async def test_what_ends_in_a_bug_is_told_and_logged_and_the_rest_is_done(self, unit: Unit, item: Item) -> None:
        written = io.StringIO()
        log = obs.open_log(level="info", form="json", stream=written)
        other = request("POST", "Role", {"Name": "other"})
        found = await batch(unit, other, item, READ, passwords=BrokenPasswords(), log=log)
        assert codes(found) == [200, "PR500-SV-9999", 200]
        assert "ZeroDivisionError" in written.getvalue()
        last = found[-1]
        assert isinstance(last, Part)
        assert [each["Name"] for each in last.results] == ["other"]
