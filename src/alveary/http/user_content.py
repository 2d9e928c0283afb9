"""What a browser is told about bytes that users have stored: to guess nothing, and how far it may trust them.

What does not belong here: which files are active, and which of those may act (``model.active_content``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from alveary.http.request import Request
from alveary.wire.odata_options import parse_query

SANDBOX: Final = (
    "sandbox; default-src 'none'; img-src * data: blob:; media-src * data: blob:; style-src * 'unsafe-inline';"
    " font-src * data:"
)
"""The page is shown with its images, styles and fonts; it has an origin of its own and runs nothing."""

_OPTION: Final = "download"
_NOT_A_DOWNLOAD: Final = frozenset({"0", "false"})
_IN_QUOTES: Final = str.maketrans({'"': "_", "\\": "_", "%": "_"})

GUESS_NOTHING: Final[Mapping[str, str]] = {"x-content-type-options": "nosniff"}
SHOW_ONLY: Final[Mapping[str, str]] = {**GUESS_NOTHING, "content-security-policy": SANDBOX}


def guarded(request: Request, name: str, *, acts: bool) -> Mapping[str, str]:
    """The headers that go with the file of that name; *acts*: the page that it is may run its scripts.

    ``?download`` makes a browser save it instead of showing it.
    """
    headers = GUESS_NOTHING if acts else SHOW_ONLY
    if _OPTION not in request.query_string:
        return headers
    asked = parse_query(request.query_string).get(_OPTION)
    if asked is None or asked.lower() in _NOT_A_DOWNLOAD:
        return headers
    return {**headers, "content-disposition": attachment(name)}


def attachment(name: str) -> str:
    """``Content-Disposition`` of a file to be saved under *name* (RFC 6266), spelled for old readers too."""
    plain = "".join(each if " " <= each <= "~" else "_" for each in name).translate(_IN_QUOTES)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
