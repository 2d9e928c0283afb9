"""A whole unit for tests: composed as in production, in a thread of its own, on a free port."""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvloop

from alveary import boot, config, obs

MASTER = "a-master-token-for-tests"
QUICK: Mapping[str, object] = {
    "master_token": MASTER,
    "auth.hash_log2_n": 10,
    "auth.hash_p": 1,
    "auth.failure_floor_ms": 5,
    "auth.valid_authn_interval_s": 0,
    "limits.disk_reserve_percent": 0,
}
"""Options under which nothing waits and passwords cost nothing."""


@dataclass(slots=True)
class Site:
    """A cell of a running unit, and what tests do with it. Paths are below the cell's URL."""

    http: httpx.Client
    name: str
    url: str

    def call(self, method: str, path: str = "", *, token: str | None = MASTER, **options: Any) -> httpx.Response:
        """One request under *token* (None: without one); a text as ``content`` goes out as UTF-8."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        return self.http.request(method, self.url + path, headers=headers, **options)

    def account(self, name: str, password: str = "password-1", *, roles: tuple[str, ...] = (), **fields: str) -> None:
        """A new account with those roles, which are made when they are not there."""
        body = {"Name": name, **fields}
        made = self.call("POST", "__ctl/Account", json=body, headers={"X-Personium-Credential": password})
        assert made.status_code == 201, made.text
        for role in roles:
            self.call("POST", "__ctl/Role", json={"Name": role})
            link = {"uri": f"{self.url}__ctl/Role('{role}')"}
            linked = self.call("POST", f"__ctl/Account('{name}')/$links/_Role", json=link)
            assert linked.status_code == 204, linked.text

    def grant(self, name: str, password: str = "password-1", **form: str) -> httpx.Response:
        """The answer of the token endpoint to a password grant."""
        fields = {"grant_type": "password", "username": name, "password": password, **form}
        return self.call("POST", "__token", token=None, data=fields)

    def token(self, name: str, password: str = "password-1", **form: str) -> str:
        """An access token of that account."""
        answer = self.grant(name, password, **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def acl(self, path: str, grants: Mapping[str, str], *, authz: str | None = None) -> httpx.Response:
        """Set an ACL: role names (or ``all``) to privileges, blanks between; ``p:`` before those of Personium."""
        level = f' p:requireSchemaAuthz="{authz}"' if authz else ""
        entries = "".join(
            f"<D:ace><D:principal>{'<D:all/>' if who == 'all' else f'<D:href>{who}</D:href>'}</D:principal><D:grant>"
            + "".join(
                f"<D:privilege><{each if ':' in each else f'D:{each}'}/></D:privilege>" for each in what.split()
            )
            + "</D:grant></D:ace>"
            for who, what in grants.items()
        )
        body = (
            f'<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"{level} '
            f'xml:base="{self.url}__role/__/">{entries}</D:acl>'
        )
        return self.call("ACL", path, content=body)


@dataclass(slots=True)
class RunningUnit:
    """A unit that answers at ``url`` until ``stop`` is called; its log is kept."""

    url: str
    data: Path
    http: httpx.Client
    log: io.StringIO
    stop: Callable[[], None]
    _names: Iterator[int] = field(default_factory=itertools.count)

    def cell(self, name: str | None = None, *, token: str = MASTER) -> Site:
        """A new cell, made with *token*."""
        name = name or f"cell{next(self._names)}"
        made = self.http.post(
            f"{self.url}__ctl/Cell", json={"Name": name}, headers={"Authorization": f"Bearer {token}"}
        )
        assert made.status_code == 201, made.text
        return Site(self.http, name, f"{self.url}{name}/")


@contextmanager
def running(data: Path, **options: object) -> Iterator[RunningUnit]:
    """A unit over *data*, stopped in an orderly way at the end; *options* by dotted keys, ``_`` for dots too."""
    log = io.StringIO()
    ready = threading.Event()
    started: list[boot.Running] = []
    failed: list[BaseException] = []
    settings = config.load(
        {**QUICK, "data": str(data), "bind": "127.0.0.1:0", **options}, {}, lambda path: path.read_text()
    )

    def on_ready(unit: boot.Running) -> None:
        started.append(unit)
        ready.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                quiet = obs.open_log(level="info", form="json", stream=log)
                runner.run(boot.serve(settings, quiet, on_ready))
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=work, name="unit")
    thread.start()
    assert ready.wait(20)
    if failed:
        thread.join()
        raise failed[0]
    unit = started[0]
    try:
        with httpx.Client(timeout=30) as http:
            yield RunningUnit(unit.url, data, http, log, unit.stop)
    finally:
        unit.stop()
        thread.join(30)
        assert not thread.is_alive()
