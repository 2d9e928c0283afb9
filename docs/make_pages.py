"""The pages that are made from the code: ``make docs`` writes them, a test holds them up to date."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from alveary import config, errors
from alveary.adapters.auth.oidc import OidcSettings

UNITS = {"bytes": "bytes", "chars": "characters", "ms": "ms", "s": "s", "percent": "%"}
"""How a name ends, and the unit that this says."""

OWN_CODES = {
    "PR400-AZ-0009",
    "PR401-AZ-0003",
    "PR400-CM-0006",
    "PR400-DV-0020",
    "PR400-DV-0021",
    "PR409-DV-0003",
    "PR409-DV-0004",
    "PR409-DV-0005",
    "PR500-DV-0003",
    "PR503-DV-0002",
    "PR400-MC-0005",
    "PR400-MC-0006",
    "PR400-MC-0007",
    "PR414-CM-0001",
    "PR500-MC-0001",
    "PR400-OD-0052",
    "PR413-CM-0001",
    "PR423-DV-0001",
    "PR426-MC-0001",
    "PR424-DV-0001",
    "PR431-CM-0001",
    "PR502-DV-0001",
    "PR507-DV-0001",
    "PR507-DV-0002",
    "PR507-DV-0003",
    "PR507-DV-0004",
    "PR507-SV-0001",
}
"""The codes that Personium's catalogue lacks."""

SOURCES = [
    path.read_text(encoding="utf-8")
    for path in Path(errors.__file__).parent.rglob("*.py")
    if path.parent != Path(config.__file__).parent
]
"""The code that reads options."""

CONFIG_INTRO = """\
# Configuration

Made from `src/alveary/config/sections.py` by `make docs`.

Each option has one value, from the strongest source that names it: the command line, the environment
variable, the TOML file, the default. The file is the one given by `--config` or `ALVEARY_CONFIG`, else
`alveary.toml` in the data folder if it is there. Options with a dot stand in a section: `limits.depth` is
`depth` under `[limits]`. In an environment variable a list is separated by blanks or commas, and an empty
variable counts as not set. An unknown key or `ALVEARY_` variable is an error. Relative paths count from the
working directory.

The Personium keys lack their common prefix `io.personium.core.`. Keys of Personium that are not here have
nothing to set: there is one process without lock server, search engine, message broker or shared file
system, and the secrets that encrypt local tokens are made in the data folder on first start.
"""

OIDC_INTRO = """
## [plugin.oidc.{id}]

One table for each OpenID provider, as the login plug-in `oidc` reads it; the keys of Personium are those of
`io.personium.plugin.oidc.{id}`. Other plug-ins, which are entry points of the group `alveary.auth`, have tables
`[plugin.{name}]` of their own.

| setting | default | effect | Personium key |
|---|---|---|---|
"""

ERRORS_INTRO = """\
# Error codes

Made from `src/alveary/errors.py` by `make docs`.

An error body is `{"code": "...", "message": {"lang": "en", "value": "..."}}`; the token endpoints answer
`{"error": "...", "error_description": "[code] - text"}`. The three digits of a code are the HTTP status.
Codes marked with * are Alveary's own, in the form of Personium's catalogue.
"""


def config_page() -> str:
    """``docs/config.md``: a table per section."""
    return CONFIG_INTRO + "".join(_config_lines()) + OIDC_INTRO + "".join(_oidc_lines())


def _oidc_lines() -> Iterator[str]:
    for field in msgspec.structs.fields(OidcSettings):
        _, meta = typing.get_args(field.type)
        default = "required" if field.required else f"`{str(field.default).replace('True', 'true')}`"
        yield f"| `{field.name}` | {default} | {meta.description} | `{meta.extra['personium']}` |\n"


def _config_lines() -> Iterator[str]:
    section = None
    for option in config.options():
        here, _, _ = option.key.rpartition(".")
        if here != section:
            section = here
            yield f"\n## {f'[{here}]' if here else 'Top level'}\n\n"
            yield "| option, variable | default | effect | Personium key |\n|---|---|---|---|\n"
        keys = (option.meta.extra or {})["personium"].split()
        unread = "" if _is_read(option) else " *Read by nothing yet: its face is to come.*"
        effect = f"{option.meta.description}{_bounds(option)}{unread}"
        cells = (
            f"`{option.key}`<br>`{option.variable}`",
            _default(option),
            effect,
            ", ".join(f"`{key}`" for key in keys),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _is_read(option: config.Option) -> bool:
    name = option.key.rpartition(".")[2]
    return any(re.search(rf"\.{name}\b", text) for text in SOURCES)


def _default(option: config.Option) -> str:
    value = option.default
    unit = UNITS.get(option.key.rpartition("_")[2], "") if isinstance(value, int | float) else ""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case None | "" | ():
            return "unset"
        case Mapping():
            return "none"
        case tuple():
            return f"`{' '.join(map(str, value))}`"
        case re.Pattern():
            return f"`` {value.pattern} ``"
        case _:
            return f"`{value}`{' ' if unit else ''}{unit}"


def _bounds(option: config.Option) -> str:
    low, high = option.meta.ge, option.meta.le
    if high is not None:
        return f" From {low} to {high}."
    return f" At least {low}." if low else ""


def errors_page() -> str:
    """``docs/errors.md``: one table, in the order of the codes."""
    lines = [ERRORS_INTRO, "\n| code | name | text | log level |\n|---|---|---|---|\n"]
    for name, kind in sorted(errors.catalogue().items(), key=lambda row: row[1].code):
        own = "*" if kind.code in OWN_CODES else ""
        text = kind.text.replace("|", "\\|").replace("{", "*").replace("}", "*")
        lines.append(f"| {kind.code}{own} | `{name}` | {text} | {kind.level} |\n")
    return "".join(lines)


PAGES: dict[str, Callable[[], str]] = {"config.md": config_page, "errors.md": errors_page}

if __name__ == "__main__":
    for page, make in PAGES.items():
        Path(__file__).with_name(page).write_text(make(), encoding="utf-8")
