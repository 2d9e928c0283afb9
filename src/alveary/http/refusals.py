"""The one place where a refusal becomes an answer.

What belongs here: error bodies, challenges, the headers of refusals. What does not: when anything is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

import orjson

from alveary.errors import Refusal
from alveary.http.response import Headers, Response

OAUTH_ERRORS: Final[Mapping[str, str]] = {
    "PR400-AN-0001": "unsupported_grant_type",
    "PR400-AN-0002": "invalid_request",
    "PR400-AN-0003": "invalid_client",
    "PR400-AN-0004": "invalid_client",
    "PR400-AN-0005": "invalid_client",
    "PR400-AN-0006": "invalid_client",
    "PR400-AN-0007": "invalid_client",
    "PR400-AN-0008": "invalid_grant",
    "PR400-AN-0009": "invalid_grant",
    "PR400-AN-0010": "invalid_grant",
    "PR400-AN-0011": "invalid_grant",
    "PR400-AN-0012": "invalid_grant",
    "PR400-AN-0013": "invalid_grant",
    "PR400-AN-0014": "invalid_grant",
    "PR400-AN-0015": "invalid_grant",
    "PR400-AN-0016": "invalid_request",
    "PR400-AN-0017": "invalid_grant",
    "PR400-AN-0018": "invalid_client",
    "PR400-AN-0019": "invalid_grant",
    "PR401-AN-0020": "invalid_client",
    "PR401-AN-0021": "invalid_client",
    "PR400-AN-0022": "invalid_client",
    "PR401-AN-0023": "invalid_grant",
    "PR400-AN-0024": "unsupported_token_type",
    "PR400-PA-0001": "invalid_grant",
    "PR401-PA-0001": "invalid_client",
    "PR500-PA-0001": "server_error",
    "PR503-PA-0001": "temporarily_unavailable",
}
"""The kinds that the token endpoint answers in OAuth's form, and what OAuth calls them."""


def render(refusal: Refusal, realm: str) -> Response:
    """The answer that *refusal* means; *realm* is the URL of the cell, or of the unit above cells.

    Four parameters of a refusal, beside those in its text, are read here: ``challenge``, the schemes that a
    401 names (``("Bearer", "Basic")``); ``headers`` of the answer; ``extra``, further members of its body; and
    ``xml``, a body in WebDAV's form that stands for it.
    """
    code = refusal.kind.code
    if (xml := refusal.params.get("xml")) is not None:
        return Response(refusal.kind.status, {"content-type": "application/xml"}, cast(bytes, xml))
    headers: dict[str, str | tuple[str, ...]] = {"content-type": "application/json"}
    body: dict[str, object]
    if oauth := OAUTH_ERRORS.get(code):
        body = {"error": oauth, "error_description": str(refusal)}
        headers["cache-control"] = "no-store"
    else:
        body = {"code": code, "message": {"lang": "en", "value": refusal.text}}
    if refusal.kind.status == 401:
        schemes = refusal.params.get("challenge") or ("Basic" if oauth else "Bearer",)
        headers["www-authenticate"] = tuple(f'{scheme} realm="{realm}"' for scheme in cast(Iterable[str], schemes))
    headers |= cast(Headers, refusal.params.get("headers", {}))
    body |= cast(Mapping[str, object], refusal.params.get("extra", {}))
    return Response(refusal.kind.status, headers, orjson.dumps(body))
