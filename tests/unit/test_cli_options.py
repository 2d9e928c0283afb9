"""What the command line says before it does anything: help, errors, exit codes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alveary.adapters.folder import claimed
from alveary.adapters.keys.files import OperatorKey
from alveary.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def nothing_of_this_machine_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("ALVEARY_DATA", "ALVEARY_URL", "ALVEARY_TOKEN", "ALVEARY_CONFIG", "ALVEARY_BIND"):
        monkeypatch.delenv(name, raising=False)
    mask = os.umask(0o022)
    yield
    os.umask(mask)


def run(*arguments: str | Path, given: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], input=given, env=env)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Help


def test_help_names_every_command_and_the_exit_codes() -> None:
    told = run("--help")

    assert told.exit_code == 0
    assert all(f"  {name} " in told.output for name in COMMANDS)
    assert "Exit codes:" in told.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    told = run(name, "--help")

    assert told.exit_code == 0
    assert told.output.startswith(f"Usage: main {name}")


def test_an_unknown_command_is_2() -> None:
    assert run("bake").exit_code == 2


def test_a_password_is_no_option_of_any_command() -> None:
    for name in ("create", "password"):
        assert run("account", name, "alice", "--cell", "c", "--password", "x").exit_code == 2


# serve


@pytest.mark.parametrize(
    ("arguments", "env", "told"),
    [
        (("--bind", "nowhere"), {}, "The option bind (from the command line) is not valid"),
        ((), {"ALVEARY_LIMITS_DEPTH": "deep"}, "The option limits.depth (from ALVEARY_LIMITS_DEPTH) is not valid"),
        ((), {"ALVEARY_BEES": "1"}, "There is no option for the environment variable ALVEARY_BEES."),
        (("--config", "missing.toml"), {}, "The configuration file missing.toml does not exist."),
        (("--log-level", "loud"), {}, "The option log.level (from the command line) is not valid"),
    ],
)
def test_a_configuration_that_is_not_right_is_2_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], told: str
) -> None:
    ended = run("serve", "--data", tmp_path / "data", *arguments, env=env)

    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: {told}")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


# init and token


def test_init_of_a_folder_in_use_is_1_in_one_sentence(tmp_path: Path) -> None:
    with claimed(tmp_path):
        ended = run("init", "--data", tmp_path)

    assert ended.exit_code == 1
    assert ended.stderr == f"Error: The data folder {tmp_path} is in use by another process.\n"


def test_init_makes_a_private_folder_with_secrets_and_prints_none(tmp_path: Path) -> None:
    data = tmp_path / "data"

    ended = run("init", "--data", data)

    assert ended.exit_code == 0
    assert mode(data) == mode(data / "secrets") == 0o700
    keys = [data / "secrets" / name for name in ("operator.key", "unit.key")]
    assert [mode(key) for key in keys] == [0o600, 0o600]
    assert f"{keys[0]} is the operator's key" in ended.output
    assert f"alveary token --data {data}" in ended.output


def test_init_keeps_the_secrets_that_are_there(tmp_path: Path) -> None:
    run("init", "--data", tmp_path)
    before = (tmp_path / "secrets" / "operator.key").read_bytes()

    assert run("init", "--data", tmp_path).exit_code == 0
    assert (tmp_path / "secrets" / "operator.key").read_bytes() == before


def test_a_token_is_good_for_the_life_that_was_asked_for(tmp_path: Path) -> None:
    run("init", "--data", tmp_path)

    token = run("token", "--data", tmp_path, "--life", "60").output.strip()

    key = OperatorKey.of(tmp_path)
    fresh = key.mint(0, 60)
    assert key.admits(token, 0)
    assert len(token) >= len(fresh)
    assert not key.admits(token, 1 << 53)


def test_a_token_without_a_key_is_1_and_says_how_to_get_one(tmp_path: Path) -> None:
    ended = run("token", "--data", tmp_path)

    assert ended.exit_code == 1
    assert (
        ended.stderr
        == f"Error: There is no operator key in {tmp_path}: make one with alveary init --data {tmp_path}.\n"
    )


# Commands on a unit


def test_no_unit_on_the_folder_is_1_and_says_what_to_do(tmp_path: Path) -> None:
    ended = run("cell", "list", "--data", tmp_path)

    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"Error: No unit answers on the data folder {tmp_path}: run alveary serve")


def test_the_url_that_a_killed_unit_left_is_not_believed(tmp_path: Path) -> None:
    run("init", "--data", tmp_path)
    (tmp_path / "url").write_text("http://127.0.0.1:1/\n")

    assert "No unit answers" in run("cell", "list", "--data", tmp_path).stderr


def test_a_unit_that_cannot_be_reached_is_1(tmp_path: Path) -> None:
    ended = run("cell", "list", "--url", "http://127.0.0.1:1/", env={"ALVEARY_TOKEN": "token"})

    assert ended.exit_code == 1
    assert ended.stderr == "Error: The unit at http://127.0.0.1:1/ cannot be asked: Connection refused.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("cell", "create", "Not-A-Name"),
        ("account", "create", "a b", "--cell", "c"),
        ("account", "list"),
        ("snapshot", "import", "--cell", "c"),
        ("snapshot", "download", "../x", "--cell", "c"),
        ("snapshot", "upload", "missing.zip", "--cell", "c"),
        ("cell", "list", "--url", "ftp://unit/"),
    ],
)
def test_arguments_that_cannot_be_right_are_2_before_any_unit_is_asked(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments, env={"ALVEARY_URL": "http://127.0.0.1:1/", "ALVEARY_TOKEN": "token"})

    assert ended.exit_code == 2, ended.output
