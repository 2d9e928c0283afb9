"""The configuration: where values come from, which win, and what is refused with one clear sentence."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.config import Bind, Config, ConfigError, Layers, Secret, Url, load, options

OPTIONS = {option.key: option for option in options()}


def files(**texts: str) -> Callable[[Path], str]:
    """A reader of files that exist only here, by name without suffix."""

    def read(path: Path) -> str:
        try:
            return texts[path.stem]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def test_nothing_given_gives_the_defaults() -> None:
    assert load({}, {"PATH": "/bin"}, files()) == Config()


def test_the_command_line_wins_over_the_environment_over_the_file() -> None:
    text = "api_version = 'file'\n[limits]\ndepth = 7\nchildren = 7\ntop_max = 7"
    environ = {"ALVEARY_LIMITS_DEPTH": "8", "ALVEARY_LIMITS_CHILDREN": "8"}
    config = load({"limits.depth": 9, "bind": None}, environ, files(alveary=text))
    assert (config.limits.depth, config.limits.children, config.limits.top_max) == (9, 8, 7)
    assert config.api_version == "file"
    assert config.bind == Bind("127.0.0.1", 8080)


def test_every_option_has_a_variable_of_its_own_and_says_what_it_does() -> None:
    assert len({option.variable for option in OPTIONS.values()}) == len(OPTIONS)
    assert all((option.meta.description or "").endswith(".") for option in OPTIONS.values())
    assert OPTIONS["limits.snapshot_bytes"].variable == "ALVEARY_LIMITS_SNAPSHOT_BYTES"
    assert OPTIONS["path_style"].variable == "ALVEARY_PATH_STYLE"


def test_every_default_is_within_its_own_bounds() -> None:
    for option in OPTIONS.values():
        if isinstance(option.default, int | float | str) and not isinstance(option.default, Secret | Url):
            assert option.parse(option.default, "the default") == option.default


def test_the_environment_is_read_by_the_type_of_the_option() -> None:
    environ = {
        "ALVEARY_PATH_STYLE": "false",
        "ALVEARY_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "ALVEARY_ALIASES": "a.example b.example:8443",
        "ALVEARY_BASE_URL": "https://unit.example",
        "ALVEARY_UNIT_TRUSTED_ROOTS": "/etc/a.pem",
        "ALVEARY_LIMITS_HEADER_TIMEOUT_S": "0.5",
        "ALVEARY_OUTBOUND_ALLOW": "10.0.0.0/8 Intern.example",
        "ALVEARY_LIMITS_SIMPLE_PROPERTIES": "*,5",
    }
    config = load({}, environ, files())
    assert config.path_style is False
    assert config.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert config.aliases == ("a.example", "b.example:8443")
    assert config.base_url == "https://unit.example/"
    assert config.unit.trusted_roots == (Path("/etc/a.pem"),)
    assert config.limits.header_timeout_s == 0.5
    assert config.outbound.allow == (ip_network("10.0.0.0/8"), "intern.example")
    assert config.limits.simple_properties == Layers((None, 5))


def test_tables_of_plugins_are_kept_as_they_are() -> None:
    table = {"a": {"word": "x", "deep": {"n": 1}}}
    text = "[plugin.a]\nword = 'x'\n[plugin.a.deep]\nn = 1"
    assert load({}, {}, files(alveary=text)).plugin == table
    assert load({}, {"ALVEARY_PLUGIN": '{"a": {"word": "x", "deep": {"n": 1}}}'}, files()).plugin == table
    assert load({"plugin": table}, {}, files()).plugin == table


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({}, {"ALVEARY_TLS_KEY": "", "ALVEARY_BIND": "", "ALVEARY_CONFIG": ""}, files()) == Config()


def test_the_file_in_the_data_folder_is_read_unless_another_is_named() -> None:
    seen: list[Path] = []

    def read(path: Path) -> str:
        seen.append(path)
        return ""

    load({"data": "/srv/a"}, {}, read)
    load({}, {"ALVEARY_DATA": "/srv/b"}, read)
    load({}, {"ALVEARY_CONFIG": "/etc/c.toml"}, read)
    load({}, {"ALVEARY_CONFIG": "/etc/c.toml"}, read, Path("/etc/d.toml"))
    assert list(map(str, seen)) == [
        "/srv/a/alveary.toml",
        "/srv/b/alveary.toml",
        "/etc/c.toml",
        "/etc/d.toml",
    ]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"ALVEARY_LIMIT_DEPTH": "3"}, r"no option for the environment variable ALVEARY_LIMIT_DEPTH"),
        ({"ALVEARY_LIMITS_DEPTH": "0"}, r"limits\.depth \(from ALVEARY_LIMITS_DEPTH\) is not valid"),
        ({"ALVEARY_LIMITS_DEPTH": "deep"}, r"limits\.depth"),
        ({"ALVEARY_BIND": "8080"}, r"bind .* HOST:PORT"),
        ({"ALVEARY_BIND": "::1:8080"}, r"bind .* HOST:PORT"),
        ({"ALVEARY_BIND": "a:65536"}, r"bind .* 0 to 65535"),
        ({"ALVEARY_BASE_URL": "unit.example"}, r"base_url .* absolute"),
        ({"ALVEARY_BASE_URL": "http://u:p@unit.example"}, r"base_url .* credentials"),
        ({"ALVEARY_TRUSTED_PROXIES": "10.0.0.1/8"}, r"trusted_proxies"),
        ({"ALVEARY_OUTBOUND_ALLOW": "10.0.0.1/8"}, r"outbound\.allow"),
        ({"ALVEARY_OUTBOUND_ALLOW": "http://a.example"}, r"outbound\.allow"),
        ({"ALVEARY_PLUGIN": "oidc"}, r"plugin .* JSON"),
        ({"ALVEARY_PLUGIN": '{"oidc": 1}'}, r"plugin .* a table for each"),
        ({"ALVEARY_OUTBOUND_ALLOW": "127.1"}, r"outbound\.allow"),
        ({"ALVEARY_AUTH_PASSWORD_REGEX": "("}, r"auth\.password_regex"),
        ({"ALVEARY_DAV_SEMANTICS": "webdav"}, r"dav\.semantics"),
        ({"ALVEARY_TLS_KEY": "key.pem"}, r"tls\.certificate and tls\.key are set together"),
        ({"ALVEARY_CONFIG": "/etc/none.toml"}, r"/etc/none\.toml does not exist"),
    ],
)
def test_a_wrong_environment_is_refused_by_name(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load({}, environ, files())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour = 1", r"no option colour \(from data/alveary\.toml\)"),
        ("[limits]\nwidth = 1", r"no option limits\.width"),
        ("[zoo]\nbee = 1", r"no option zoo\.bee"),
        ("limits = 1", r"no option limits "),
        ("[limits]\ndepth = '5'", r"limits\.depth"),
        ("[limits.depth]\nx = 1", r"limits\.depth"),
        ("[limits]\ndepth = true", r"limits\.depth"),
        ("data = 3", r"data .* must be a text"),
        ("aliases = [3]", r"aliases .* list of texts"),
        ("bind = ", r"cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_key_and_source(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load({}, {}, files(alveary=text))


def test_an_unreadable_file_is_told_from_a_missing_one() -> None:
    def read(_path: Path) -> str:
        raise PermissionError("Permission denied")

    with pytest.raises(ConfigError, match="Permission denied"):
        load({}, {}, read)


def test_a_secret_shows_in_no_repr_and_in_no_error() -> None:
    config = load({}, {"ALVEARY_MASTER_TOKEN": "open-sesame"}, files())
    assert config.master_token == "open-sesame"
    assert "sesame" not in f"{config!r} {config} {config.master_token!r}"
    with pytest.raises(ConfigError) as problem:
        load({}, {}, files(alveary="master_token = ['open-sesame']"))
    assert "sesame" not in str(problem.value)


@given(st.sampled_from(["127.0.0.1", "localhost", "::1", "unit.example"]), st.integers(0, 65_535))
def test_a_bind_address_is_read_as_it_is_written(host: str, port: int) -> None:
    assert Bind.parse(str(Bind(host, port))) == Bind(host, port)


@given(st.lists(st.none() | st.integers(0, 10**9 - 1), min_size=1))
def test_layers_are_read_as_they_are_written(counts: list[int | None]) -> None:
    assert Layers.parse(str(Layers(tuple(counts)))) == Layers(tuple(counts))


@pytest.mark.parametrize("password", ["abc123", "a-b_c!$*=^`{|}~.@", "x" * 32])
def test_the_default_password_rule_is_personiums(password: str) -> None:
    assert Config().auth.password_regex.fullmatch(password)


@pytest.mark.parametrize("password", ["abc12", "x" * 33, "abc 123", "pässword", "abc123\n"])
def test_the_default_password_rule_refuses_what_personium_refuses(password: str) -> None:
    assert not Config().auth.password_regex.fullmatch(password)
