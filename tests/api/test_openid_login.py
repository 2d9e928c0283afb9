"""Logins at the token endpoint by what an OpenID provider, a process of its own, has signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.openid_provider import ProviderProcess, provider_process
from tests.running import RunningUnit, Site, running

GRANT = "urn:x-personium:oidc:generic"


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    with provider_process() as provider:
        yield provider


@pytest.fixture(scope="module")
def told(provider: ProviderProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that knows that provider."""
    settings = {"oidc": {"here": {"config_url": provider.config_url, "trusted_client_ids": "app"}}}
    data = tmp_path_factory.mktemp("told") / "d"
    with running(data, plugin=settings, **{"outbound.allow": "127.0.0.1"}) as unit:
        yield unit


def granted(cell: Site, token: str, **form: str) -> httpx.Response:
    fields = {"grant_type": GRANT, "id_token": token, **form}
    return cell.call("POST", "__token", token=None, data=fields)


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["error"], body["error_description"].split("]")[0].lstrip("[")


def test_an_account_of_that_type_gets_tokens_as_by_its_password(told: RunningUnit, provider: ProviderProcess) -> None:
    cell = told.cell()
    cell.account("alice", Type="basic oidc:generic", roles=("reader",))
    cell.acl("", {"reader": "p:auth-read"})
    body = granted(cell, provider.token(), scope="auth-read").json()
    assert (body["access_token"][:3], body["refresh_token"][:3], body["scope"]) == ("AR~", "RR~", "auth-read")
    assert (body["last_authenticated"], body["failed_count"]) == (None, 0)
    assert cell.call("GET", "__ctl/Role", token=body["access_token"]).status_code == 200
    again = granted(cell, provider.token(), p_target=told.cell().url, expires_in="60").json()
    assert isinstance(again["last_authenticated"], int) and again["expires_in"] == 60 and "p_target" in again


def test_no_other_account_is_let_in_and_none_is_told_from_another(
    told: RunningUnit, provider: ProviderProcess
) -> None:
    cell = told.cell()
    cell.account("alice")
    cell.account("bob", Type="oidc:generic", Status="deactivated")
    for name in ("alice", "bob", "nobody"):
        answer = granted(cell, provider.token(username=name))
        assert refused(answer) == (400, "invalid_grant", "PR400-AN-0017")


def test_one_that_must_change_its_password_gets_only_a_way_to_do_so(
    told: RunningUnit, provider: ProviderProcess
) -> None:
    cell = told.cell()
    cell.account("alice", Type="basic oidc:generic", Status="passwordChangeRequired")
    answer = granted(cell, provider.token())
    assert refused(answer) == (401, "invalid_grant", "PR401-AN-0023")
    assert answer.json()["access_token"].startswith("AP~")


def test_a_token_that_is_not_good_is_refused_in_oauths_words(told: RunningUnit, provider: ProviderProcess) -> None:
    cell = told.cell()
    cell.account("alice", Type="oidc:generic")
    for token in ("", "x.y.z", provider.token(exp=1), provider.token(aud="other"), provider.token(iss="https://x/")):
        assert refused(granted(cell, token)) == (400, "invalid_grant", "PR400-PA-0001")


def test_a_provider_that_does_not_answer_is_503_and_harms_no_other_login(tmp_path: Path) -> None:
    settings = {"oidc": {"gone": {"config_url": "http://127.0.0.1:1/x", "trusted_client_ids": "*"}}}
    with running(tmp_path / "d", plugin=settings, **{"outbound.allow": "127.0.0.1"}) as unit:
        cell = unit.cell()
        cell.account("alice", Type="basic oidc:generic")
        unsigned = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"
        assert refused(granted(cell, unsigned)) == (503, "temporarily_unavailable", "PR503-PA-0001")
        assert cell.grant("alice").status_code == 200


def test_a_grant_type_without_a_provider_is_unknown(cell: Site) -> None:
    assert refused(granted(cell, "x")) == (400, "unsupported_grant_type", "PR400-AN-0001")
    assert cell.call("POST", "__ctl/Account", json={"Name": "b", "Type": "oidc:generic"}).status_code == 400


def test_the_document_of_discovery_names_the_grant(told: RunningUnit) -> None:
    document = told.cell().call("GET", ".well-known/openid-configuration", token=None).json()
    assert {GRANT, "password", "authorization_code"} <= set(document["grant_types_supported"])
