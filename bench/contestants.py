"""Who is measured with files: Alveary, and the two it is compared with, each as one ordinary server process.

The peers check nobody and, but for wsgidav's locks, guard nothing: every comparison is to their advantage. What
does not belong here: what is asked of them, and who is measured with entities (``odata_contestants``).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final, TypeVar
from urllib.parse import quote

from alveary.adapters.keys.files import OperatorKey
from bench.processes import HOST, free_port, running
from bench.sites import Site

ALVEARY: Final = "alveary"
NGINX: Final = "nginx"
WSGIDAV: Final = "wsgidav"

CELL: Final = "bench"
BOX: Final = "data"
SERVICE: Final = "scripts"
_ACCOUNT: Final = "reader"
_PASSWORD: Final = "not-a-secret-1"

_NGINX_MODULE: Final = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
_NGINX_CONF: Final = Template("""
load_module $module;
$user
worker_processes 1;
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen $host:$port;
    location / {
      root $folder/files;
      dav_methods PUT DELETE MKCOL COPY MOVE;
      dav_ext_methods PROPFIND OPTIONS;
    }
  }
}
""")

_ACL: Final = """<?xml version="1.0" encoding="utf-8"?>
<D:acl xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:ace>
<D:principal>{principal}</D:principal>
<D:grant><D:privilege><D:read/></D:privilege><D:privilege><D:write/></D:privilege>
<D:privilege><p:exec/></D:privilege></D:grant>
</D:ace></D:acl>"""

_MAKE_SERVICE: Final = b"""<?xml version="1.0" encoding="utf-8"?>
<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>
<D:resourcetype><D:collection/><p:service/></D:resourcetype></D:prop></D:set></D:mkcol>"""

_ROUTE: Final = b"""<?xml version="1.0" encoding="utf-8"?>
<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>
<p:service language="JavaScript"><p:path name="hello" src="hello.js"/></p:service></D:prop></D:set>
</D:propertyupdate>"""

_SCRIPT: Final = b"""function(request) {
  return {status: 200, headers: {"Content-Type": "text/plain"}, body: ["hello"]};
}"""


@contextmanager
def nginx(folder: Path) -> Iterator[Site]:
    """Debian's nginx with dav and dav-ext, one worker process, no access log."""
    port = free_port()
    (folder / "files").mkdir()
    (folder / "nginx.conf").write_text(
        _NGINX_CONF.substitute(
            folder=folder,
            host=HOST,
            port=port,
            module=_NGINX_MODULE,
            user="user root;" if os.geteuid() == 0 else "",  # else its worker could not write here
        )
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(command, folder, port, "/") as process:
        yield Site(NGINX, process)


@contextmanager
def wsgidav(folder: Path) -> Iterator[Site]:
    """The WebDAV server of that name under cheroot, as its command line starts it."""
    port = free_port()
    (folder / "files").mkdir()
    command = [sys.executable, "-m", "wsgidav.server.server_cli", "--no-config", "--auth=anonymous", "-qq"]
    command += [f"--host={HOST}", f"--port={port}", f"--root={folder / 'files'}"]
    with running(command, folder, port, "/") as process:
        yield Site(WSGIDAV, process)


@contextmanager
def alveary(folder: Path, *options: str) -> Iterator[Site]:
    """``alveary serve`` with *options* on a new data folder, as its administrator sees it."""
    data, port = folder / "data", free_port()
    command = [str(Path(sys.executable).with_name("alveary")), "serve"]
    command += ["--data", str(data), "--bind", f"{HOST}:{port}", *options]
    with running(command, folder, port, "/healthz") as process:
        token = OperatorKey.of(data).mint(int(time.time() * 1000))
        yield Site(ALVEARY, process, authorization=f"Bearer {token}")


@contextmanager
def alveary_box(folder: Path) -> Iterator[Site]:
    """The same with a cell, and a box that an account may use by a role: each request is checked for both."""
    with alveary(folder) as unit:
        yield member(unit)


def member(unit: Site) -> Site:
    """The box in a new cell of *unit*, as an account sees it that the box's ACL lets in."""
    make_cell(unit, CELL)
    control, box = f"/{CELL}/__ctl", f"/{CELL}/{BOX}"
    unit.call("POST", f"{control}/Box", _json(Name=BOX))
    unit.call("POST", f"{control}/Account", _json(Name=_ACCOUNT), {"X-Personium-Credential": _PASSWORD})
    unit.call("POST", f"{control}/Role", _json(Name="member"))
    own_url = f"http://localhost:{unit.process.port}"  # as a unit on the loopback spells it
    role = {"uri": f"{own_url}{control}/Role('member')"}
    unit.call("POST", f"{control}/Account('{_ACCOUNT}')/$links/_Role", _json(**role))
    unit.call("ACL", box, _ACL.format(principal=f"<D:href>{own_url}/{CELL}/__role/__/member</D:href>").encode())
    unit.call("MKCOL", f"{box}/{SERVICE}", _MAKE_SERVICE)
    unit.call("PROPPATCH", f"{box}/{SERVICE}", _ROUTE)
    unit.call("PUT", f"{box}/{SERVICE}/__src/hello.js", _SCRIPT, {"Content-Type": "text/javascript"})
    return Site(unit.name, unit.process, f"{box}/", f"Bearer {log_in(Site(unit.name, unit.process))}")


def log_in(anyone: Site) -> str:
    """An access token of the account in the cell of :func:`member`, for its password."""
    form = f"grant_type=password&username={_ACCOUNT}&password={quote(_PASSWORD)}".encode()
    media_type = {"Content-Type": "application/x-www-form-urlencoded"}
    return str(json.loads(anyone.call("POST", f"/{CELL}/__token", form, media_type))["access_token"])


def open_to_all(unit: Site, path: str) -> None:
    """Let everyone read and write what is at *path*, as administrator *unit*."""
    unit.call("ACL", path, _ACL.format(principal="<D:all/>").encode())


def make_cell(unit: Site, name: str) -> None:
    """A new cell of that name."""
    unit.call("POST", "/__ctl/Cell", _json(Name=name))


def _json(**members: str) -> bytes:
    return json.dumps(members).encode()


_Served = TypeVar("_Served")

Starter = Callable[[Path], AbstractContextManager[_Served]]
"""Starts a server that keeps all it has in the folder it is given."""

Contestant = Starter[Site]


def find_peers() -> dict[str, Contestant]:
    """The peers that are installed, by name."""
    peers: dict[str, Contestant] = {}
    if shutil.which("nginx") and _NGINX_MODULE.exists():
        peers[NGINX] = nginx
    if find_spec("wsgidav") and find_spec("cheroot"):
        peers[WSGIDAV] = wsgidav
    return peers
