"""The configuration read from TOML, environment and command line, the strongest source first.

What does not belong here: which options there are (``sections``).
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from alveary.config.forms import Bind, ConfigError, Hosts, Layers, Network, Secret, Tables, Url
from alveary.config.sections import Config, Section

PREFIX: Final = "ALVEARY_"
FILE_VARIABLE: Final = "ALVEARY_CONFIG"
FILE_NAME: Final = "alveary.toml"


def _words(raw: object) -> tuple[str, ...]:
    words = re.split(r"[\s,]+", raw.strip()) if isinstance(raw, str) else raw
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise ValueError("it must be a list of texts")
    return tuple(words)


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError("it must be a text")
    return raw


def _tables(raw: object) -> Tables:
    tables = msgspec.json.decode(raw) if isinstance(raw, str) else raw
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise ValueError("it must be a table for each plug-in")
    return MappingProxyType(dict(tables))


def _host(word: str) -> Network | str:
    name = re.fullmatch(r"([a-z0-9_-]+\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]+", word, re.IGNORECASE)
    return word.lower() if name else ipaddress.ip_network(word)


_PARSERS: Final[Mapping[object, Callable[[object], object]]] = {
    Path: lambda raw: Path(_text(raw)),
    Path | None: lambda raw: Path(_text(raw)),
    Bind: lambda raw: Bind.parse(_text(raw)),
    Url | None: lambda raw: Url.parse(_text(raw)),
    Layers: lambda raw: Layers.parse(_text(raw)),
    Secret: lambda raw: Secret(_text(raw)),
    re.Pattern[str]: lambda raw: re.compile(_text(raw)),
    tuple[str, ...]: _words,
    tuple[Path, ...]: lambda raw: tuple(map(Path, _words(raw))),
    Tables: _tables,
    Hosts: lambda raw: tuple(map(_host, _words(raw))),
    tuple[Network, ...]: lambda raw: tuple(map(ipaddress.ip_network, _words(raw))),
}
"""How the types are read that are more than a number, a truth value or a word."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its dotted key, its environment variable, and what is declared of it."""

    key: str
    bounded: Any
    default: object

    @property
    def type(self) -> object:
        """Its type without the bounds."""
        return typing.get_args(self.bounded)[0]

    @property
    def meta(self) -> msgspec.Meta:
        """Its effect, Personium key and bounds."""
        meta: msgspec.Meta = typing.get_args(self.bounded)[1]
        return meta

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.key.replace(".", "_").upper()

    def parse(self, raw: object, source: str) -> object:
        """*raw* as a value of this option.

        Raises:
            ConfigError: naming the key and *source*.
        """
        try:
            if parser := _PARSERS.get(self.type):
                return parser(raw)
            return msgspec.convert(raw, self.bounded, strict=source != self.variable)
        except (ValueError, re.error) as problem:
            raise ConfigError(f"The option {self.key} (from {source}) is not valid: {problem}.") from None


def options(section: type[Section] = Config, prefix: str = "") -> Iterator[Option]:
    """Every option in the order of declaration."""
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from options(field.type, f"{field.name}.")
        else:
            yield Option(prefix + field.name, field.type, field.default)


def load(
    overrides: Mapping[str, object],
    environ: Mapping[str, str],
    read_file: Callable[[Path], str],
    file: Path | None = None,
) -> Config:
    """The configuration, each option from the strongest source that names it.

    From strong to weak: *overrides* (the command line's, by dotted key; None: not given), *environ* (an empty
    variable counts as not set), the TOML file, the default. The file is *file*, else the one that
    ``ALVEARY_CONFIG`` names, else ``alveary.toml`` in the data folder if it is there.

    Raises:
        ConfigError: one sentence naming the key and its source.
    """
    known = {option.key: option for option in options()}
    given = {key: (raw, "the command line") for key, raw in overrides.items() if raw is not None}
    given = _from_environment(known, environ) | given
    named = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    folder, source = given.get("data", (str(Config().data), "the default"))
    fallback = Path(str(known["data"].parse(folder, source))) / FILE_NAME
    given = _from_file(known, named or fallback, read_file, required=named is not None) | given
    if unknown := sorted(given.keys() - known.keys()):
        raise ConfigError(f"There is no option {unknown[0]} (from {given[unknown[0]][1]}).")
    return _checked(_build({key: known[key].parse(*raw) for key, raw in given.items()}))


Given = dict[str, tuple[object, str]]
"""Raw values and where they came from, by dotted key."""


def _from_environment(known: Mapping[str, Option], environ: Mapping[str, str]) -> Given:
    by_variable = {option.variable: option.key for option in known.values()}
    ours = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name != FILE_VARIABLE}
    if unknown := sorted(ours.keys() - by_variable.keys()):
        raise ConfigError(f"There is no option for the environment variable {unknown[0]}.")
    return {by_variable[name]: (text, name) for name, text in ours.items() if text}


def _from_file(known: Mapping[str, Option], path: Path, read_file: Callable[[Path], str], *, required: bool) -> Given:
    try:
        document = tomllib.loads(read_file(path))
    except FileNotFoundError:
        if required:
            raise ConfigError(f"The configuration file {path} does not exist.") from None
        return {}
    except (OSError, ValueError) as problem:
        raise ConfigError(f"The configuration file {path} cannot be read: {problem}.") from None
    given: Given = {}
    for key, value in document.items():
        is_section = isinstance(value, dict) and key not in known
        nested = {f"{key}.{name}": inner for name, inner in value.items()} if is_section else {key: value}
        given |= {name: (inner, str(path)) for name, inner in nested.items()}
    return given


def _build(values: Mapping[str, object]) -> Config:
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = value
    nested = {
        field.name: field.type(**sections[field.name])
        for field in msgspec.structs.fields(Config)
        if field.name in sections
    }
    return Config(**sections.get("", {}), **nested)


def _checked(config: Config) -> Config:
    for name, pair in (("tls", config.tls), ("unit", config.unit)):
        if (pair.certificate is None) != (pair.key is None):
            raise ConfigError(f"The options {name}.certificate and {name}.key are set together or not at all.")
    return config
