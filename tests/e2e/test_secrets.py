"""A session with passwords, tokens, cookies and keys in it, after which none of them is anywhere to be read."""

from __future__ import annotations

import base64
import io
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Unit
from tests.e2e.machine import until
from tests.raw import Raw
from tests.running import MASTER, QUICK, Site
from tests.services import doing, make_service, returning

PASSWORD, CHANGED, WRONG, TOO_LONG = "first-Secret-1", "second-Secret-2", "wrong-Secret-3", "long-Secret-" + "x" * 40


@dataclass(slots=True)
class Session:
    """A unit, a cell, and what both sides said: the secrets, all refusals, the snapshot of the cell."""

    unit: Unit
    cell: Site
    secrets: dict[str, bytes] = field(default_factory=dict)
    refusals: list[bytes] = field(default_factory=list)
    snapshot: bytes = b""

    def keep(self, name: str, secret: str | bytes) -> str:
        """Remember *secret* under a name that tests can tell."""
        self.secrets[name] = secret.encode() if isinstance(secret, str) else secret
        return str(secret)

    def found_in(self, text: bytes) -> list[str]:
        """The names of the secrets that *text* holds, in the clear, in Base64 or in hex."""
        return [name for name, secret in self.secrets.items() if any(form in text for form in spellings(secret))]


