"""Refusals as answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alveary import errors
from alveary.errors import Refusal
from alveary.http.refusals import OAUTH_ERRORS, render
from alveary.http.response import Response

REALM = "https://cell.unit.example/"


def answer(kind: errors.Kind, **params: object) -> tuple[Response, Any]:
    response = render(Refusal(kind, **params), REALM)
    assert isinstance(response.body, bytes)
    return response, json.loads(response.body)


def test_a_refusal_has_code_and_text_and_the_status_of_its_code() -> None:
    response, body = answer(errors.NO_SUCH_RESOURCE, url='http://u/"c"/')
    assert response.status == 404
    assert response.headers == {"content-type": "application/json"}
    assert body == {
        "code": "PR404-DV-0001",
        "message": {"lang": "en", "value": 'The resource [http://u/"c"/] does not exist.'},
    }


def test_the_token_endpoint_speaks_oauth_and_is_never_stored() -> None:
    response, body = answer(errors.AUTHENTICATION_FAILED)
    assert body == {"error": "invalid_grant", "error_description": "[PR400-AN-0017] - Authentication failed."}
    assert response.headers["cache-control"] == "no-store"


def test_every_kind_of_the_token_endpoint_has_an_oauth_name() -> None:
    codes = {kind.code for kind in errors.catalogue().values()}
    assert {code for code in codes if code[6:8] == "AN"} <= OAUTH_ERRORS.keys()


@pytest.mark.parametrize(
    ("kind", "challenge", "schemes"),
    [
        (errors.AUTH_REQUIRED, None, ("Bearer",)),
        (errors.AUTH_REQUIRED, ("Bearer", "Basic"), ("Bearer", "Basic")),
        (errors.CLIENT_AUTH_REQUIRED, None, ("Basic",)),
    ],
)
def test_a_401_challenges_with_the_schemes_that_work_there(
    kind: errors.Kind, challenge: object, schemes: tuple[str, ...]
) -> None:
    response, _ = answer(kind, challenge=challenge)
    assert response.headers["www-authenticate"] == tuple(f'{scheme} realm="{REALM}"' for scheme in schemes)


def test_only_a_401_challenges() -> None:
    response, _ = answer(errors.LACKS_PRIVILEGE)
    assert "www-authenticate" not in response.headers


def test_a_refusal_may_bring_headers_and_members() -> None:
    response, body = answer(
        errors.PASSWORD_CHANGE_REQUIRED, extra={"access_token": "t"}, headers={"retry-after": "1"}
    )
    assert body["access_token"] == "t"
    assert body["error"] == "invalid_grant"
    assert response.headers["retry-after"] == "1"
