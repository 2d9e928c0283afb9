"""Which stored files could act in a browser, and which of them may.

What does not belong here: the headers that tell a browser so (``http.user_content``), and who may set the property.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

TRUSTED_CONTENT: Final = "trustedcontent@urn:x-personium:xmlns"
"""The property by which a box says whether the pages in it may act, whatever the unit's default is."""

_ACTIVE: Final = re.compile(r"html|xml|svg|x-mixed-replace|message/", re.IGNORECASE)
_SAID: Final = re.compile(r">\s*(true|false)\s*<", re.IGNORECASE)


@lru_cache(maxsize=256)
def is_active(media_type: str) -> bool:
    """Whether a browser may run scripts of what has that type; rather too often than not, as browsers guess."""
    return _ACTIVE.search(media_type) is not None


def trust_of(properties: Mapping[str, str]) -> bool | None:
    """Whether a box with those properties trusts what is in it; None when it does not say."""
    said = _SAID.search(properties.get(TRUSTED_CONTENT, ""))
    return None if said is None else said[1].lower() == "true"


def may_act(default: str, trusted: bool | None, *, ambient: bool) -> bool:
    """Whether an active file may act where the unit's *default* is ``run`` or ``sandbox``.

    *ambient*: the browser itself added the credentials by which the file is read, so this is nobody's published app.
    """
    return default == "run" and not ambient if trusted is None else trusted
