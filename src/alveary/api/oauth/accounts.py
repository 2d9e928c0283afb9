"""The change of one's own password, and the end of a session.

What does not belong here: the token endpoint (``token``).
"""

from __future__ import annotations

from alveary.api.oauth.forms import require_method
from alveary.api.oauth.token import COOKIE, cookie_attributes
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.usecases import introspection, passwords


async def mypassword(call: Call, segments: tuple[str, ...]) -> Response:
    """PUT {cell}__mypassword with X-Personium-Credential: 204, and the account has a new password.

    Source: API reference 294.
    """
    require_method(call, segments, "PUT", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "PUT"))
    await passwords.change_own(call.ports, call.access, call.request.headers.get("x-personium-credential"))
    return Response(204)


async def logout(call: Call, segments: tuple[str, ...]) -> Response:
    """POST {cell}__logout: 204; the token or cookie of the request, and all of the same login, are good no more.

    Source: an extension; Personium has none.
    """
    require_method(call, segments, "POST", "OPTIONS")
    if call.request.method == "OPTIONS":
        return allowing(("OPTIONS", "POST"))
    await introspection.log_out(call.ports, call.access)
    return Response(204, {"set-cookie": f"{COOKIE}=; Max-Age=0; {cookie_attributes(call)}"})
