"""What is told of tokens and keys: introspection, revocation, the keys that verify, the documents that lead there.

What does not belong here: how tokens are given (``token``, ``authorization``).
"""

from __future__ import annotations

from typing import Final

import orjson

from alveary.api.oauth.forms import NO_STORE, form_of, require_method
from alveary.errors import METHOD_NOT_ALLOWED, NO_SUCH_URI, PARAMETER_REQUIRED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.model.privileges import CellPrivilege
from alveary.usecases import grants, introspection, signing

JSON: Final = {"content-type": "application/json"}
_DOCUMENTS: Final = frozenset({"openid-configuration", "oauth-authorization-server"})


async def introspect(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__introspect: 200 with what the token of the form says, or that it is not active.

    Source: API reference 297; RFC 7662.
    """
    if call.request.method == "OPTIONS":
        call.access.require(CellPrivilege.AUTH_READ)
        return allowing(("OPTIONS", "POST"))
    require_method(call, segments, "POST")
    authorization = call.request.headers.get("authorization", "")
    basic = authorization if authorization[:6].lower() == "basic " else None
    call.access.require_known(basic)
    raw = (await form_of(call, "token")).get("token")
    if not raw:
        raise Refusal(PARAMETER_REQUIRED, name="token")
    said = await introspection.introspect(call.ports, call.access, raw, basic, address=call.request.peer or None)
    return Response(200, NO_STORE, orjson.dumps(said))


async def revoke(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__revoke: 200; the token of the form is good no more.

    Source: RFC 7009; Personium has none.
    """
    require_method(call, segments, "POST", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "POST"))
    form = await form_of(call, "token")
    if not form.get("token"):
        raise Refusal(PARAMETER_REQUIRED, name="token")
    await introspection.revoke(call.ports, call.here, form, call.request.headers.get("authorization"))
    return Response(200, NO_STORE)


async def certs(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}__certs: 200 with the key that verifies what the cell signs.

    Source: API reference 298; RFC 7517.
    """
    require_method(call, segments, "GET", "HEAD", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "GET"))
    key = await signing.key_of(call.ports, call.here)
    return Response(200, JSON, orjson.dumps({"keys": [key.public()]}))


async def sign(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__sign: 200 with the body as a compact JWS of the cell.

    Source: Personium since 1.7.25; its reference does not tell of it.
    """
    require_method(call, segments, "POST", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "POST"))
    call.access.require(CellPrivilege.SIGN)
    payload = await call.request.read(call.ports.config.limits.json_bytes)
    signed = await signing.sign(call.ports, call.access, payload)
    return Response(200, {"content-type": "application/jose"}, signed.encode())


async def well_known(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}.well-known/openid-configuration: 200 with where the endpoints are, and what they can do.

    Source: OpenID Connect Discovery 1.0; RFC 8414. Personium has none.
    """
    if len(segments) != 2 or segments[1] not in _DOCUMENTS:
        raise Refusal(NO_SUCH_URI)
    if call.request.method not in {"GET", "HEAD"}:
        raise Refusal(METHOD_NOT_ALLOWED)
    url = call.urls.cell_url(call.here.name)
    document = {
        "issuer": url,
        "authorization_endpoint": f"{url}__authz",
        "token_endpoint": f"{url}__token",
        "introspection_endpoint": f"{url}__introspect",
        "revocation_endpoint": f"{url}__revoke",
        "jwks_uri": f"{url}__certs",
        "response_types_supported": ["code", "token", "id_token"],
        "response_modes_supported": ["query", "fragment"],
        "authorization_response_iss_parameter_supported": True,
        "grant_types_supported": [*grants.grant_types(call.ports), "implicit"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", *CellPrivilege],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "nonce"],
    }
    return Response(200, JSON, orjson.dumps(document))
