"""What logins by id tokens accept, against a provider that runs as a process of its own."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from structlog.testing import CapturingLogger

from alveary.adapters.auth.oidc import OidcLogin, OidcSettings, plugins
from alveary.adapters.auth.oidc_provider import KEEP_S, PAUSE_S, RETRY_S
from alveary.adapters.peers.outbound import HttpOutbound
from alveary.config import Outbound
from alveary.ports.login_plugins import LoginProblem, PluginContext, Reason
from tests.openid_provider import ALGORITHMS, ProviderProcess, provider_process

NEAR = Outbound(allow=(ipaddress.ip_network("127.0.0.1"),))


class Watch:
    """The time of day as it is, and a stopwatch that is moved by hand."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def ticks_s(self) -> float:
        return self.s


@pytest.fixture(scope="module")
def shared() -> Iterator[ProviderProcess]:
    with provider_process() as provider:
        yield provider


@pytest.fixture
def provider(shared: ProviderProcess) -> Iterator[ProviderProcess]:
    yield shared
    shared.publish()


@pytest.fixture
async def outbound() -> AsyncIterator[HttpOutbound]:
    outbound = HttpOutbound(NEAR)
    yield outbound
    await outbound.close()


def context(outbound: HttpOutbound, watch: Watch | None = None, **settings: Any) -> PluginContext:
    log = structlog.wrap_logger(CapturingLogger(), wrapper_class=structlog.make_filtering_bound_logger(0))
    return PluginContext(settings, outbound, watch or Watch(), log, clock_skew_s=60)


def login_of(
    provider: ProviderProcess, outbound: HttpOutbound, watch: Watch | None = None, **settings: Any
) -> OidcLogin:
    table = {"config_url": provider.config_url, "trusted_client_ids": "other app", **settings}
    (login,) = plugins(context(outbound, watch, id=table))
    return login


@pytest.fixture
def login(provider: ProviderProcess, outbound: HttpOutbound) -> OidcLogin:
    return login_of(provider, outbound)


async def identify(login: OidcLogin, token: str) -> str:
    return await login.identify({"grant_type": login.grant_type, "id_token": token})


async def reason(login: OidcLogin, token: str) -> Reason:
    with pytest.raises(LoginProblem) as caught:
        await identify(login, token)
    assert str(caught.value)
    return caught.value.reason


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class TestSignatures:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_a_token_of_the_provider_names_the_account(
        self, provider: ProviderProcess, login: OidcLogin, algorithm: str
    ) -> None:
        assert await identify(login, provider.token(header={"alg": algorithm})) == "alice"

    async def test_without_a_kid_the_only_key_for_the_algorithm_will_do(
        self, provider: ProviderProcess, login: OidcLogin
    ) -> None:
        assert await identify(login, provider.token(header={"kid": None})) == "alice"
        two_curves = provider.token(header={"alg": "ES256", "kid": None})
        assert await reason(login, two_curves) is Reason.INVALID

    async def test_an_unsigned_token_proves_nothing(self, provider: ProviderProcess, login: OidcLogin) -> None:
        for name in ("none", "None", "NONE", ""):
            unsigned = f"{part({'alg': name})}.{part(provider.claims())}."
            assert await reason(login, unsigned) is Reason.INVALID

    async def test_a_public_key_is_no_shared_secret(self, provider: ProviderProcess, login: OidcLogin) -> None:
        (key,) = (each for each in provider.jwks()["keys"] if each["kty"] == "RSA")
        pem = RSAKey.import_key(key).as_pem(private=False)
        for secret in (pem, json.dumps(key).encode(), base64.urlsafe_b64decode(key["n"] + "==")):
            for kid in (key["kid"], None):
                signed = (
                    f"{part({'alg': 'HS256', 'kid': kid} if kid else {'alg': 'HS256'})}.{part(provider.claims())}"
                )
                mac = hmac.digest(secret, signed.encode(), "sha256")
                forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
                assert await reason(login, forged) is Reason.INVALID

    async def test_a_key_of_somebody_else_proves_nothing(self, provider: ProviderProcess, login: OidcLogin) -> None:
        ours = {each["kid"]: each for each in provider.jwks()["keys"]}
        for kid, own in ours.items():
            key = ECKey.generate_key("P-256") if own["kty"] == "EC" else RSAKey.generate_key(2048)
            header = {
                "alg": "ES256" if own["kty"] == "EC" else "RS256",
                "kid": kid,
                "jwk": key.as_dict(private=False),
            }
            forged = jwt.encode(header, provider.claims(), key, algorithms=["ES256", "RS256"])
            assert await reason(login, forged) is Reason.INVALID

    async def test_a_changed_token_proves_nothing(self, provider: ProviderProcess, login: OidcLogin) -> None:
        header, _, signature = provider.token().split(".")
        other = part(provider.claims(username="root"))
        for changed in (f"{header}.{other}.{signature}", f"{header}.{other}.", f"{header}.{other}"):
            assert await reason(login, changed) is Reason.INVALID

    @pytest.mark.parametrize(
        "token",
        ["", "a", "a.b", "a.b.c", "...", "a.b.c.d.e", "\ud800.a.b", "ü.ü.ü", "a" * 200_000, f"{part('alg')}.e30.a",
         f"{part(['alg'])}.e30.a", f"{part({'alg': ['RS256']})}.e30.a", f"{part({'alg': 'RS256', 'kid': 1})}.e30.a",
         f"{part({'alg': 'RS256', 'crit': ['x'], 'x': 1})}.e30.a", f"{part({})}.e30.a", f"{part(None)}.e30.a"],
    )  # fmt: skip
    async def test_what_is_no_token_proves_nothing(self, login: OidcLogin, token: str) -> None:
        assert await reason(login, token) is Reason.INVALID

    async def test_a_form_without_a_token_proves_nothing(self, login: OidcLogin) -> None:
        with pytest.raises(LoginProblem, match="id_token"):
            await login.identify({})


