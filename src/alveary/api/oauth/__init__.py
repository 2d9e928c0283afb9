"""The OAuth2 face: logins by a page, tokens, what is told of them, and the change of one's own password."""

from alveary.api.oauth.accounts import logout, mypassword
from alveary.api.oauth.authorization import authorize, html
from alveary.api.oauth.token import token
from alveary.api.oauth.tokens_told import certs, introspect, revoke, sign, well_known

__all__ = [
    "authorize",
    "certs",
    "html",
    "introspect",
    "logout",
    "mypassword",
    "revoke",
    "sign",
    "token",
    "well_known",
]
