"""An OpenID provider as a process of its own, for the tests of logins by id tokens: it signs what it is told to.

``GET /.well-known/openid-configuration`` and ``/jwks`` are what it publishes. The rest is for tests alone: ``POST
/sign`` (a header and claims to a token), ``POST /rotate`` (new keys), ``POST /publish`` (what the discovery document
says otherwise), ``GET /fetches`` (how often the keys were fetched).
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CURVES = {"ES256": "P-256", "ES384": "P-384"}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"]


class Provider:
    """What the process holds."""

    def __init__(self) -> None:
        self.url = ""
        self.published: dict[str, Any] = {}
        self.fetches = 0
        self._names = itertools.count()
        self.rotate()

    def rotate(self) -> dict[str, Any]:
        rsa = RSAKey.generate_key(2048, {"kid": f"rsa{next(self._names)}", "use": "sig"})
        curves = {
            name: ECKey.generate_key(curve, {"kid": f"{name}-{next(self._names)}"}) for name, curve in CURVES.items()
        }
        self.keys: dict[str, RSAKey | ECKey] = {**dict.fromkeys(ALGORITHMS, rsa), **curves}
        return {}

    def discovery(self) -> dict[str, Any]:
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.published}

    def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        keys = {key.kid: key for key in self.keys.values()}
        unknown = {"kty": "new", "kid": "new"}
        return {"keys": [unknown, *KeySet(list(keys.values())).as_dict()["keys"]]}

    def sign(self, given: dict[str, Any]) -> dict[str, Any]:
        algorithm = given["header"].get("alg", "RS256")
        key = self.keys[algorithm]
        header = {"alg": algorithm, "kid": key.kid, **given["header"]}
        header = {name: value for name, value in header.items() if value is not None}
        return {"token": jwt.encode(header, given["claims"], key, algorithms=[algorithm])}

    def publish(self, given: dict[str, Any]) -> dict[str, Any]:
        self.published = given
        return {}


def main() -> None:
    """Serve until killed; the first line of output is the URL."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path:
                case "/.well-known/openid-configuration":
                    self._answer(provider.discovery())
                case "/jwks":
                    self._answer(provider.jwks())
                case "/fetches":
                    self._answer({"count": provider.fetches})
                case _:
                    self.send_error(404)

        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            match self.path:
                case "/sign":
                    self._answer(provider.sign(given))
                case "/rotate":
                    self._answer(provider.rotate())
                case _:
                    self._answer(provider.publish(given))

        def _answer(self, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    print(provider.url, flush=True)  # noqa: T201
    server.serve_forever()


@dataclass(slots=True)
class ProviderProcess:
    """The process, from the side of a test."""

    process: subprocess.Popen[str]
    url: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    @property
    def config_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    @property
    def fetches(self) -> int:
        """How often its keys were fetched, by the test too."""
        return int(self.http.get(f"{self.url}/fetches").json()["count"])

    def jwks(self) -> dict[str, Any]:
        return dict(self.http.get(f"{self.url}/jwks").json())

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An id token for ``alice`` of the client ``app``, but for what *header* and *claims* say; None: left out."""
        return str(self._post("sign", {"header": header or {}, "claims": self.claims(**claims)})["token"])

    def claims(self, **claims: Any) -> dict[str, Any]:
        now_s = int(time.time())
        usual = {
            "iss": self.url,
            "aud": "app",
            "sub": "1",
            "iat": now_s,
            "exp": now_s + 300,
            "username": "alice",
        }
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def rotate(self) -> None:
        """New keys in place of all it had."""
        self._post("rotate", {})

    def publish(self, **discovery: Any) -> None:
        """A discovery document that says these things otherwise."""
        self._post("publish", discovery)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self.http.post(f"{self.url}/{path}", json=body).json())


@contextmanager
def provider_process() -> Iterator[ProviderProcess]:
    """A provider that runs until the end of the block."""
    command = [sys.executable, "-m", "tests.openid_provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        provider = ProviderProcess(process, process.stdout.readline().strip())
        try:
            yield provider
        finally:
            provider.http.close()
            provider.stop()


if __name__ == "__main__":
    main()
