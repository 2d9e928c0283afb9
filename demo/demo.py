"""Two units, and a cell that moves from one to the other with all it holds.

Run by ``make demo``: starts both units as processes on free ports with data folders of their own, says what it does
in plain lines, and leaves nothing behind. It speaks to the units as any client would: HTTP and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

ALVEARY = Path(sys.executable).with_name("alveary")
STOP_S = 10
JOB_S = 10

PASSWORDS = {"alice": "alice-keeps-bees", "bob": "bob-only-reads"}
ROLES = {"alice": "keeper", "bob": "reader"}
FILES = {
    "日記/二〇二六年七月.txt": "蜂は今日も元気です。\n".encode(),
    "日記/empty": b"",
    "honey.csv": b"day,gram\n1,320\n2,290\n",
    "swarm.bin": random.Random(7).randbytes(3_000_000),
}
SCRIPT = """function (request) {
  var name = /name=([a-z]+)/.exec(request.queryString || "");
  var honey = _p.localbox().getString("honey.csv").split("\\n");
  return {
    status: 200,
    headers: {"Content-Type": "text/plain"},
    body: ["Hello " + (name ? name[1] : "you") + ", there were " + (honey.length - 2) + " days of honey."]
  };
}
"""
NAMES = 'xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"'


@dataclass(frozen=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Unit:
    """A running unit: its URL, and a token of its administrator."""

    url: str
    token: str

    def call(self, method: str, path: str, body: object = None, *, token: str | None = "", **headers: str) -> Answer:
        """What the unit answers; under the administrator's token unless another, or none (None), is given."""
        token = self.token if token == "" else token
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            text = json.dumps(body) if isinstance(body, dict) else body
            connection.request(method, "/" + quote(path, safe="/$()'?=&"), text, sent)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def must(self, expected: int, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """The same, when it is what was expected; anything else ends the demo."""
        answer = self.call(method, path, body, **headers)
        if answer.status != expected:
            sys.exit(
                f"{method} {self.url}{path}: {answer.status} where {expected} was expected: {answer.body[:300]!r}"
            )
        return answer

    def log_in(self, cell: str, account: str) -> str:
        """An access token for that account, from its password."""
        form = urlencode({"grant_type": "password", "username": account, "password": PASSWORDS[account]})
        return self.must(200, "POST", f"{cell}/__token", form, token=None).json["access_token"]

    def wait(self, path: str) -> None:
        """Until the export or import at *path* is done."""
        end_s = time.monotonic() + JOB_S
        while (state := self.must(200, "GET", path).json)["status"] != "ready":
            if "message" in state or time.monotonic() > end_s:
                sys.exit(f"{path}: {state}")
            time.sleep(0.02)


@contextmanager
def unit(data: Path) -> Iterator[Unit]:
    """A unit of its own process on *data* and a free port, stopped in an orderly way at the end."""
    command = [ALVEARY, "serve", "--data", data, "--bind", "127.0.0.1:0", "--log-level", "error"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALVEARY_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    try:
        first = process.stdout.readline()
        if not first:
            sys.exit("The unit did not start.")
        token = subprocess.check_output([ALVEARY, "token", "--data", data], text=True, env=environ).strip()
        yield Unit(first.split()[-1], token)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def say(text: str) -> None:
    """One line for who watches."""
    print(text, flush=True)


def fill(one: Unit) -> None:
    """A cell ``hive`` with accounts, files under an ACL, and a service."""
    one.must(201, "POST", "__ctl/Cell", {"Name": "hive"})
    for account, password in PASSWORDS.items():
        one.must(201, "POST", "hive/__ctl/Account", {"Name": account}, X_Personium_Credential=password)
        one.must(201, "POST", "hive/__ctl/Role", {"Name": ROLES[account]})
        link = {"uri": f"{one.url}hive/__ctl/Role('{ROLES[account]}')"}
        one.must(204, "POST", f"hive/__ctl/Account('{account}')/$links/_Role", link)
    say(f"made the cell {one.url}hive/ with the accounts {' and '.join(PASSWORDS)}")

    one.must(201, "POST", "hive/__ctl/Box", {"Name": "notes"})
    one.must(201, "MKCOL", "hive/notes/日記")
    for path, content in FILES.items():
        one.must(201, "PUT", f"hive/notes/{path}", content)
    say(f"put {len(FILES)} files into the box notes: {', '.join(FILES)}")

    grants = {"keeper": ("read", "write"), "reader": ("read",)}
    entries = "".join(
        f"<D:ace><D:principal><D:href>{role}</D:href></D:principal><D:grant>"
        + "".join(f"<D:privilege><D:{privilege}/></D:privilege>" for privilege in privileges)
        + "</D:grant></D:ace>"
        for role, privileges in grants.items()
    )
    one.must(200, "ACL", "hive/notes", f'<D:acl {NAMES} xml:base="{one.url}hive/__role/__/">{entries}</D:acl>')
    say("let keepers (alice) read and write it, readers (bob) read it, and nobody else do anything")

    kind = f"<D:mkcol {NAMES}><D:set><D:prop><D:resourcetype><D:collection/><p:service/></D:resourcetype>"
    one.must(201, "MKCOL", "hive/notes/bee", f"{kind}</D:prop></D:set></D:mkcol>")
    route = '<p:service language="JavaScript"><p:path name="hello" src="hello.js"/></p:service>'
    patch = f"<D:propertyupdate {NAMES}><D:set><D:prop>{route}</D:prop></D:set></D:propertyupdate>"
    one.must(207, "PROPPATCH", "hive/notes/bee", patch)
    one.must(201, "PUT", "hive/notes/bee/__src/hello.js", SCRIPT, Content_Type="text/javascript")
    grant = "<D:grant><D:privilege><p:exec/></D:privilege><D:privilege><D:read/></D:privilege></D:grant>"
    ace = f"<D:ace><D:principal><D:href>reader</D:href></D:principal>{grant}</D:ace>"
    one.must(200, "ACL", "hive/notes/bee", f'<D:acl {NAMES} xml:base="{one.url}hive/__role/__/">{ace}</D:acl>')


def observe(where: Unit, cell: str) -> Mapping[str, object]:
    """What the cell shows to each of its accounts, and to nobody in particular."""
    seen: dict[str, object] = {}
    tokens = {"alice": where.log_in(cell, "alice"), "bob": where.log_in(cell, "bob"), "nobody": None}
    for who, token in tokens.items():
        for path in FILES:
            got = where.call("GET", f"{cell}/notes/{path}", token=token)
            digest = hashlib.sha256(got.body).hexdigest() if got.status == 200 else None
            seen[f"{who} reads {path}"] = (got.status, digest)
        overwrite = where.call("PUT", f"{cell}/notes/honey.csv", FILES["honey.csv"], token=token)
        seen[f"{who} writes honey.csv"] = overwrite.status
        hello = where.call("GET", f"{cell}/notes/bee/hello?name={who}", token=token)
        seen[f"{who} calls the service"] = (hello.status, hello.body if hello.status == 200 else None)
    return seen


def carry(one: Unit, other: Unit) -> None:
    """The cell ``hive`` of one unit as the cell ``apiary`` of the other."""
    one.must(202, "POST", "hive/__export", {"Name": "moving"})
    one.wait("hive/__export")
    snapshot = one.must(200, "GET", "hive/__snapshot/moving.zip").body
    say(f"exported it and downloaded the snapshot: {len(snapshot):,} bytes")

    other.must(201, "POST", "__ctl/Cell", {"Name": "apiary"})
    other.must(201, "PUT", "apiary/__snapshot/moving.zip", snapshot, Content_Type="application/zip")
    other.must(202, "POST", "apiary/__import", {"Name": "moving"})
    other.wait("apiary/__import")
    say(f"uploaded it to the other unit and imported it there as {other.url}apiary/")


def compare(before: Mapping[str, object], after: Mapping[str, object]) -> None:
    """End the demo unless both are the same."""
    for what, answer in before.items():
        if after[what] != answer:
            sys.exit(f"{what}: {answer} before, {after[what]} after")
    for path, content in FILES.items():
        if before[f"alice reads {path}"] != (200, hashlib.sha256(content).hexdigest()):
            sys.exit(f"{path} is not what was put there")
    say(f"compared {len(before)} answers of both, as alice, as bob and as nobody: the same to the last byte")


def main() -> None:
    """The whole story."""
    begin_s = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The demo was told to end."))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alveary-demo-")))
        one = stack.enter_context(unit(folder / "one"))
        other = stack.enter_context(unit(folder / "other"))
        say(f"started two units: {one.url} and {other.url}")
        fill(one)
        before = observe(one, "hive")
        status, answer = before["bob calls the service"]
        if status != 200:
            sys.exit(f"the service answered {status}")
        say(f"ran the service bee/hello as bob: {answer.decode()}")
        carry(one, other)
        compare(before, observe(other, "apiary"))
    say(f"stopped both units and removed their data: {time.monotonic() - begin_s:.1f} s in all")


if __name__ == "__main__":
    main()