class TestClaims:
    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://other.example"},
            {"iss": None},
            {"iss": ["https://other.example"]},
            {"exp": 1},
            {"exp": None},
            {"exp": "9999999999"},
            {"exp": True},
            {"iat": None},
            {"iat": 9_999_999_999},
            {"nbf": 9_999_999_999},
            {"aud": "stranger"},
            {"aud": None},
            {"aud": []},
            {"aud": {"app": 1}},
            {"aud": [["app"]]},
            {"aud": ["app", "stranger"]},
            {"aud": ["app", "stranger"], "azp": "stranger"},
            {"aud": ["strange", "stranger"], "azp": "app"},
            {"aud": ["app", "stranger"], "azp": ["app"]},
            {"username": None},
            {"username": ""},
            {"username": 7},
            {"username": ["alice"]},
        ],
    )
    async def test_claims_that_do_not_hold_are_refused(
        self, provider: ProviderProcess, login: OidcLogin, claims: dict[str, Any]
    ) -> None:
        assert await reason(login, provider.token(**claims)) is Reason.INVALID

    @pytest.mark.parametrize(
        "claims", [{"aud": ["app"]}, {"aud": "other"}, {"aud": ["app", "stranger"], "azp": "app"}, {"nbf": 1}]
    )
    async def test_claims_that_hold_are_accepted(
        self, provider: ProviderProcess, login: OidcLogin, claims: dict[str, Any]
    ) -> None:
        assert await identify(login, provider.token(**claims)) == "alice"

    async def test_clocks_may_be_off_by_what_is_configured(self, provider: ProviderProcess, login: OidcLogin) -> None:
        now_s = int(time.time())
        assert await identify(login, provider.token(exp=now_s - 30, iat=now_s + 30, nbf=now_s + 30)) == "alice"
        for claims in ({"exp": now_s - 70}, {"iat": now_s + 70}, {"nbf": now_s + 70}):
            assert await reason(login, provider.token(**claims)) is Reason.INVALID

    async def test_a_star_trusts_every_client(self, provider: ProviderProcess, outbound: HttpOutbound) -> None:
        login = login_of(provider, outbound, trusted_client_ids="*")
        assert await identify(login, provider.token(aud=["a", "b"])) == "alice"

    async def test_another_claim_may_name_the_account(
        self, provider: ProviderProcess, outbound: HttpOutbound
    ) -> None:
        login = login_of(provider, outbound, account_name_key="email")
        assert await identify(login, provider.token(email="a@b.example")) == "a@b.example"
        assert await identify(login, provider.token(email="a@b.example", email_verified=True)) == "a@b.example"
        unverified = provider.token(email="a@b.example", email_verified=False)
        assert await reason(login, unverified) is Reason.INVALID


