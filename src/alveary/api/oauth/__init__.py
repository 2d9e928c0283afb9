"""The OAuth2 face: tokens, and the change of one's own password."""

from alveary.api.oauth.token import mypassword, token

__all__ = ["mypassword", "token"]
