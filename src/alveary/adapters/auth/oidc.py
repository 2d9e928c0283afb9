"""Logins by the id tokens of OpenID providers, one plug-in for each provider of the configuration.

What belongs here: the settings of a provider, and what a token must be and say. What does not: where keys come from
(``oidc_provider``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwt import JWTClaimsRegistry

from alveary.adapters.auth.oidc_provider import ALGORITHMS, OidcProvider
from alveary.ports.login_plugins import LoginProblem, PluginContext, Reason

_ANY_CLIENT: Final = "*"
_WORD: Final = r"^[!-~]{1,128}$"
_JWS: Final = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
"""Header parameters that it does not know are passed over, unless the token says that they are critical."""


def _setting(effect: str, personium: str, pattern: str | None = None) -> msgspec.Meta:
    return msgspec.Meta(description=effect, extra={"personium": personium}, pattern=pattern)


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``plugin.oidc.{id}``: one provider."""

    config_url: Annotated[str, _setting("Where the provider's discovery document is.", "configURL", "^https?://.")]
    trusted_client_ids: Annotated[
        str,
        _setting("The clients whose tokens are accepted, blanks between; `*`: every one.", "trustedClientIds", r"\S"),
    ]
    enabled: Annotated[bool, _setting("Whether it is used.", "enabled")] = True
    account_type: Annotated[str, _setting("What the Type of an account must hold.", "accountType", _WORD)] = (
        "oidc:generic"
    )
    account_name_key: Annotated[str, _setting("The claim that names the account.", "accountNameKey", r".")] = (
        "username"
    )
    grant_type: Annotated[str, _setting("The `grant_type` of the requests that it takes.", "grantType", _WORD)] = (
        "urn:x-personium:oidc:generic"
    )


def plugins(context: PluginContext) -> tuple[OidcLogin, ...]:
    """A plug-in for each enabled provider of the settings; ValueError when one is not described as it must be."""
    described = {name: _settings(name, table) for name, table in context.settings.items()}
    return tuple(OidcLogin(each, context) for each in described.values() if each.enabled)


def _settings(name: str, table: object) -> OidcSettings:
    try:
        return msgspec.convert(table, OidcSettings)
    except msgspec.ValidationError as problem:
        raise ValueError(f"{name}: {problem}") from None


class OidcLogin:
    """Identifies by the form's ``id_token``, which one provider has signed for a client that is trusted."""

    def __init__(self, settings: OidcSettings, context: PluginContext) -> None:
        self._settings = settings
        self._context = context
        self._clients = tuple(settings.trusted_client_ids.split())
        self._provider = OidcProvider(settings.config_url, context)

    @property
    def grant_type(self) -> str:
        """As the settings say."""
        return self._settings.grant_type

    @property
    def account_type(self) -> str:
        """As the settings say."""
        return self._settings.account_type

    async def identify(self, form: Mapping[str, str]) -> str:
        """What the configured claim of the form's ``id_token`` says.

        Raises:
            LoginProblem: the token is missing, forged, out of date, of another issuer or for another client, or names
                nobody; or the provider's keys are not to be had.
        """
        raw = form.get("id_token")
        if not raw:
            raise LoginProblem(Reason.INVALID, "the parameter id_token is missing")
        try:
            claims = await self._verified(raw)
        except ExpiredTokenError:
            raise LoginProblem(Reason.INVALID, "the id token has expired") from None
        except (JoseError, ValueError):
            raise LoginProblem(Reason.INVALID, "the id token is not valid") from None
        self._check_client(claims)
        return self._name(claims)

    async def _verified(self, raw: str) -> Mapping[str, Any]:
        """The claims of the token *raw*, once signature, issuer and times are good."""
        token, algorithm, kid = _read(raw)
        issuer, key = await self._provider.issuer_and_key(kid, algorithm)
        if not jws.validate_compact(token, key, registry=_JWS):
            raise ValueError("a signature of somebody else")
        claims = msgspec.json.decode(token.payload or b"", type=dict[str, Any])
        self._check(claims, issuer)
        return claims

    def _check(self, claims: dict[str, Any], issuer: str) -> None:
        """Pass claims of *issuer* that hold now; else a JoseError."""
        registry = JWTClaimsRegistry(
            now=self._context.clock.now_ms() // 1000,
            leeway=self._context.clock_skew_s,
            iss={"essential": True, "value": issuer},
            aud={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        registry.validate(claims)

    def _check_client(self, claims: Mapping[str, Any]) -> None:
        """Pass a token for a trusted client; one for several clients must name such a one as the one that got it."""
        if _ANY_CLIENT in self._clients:
            return
        audience = claims["aud"]
        clients = {audience} if isinstance(audience, str) else set(audience)
        trusted = not clients.isdisjoint(self._clients)
        if not trusted or (len(clients) > 1 and claims.get("azp") not in self._clients):
            raise LoginProblem(Reason.INVALID, "the id token is for a client that is not trusted")

    def _name(self, claims: Mapping[str, Any]) -> str:
        key = self._settings.account_name_key
        name = claims.get(key)
        if not isinstance(name, str) or not name:
            raise LoginProblem(Reason.INVALID, f"the id token says no {key}")
        if key == "email" and claims.get("email_verified") is False:
            raise LoginProblem(Reason.INVALID, "the provider has not verified the email")
        return name


def _read(raw: str) -> tuple[jws.CompactSignature, str, str | None]:
    """The token *raw*, not yet verified, its algorithm and the id of its key; else a ValueError or JoseError."""
    try:
        token = jws.extract_compact(raw.encode(), registry=_JWS)
        algorithm, kid = token.headers().get("alg"), token.headers().get("kid")
    except (AttributeError, TypeError):  # what joserfc makes of a header that is JSON, but no object
        raise ValueError("a header that is no object") from None
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not isinstance(kid, str | None):
        raise ValueError("a signature of another kind")
    return token, algorithm, kid