def spellings(secret: bytes) -> set[bytes]:
    unpadded = base64.b64encode(secret).rstrip(b"=")
    return {secret, unpadded[:-1], unpadded[:-1].replace(b"+", b"-").replace(b"/", b"_"), secret.hex().encode()}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A unit that logs all it has to say, and a session on it."""
    unit = Unit(tmp_path_factory.mktemp("secrets") / "data", {**QUICK, "log.level": "debug"})
    unit.start()
    session = Session(unit, unit.cell("alice"))

    def note(answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            session.refusals.append(answer.read() + str(answer.headers.raw).encode())

    unit.http.event_hooks["response"].append(note)
    try:
        for part in (log_in, present, misuse, run_scripts, export):
            part(session)
        yield session
    finally:
        unit.stop()
        unit.http.close()


def log_in(session: Session) -> None:
    """Accounts are made, log in rightly and wrongly, refresh and change their passwords."""
    cell = session.cell
    secrets = {"password": PASSWORD, "new password": CHANGED, "wrong password": WRONG, "long password": TOO_LONG}
    for name, secret in {**secrets, "master token": MASTER, "operator token": session.unit.token}.items():
        session.keep(name, secret)
    for path in session.unit.data.glob("secrets/*"):
        session.keep(path.name, path.read_bytes().strip())
    cell.account("bob", PASSWORD)
    for name, password in (("bob", PASSWORD), ("eve", TOO_LONG)):
        headers = {"X-Personium-Credential": password}
        assert cell.call("POST", "__ctl/Account", json={"Name": name}, headers=headers).status_code in {400, 409}
    for name in ("bob", "nobody"):
        assert cell.grant(name, WRONG).status_code == 400
    given = cell.grant("bob", PASSWORD, p_cookie="true")
    session.keep("cookie", given.cookies["p_cookie"])
    cell.http.cookies.clear()
    body = given.json()
    for name in ("access_token", "refresh_token", "p_cookie_peer"):
        session.keep(name, body[name])
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    session.keep("refreshed token", cell.call("POST", "__token", token=None, data=form).json()["access_token"])
    headers = {"X-Personium-Credential": CHANGED}
    assert cell.call("PUT", "__mypassword", token=body["access_token"], headers=headers).status_code == 204
    session.keep("last token", cell.token("bob", CHANGED))


def present(session: Session) -> None:
    """Each kind of credential is sent where it is refused for want of rights."""
    cell, secrets = session.cell, {name: secret.decode("latin-1") for name, secret in session.secrets.items()}
    pair = session.keep("credentials", base64.b64encode(f"bob:{CHANGED}".encode()).decode())
    for path in ("__/none", "__ctl/Role", "__snapshot/none.zip", "none", "__nothing"):
        cell.call("GET", path, token=secrets["last token"])
        cell.call("GET", path, token=secrets["refresh_token"])
        cookie = {"Cookie": f"p_cookie={secrets['cookie']}"}
        cell.call("GET", f"{path}?p_cookie_peer={secrets['p_cookie_peer']}", token=None, headers=cookie)
        for scheme, value in (
            ("Basic", pair),
            ("Token", secrets["last token"]),
            ("Bearer", secrets["last token"] + "x"),
        ):
            cell.call("GET", path, token=None, headers={"Authorization": f"{scheme} {value}"})


def misuse(session: Session) -> None:
    """Secrets are sent in requests that are refused for their form."""
    cell, token = session.cell, session.secrets["last token"].decode()
    for content in (
        f"grant_type=password&username=bob&password={CHANGED}&password={CHANGED}",
        f"grant_type=none&username=bob&password={CHANGED}",
        f'{{"grant_type": "password", "password": "{CHANGED}"}}',
        f"grant_type=refresh_token&refresh_token={token}",
        f"password={CHANGED}",
    ):
        assert cell.call("POST", "__token", token=None, content=content).status_code == 400
    for text in (f'{{"Name": "x", "password": "{CHANGED}"', f'{{"Name": "x", "Password": "{CHANGED}"}}'):
        assert cell.call("POST", "__ctl/Account", content=text).status_code == 400
    for head in (f"GET /alice/__/f HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n", f"BROKEN {token}\r\n\r\n"):
        with Raw(session.unit.url) as raw:
            raw.send(head.encode())
            session.refusals.append(raw.answer()[2])


def run_scripts(session: Session) -> None:
    """A script shouts what it was given, and fails with it."""
    headers = "JSON.stringify(request.headers)"
    scripts = {
        "log": doing(
            f"console.error({headers}); console.log(request.headers.authorization); console.warn({headers})"
        ),
        "env": returning("typeof process + typeof os"),
    }
    make_service(session.cell, scripts)
    session.cell.acl("__/svc", {"all": "p:exec"})
    for name in scripts:
        answer = session.cell.call("GET", f"__/svc/{name}", token=session.secrets["last token"].decode())
        assert answer.status_code == 200


def export(session: Session) -> None:
    """The cell is exported and carried away."""
    cell = session.cell
    assert cell.call("POST", "__export", json={"Name": "snap"}).status_code == 202
    until(lambda: cell.call("GET", "__export").json()["status"] == "ready")
    archive = zipfile.ZipFile(io.BytesIO(cell.call("GET", "__snapshot/snap.zip").content))
    session.snapshot = b"\n".join(archive.read(name) for name in archive.namelist())


def test_the_log_tells_much_and_no_secret(session: Session) -> None:
    log = session.unit.log.encode()
    assert b"PR400-AN-0017" in log and b'"script"' in log
    assert session.found_in(log) == []


def test_refusals_tell_no_secret(session: Session) -> None:
    assert len(session.refusals) > 40
    assert session.found_in(b"\n".join(session.refusals)) == []


def test_the_list_of_processes_tells_no_secret(session: Session) -> None:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, check=True).stdout
    assert b"serve" in listed
    assert session.found_in(listed) == []


def test_workers_know_no_secret_of_their_unit(session: Session) -> None:
    environments = [Path(f"/proc/{each}/environ").read_bytes() for each in workers(session.unit.process.pid)]
    assert environments
    assert session.found_in(b"\n".join(environments)) == []


def workers(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid, parent in (line.split() for line in listed.splitlines()) if int(parent) == process]


def test_the_snapshot_has_hashes_of_passwords_and_nothing_else(session: Session) -> None:
    assert b"HashedCredential" in session.snapshot and b"scrypt" in session.snapshot
    assert session.found_in(session.snapshot) == []


def test_the_data_folder_has_no_secret_outside_its_keys(session: Session) -> None:
    files = [path for path in session.unit.data.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    assert len(files) > 5
    assert {
        str(path): session.found_in(path.read_bytes()) for path in files if session.found_in(path.read_bytes())
    } == {}
