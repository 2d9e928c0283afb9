"""The pages of the authorization endpoint as HTML: login, password change, error.

They work without scripts and load nothing. Whatever is put into them is escaped, and each comes with the policy that
lets a browser do no more with it than it needs. What does not belong here: when which page is shown.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from alveary.wire.authorization import Screen

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0 }
main { max-width: 24rem; margin: 3rem auto; padding: 0 1rem; overflow-wrap: anywhere }
label, input { display: block; width: 100%; box-sizing: border-box; font: inherit }
label { margin-top: 1rem; font-weight: 600 }
input { padding: .5rem; border: 1px solid GrayText; border-radius: .25rem }
button { margin: 1.5rem .5rem 0 0; padding: .5rem 1.25rem; font: inherit }
[role=alert] { border-inline-start: .25rem solid #c0392b; padding-inline-start: .75rem; font-weight: 600 }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_DOCUMENT: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""

_FORM: Final = """<p>{intro}</p>
{alert}<form method="post" action="{action}" accept-charset="utf-8">
{hidden}
{inputs}
<button type="submit">{submit}</button>
<button type="submit" name="cancel_flg" value="true" formnovalidate>Cancel</button>
</form>"""

_ALERT: Final = '<p role="alert" id="alert">{text}</p>\n'
_HIDDEN: Final = '<input type="hidden" name="{name}" value="{value}">'

_LOGIN_INPUTS: Final = """<label for="username">User name</label>
<input id="username" name="username" type="text" autocomplete="username" autocapitalize="none" spellcheck="false"\
 required autofocus{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{described}>"""

_CHANGE_INPUTS: Final = """<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required autofocus{described}>"""

_DESCRIBED: Final = ' aria-describedby="alert"'


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and its Content-Security-Policy."""

    html: bytes
    policy: str


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What a form is made of.

    ``action`` is the path it is sent to, ``cell`` and ``app`` whose data are asked for and by whom, ``hidden`` what
    it carries along, ``screen`` what it tells (None: nothing). ``target_origin`` is where the answer leads.
    ``changing``: it asks for a new password instead of a login.
    """

    action: str
    cell: str
    app: str
    hidden: Mapping[str, str]
    target_origin: str
    screen: Screen | None = None
    changing: bool = False


def login_page(form: LoginForm) -> Page:
    """The page with *form*."""
    title, submit, inputs = (
        ("Change your password", "Change password", _CHANGE_INPUTS)
        if form.changing
        else ("Log in", "Log in", _LOGIN_INPUTS)
    )
    content = _FORM.format(
        intro=f"The app <strong>{escape(form.app)}</strong> asks to use <strong>{escape(form.cell)}</strong>"
        " in your name.",
        alert=_ALERT.format(text=escape(form.screen.text)) if form.screen else "",
        action=escape(form.action),
        hidden="\n".join(
            _HIDDEN.format(name=escape(name), value=escape(value)) for name, value in form.hidden.items()
        ),
        inputs=inputs.format(described=_DESCRIBED if form.screen else ""),
        submit=submit,
    )
    # Chromium holds the redirects that follow a form to form-action too.
    return _page(title, content, f"'self' {form.target_origin}")


def error_page(text: str) -> Page:
    """The page that tells *text* to one who cannot be sent back to an app."""
    return _page("ERROR", _ALERT.format(text=escape(text)), "'none'")


def _page(title: str, content: str, form_action: str) -> Page:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action};"
        " frame-ancestors 'none'; base-uri 'none'"
    )
    html = _DOCUMENT.format(title=escape(title), style=_STYLE, content=content)
    return Page(html.encode(errors="replace"), policy)