class TestKeys:
    async def test_keys_are_fetched_once_and_again_after_a_while(
        self, provider: ProviderProcess, outbound: HttpOutbound
    ) -> None:
        watch = Watch()
        login = login_of(provider, outbound, watch)
        before = provider.fetches
        for _ in range(3):
            await identify(login, provider.token())
        assert provider.fetches == before + 1
        watch.s += KEEP_S
        await identify(login, provider.token())
        assert provider.fetches == before + 2

    async def test_new_keys_are_found_and_unknown_ones_asked_for_at_most_every_so_often(
        self, provider: ProviderProcess, outbound: HttpOutbound
    ) -> None:
        watch = Watch()
        login = login_of(provider, outbound, watch)
        old = provider.token()
        await identify(login, old)
        provider.rotate()
        before = provider.fetches
        assert await reason(login, provider.token()) is Reason.INVALID
        assert provider.fetches == before
        watch.s += PAUSE_S
        assert await identify(login, provider.token()) == "alice"
        assert await reason(login, old) is Reason.INVALID
        assert await reason(login, provider.token(header={"kid": "none"})) is Reason.INVALID
        assert provider.fetches == before + 1

    async def test_a_provider_that_is_down_makes_logins_fail_until_it_is_back(self, outbound: HttpOutbound) -> None:
        watch = Watch()
        with provider_process() as gone:
            login, token = login_of(gone, outbound, watch), gone.token()
            known = login_of(gone, outbound, watch)
            await identify(known, token)
        assert await reason(login, token) is Reason.UNAVAILABLE
        assert await reason(login, token) is Reason.UNAVAILABLE
        assert await identify(known, token) == "alice"
        watch.s += max(KEEP_S, RETRY_S)
        assert await reason(known, token) is Reason.UNAVAILABLE

    async def test_a_provider_that_failed_is_asked_again_after_a_moment(
        self, provider: ProviderProcess, outbound: HttpOutbound
    ) -> None:
        watch = Watch()
        login, token = login_of(provider, outbound, watch), provider.token()
        provider.publish(jwks_uri=f"{provider.url}/none")
        assert await reason(login, token) is Reason.UNAVAILABLE
        provider.publish()
        assert await reason(login, token) is Reason.UNAVAILABLE
        watch.s += RETRY_S
        assert await identify(login, token) == "alice"

    async def test_a_provider_on_a_private_address_is_not_asked_by_default(self, provider: ProviderProcess) -> None:
        outbound = HttpOutbound(Outbound())
        try:
            assert await reason(login_of(provider, outbound), provider.token()) is Reason.BROKEN
        finally:
            await outbound.close()

    @pytest.mark.parametrize(
        "discovery",
        [{"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": "http://127.0.0.2/"}, {"issuer": None}, {"issuer": 1}],
    )
    async def test_a_discovery_document_that_makes_no_sense_is_the_operators_to_see(
        self, provider: ProviderProcess, login: OidcLogin, discovery: dict[str, Any]
    ) -> None:
        token = provider.token()
        provider.publish(**discovery)
        assert await reason(login, token) is Reason.BROKEN

    async def test_the_issuer_is_the_one_that_the_document_names(
        self, provider: ProviderProcess, login: OidcLogin
    ) -> None:
        provider.publish(issuer="https://issuer.example")
        assert await reason(login, provider.token()) is Reason.INVALID
        assert await identify(login, provider.token(iss="https://issuer.example")) == "alice"


class TestSettings:
    GOOD: dict[str, Any] = {"config_url": "https://a.example/", "trusted_client_ids": "app"}  # noqa: RUF012

    def test_the_defaults_are_those_of_personium(self, outbound: HttpOutbound) -> None:
        (login,) = plugins(context(outbound, one=self.GOOD))
        assert (login.grant_type, login.account_type) == ("urn:x-personium:oidc:generic", "oidc:generic")
        assert OidcSettings(**self.GOOD).account_name_key == "username"

    def test_a_provider_that_is_not_enabled_is_left_out(self, outbound: HttpOutbound) -> None:
        assert plugins(context(outbound, one={**self.GOOD, "enabled": False})) == ()
        assert plugins(context(outbound)) == ()

    @pytest.mark.parametrize(
        "wrong",
        [{"config_url": "ftp://a"}, {"trusted_client_ids": " "}, {"enabled": "yes"}, {"account_type": "a b"},
         {"grant_type": ""}, {"account_name_key": ""}, {"configURL": "https://a.example"}],
    )  # fmt: skip
    def test_a_setting_that_is_wrong_is_told_with_its_provider(
        self, outbound: HttpOutbound, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match=r"^one: .*"):
            plugins(context(outbound, one={**self.GOOD, **wrong}))
        with pytest.raises(ValueError, match="config_url"):
            plugins(context(outbound, one={"trusted_client_ids": "app"}))
        with pytest.raises(ValueError, match="one"):
            plugins(context(outbound, one="https://a.example/"))
