"""OAuth2 clients that others wrote, unmodified, from the login page to the end of a session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import WebApplicationClient

from tests.running import Site, running


@dataclass(slots=True)
class World:
    """The cell of a user, that of an app, and what discovery tells of the first."""

    cell: Site
    app: Site
    metadata: dict[str, str]

    @property
    def back(self) -> str:
        return f"{self.app.url}__/back"

    def secret(self) -> str:
        return self.app.token("me", p_target=self.cell.url)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("oauth") / "d") as unit:
        cell, app = unit.cell("alice"), unit.cell("app")
        cell.account("me", roles=("user",))
        cell.acl("", {"user": "p:auth-read"})
        app.account("me")
        yield World(cell, app, httpx.get(f"{cell.url}.well-known/openid-configuration").json())


def logged_in(url: str) -> str:
    """The URL that the user's browser comes back to, after the login that *url* asks for."""
    form = dict(parse_qsl(urlsplit(url).query)) | {"username": "me", "password": "password-1"}
    assert "password" in httpx.get(url).text
    answer = httpx.post(url.partition("?")[0], data=form)
    assert answer.status_code == 303
    return answer.headers["location"]


def test_authlib_goes_through_the_code_flow_with_pkce_refresh_introspection_and_revocation(world: World) -> None:
    with OAuth2Client(
        client_id=world.app.url,
        client_secret=world.secret(),
        redirect_uri=world.back,
        scope="openid auth-read",
        code_challenge_method="S256",
    ) as client:
        verifier = "authlib-verifier-of-at-least-forty-three-characters"
        url, state = client.create_authorization_url(
            world.metadata["authorization_endpoint"], code_verifier=verifier, nonce="n1"
        )
        token = client.fetch_token(
            world.metadata["token_endpoint"],
            authorization_response=logged_in(url),
            state=state,
            code_verifier=verifier,
        )
        assert token["token_type"] == "Bearer"
        keys = KeySet.import_key_set(httpx.get(world.metadata["jwks_uri"]).json())
        assert jwt.decode(token["id_token"], keys).claims["nonce"] == "n1"
        assert client.get(f"{world.cell.url}__ctl/Role").status_code == 200
        renewed = client.refresh_token(world.metadata["token_endpoint"], refresh_token=token["refresh_token"])
        assert renewed["access_token"] != token["access_token"]
        told = client.introspect_token(world.metadata["introspection_endpoint"], token=renewed["access_token"])
        assert told.json()["active"] is True and told.json()["client_id"] == world.app.url
        ended = client.revoke_token(world.metadata["revocation_endpoint"], token=renewed["access_token"])
        assert ended.status_code == 200
        told = client.introspect_token(world.metadata["introspection_endpoint"], token=token["access_token"])
        assert told.json() == {"active": False}


def test_oauthlib_goes_through_the_code_flow_with_pkce_and_refresh(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client = WebApplicationClient(world.app.url)
    verifier = client.create_code_verifier(64)
    challenge = client.create_code_challenge(verifier, "S256")
    url, _, _ = client.prepare_authorization_request(
        world.metadata["authorization_endpoint"],
        state="s1",
        redirect_url=world.back,
        scope="auth-read",
        code_challenge=challenge,
        code_challenge_method="S256",
    )
    client.parse_request_uri_response(logged_in(url), state="s1")
    proof = {"client_secret": world.secret(), "code_verifier": verifier}
    body = client.prepare_request_body(code=client.code, redirect_uri=world.back, **proof)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = httpx.post(world.metadata["token_endpoint"], content=body, headers=form)
    token = client.parse_request_body_response(answer.text, scope="auth-read")
    uri, headers, _ = client.add_token(f"{world.cell.url}__ctl/Role")
    assert httpx.get(uri, headers=headers).status_code == 200
    body = client.prepare_refresh_body(refresh_token=token["refresh_token"], client_id=world.app.url, **proof)
    answer = httpx.post(world.metadata["token_endpoint"], content=body, headers=form)
    assert client.parse_request_body_response(answer.text)["access_token"]
