"""The command line on real processes: a unit's start and end, work on it, damage found in its folder."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import apsw

from tests.e2e.conftest import Unit, alveary
from tests.running import Site

PASSWORD = "correct-horse-1"
LARGE = os.urandom(100_000)


def filled(unit: Unit, name: str = "demo") -> Site:
    """A cell with an account, a small file and a large one."""
    cell = unit.cell(name)
    cell.account("alice", PASSWORD)
    assert cell.call("PUT", "__/小さい.txt", content="蜂").status_code == 201
    assert cell.call("PUT", "__/large.bin", content=LARGE).status_code == 201
    return cell


def modes(folder: Path) -> set[str]:
    """The modes of all there is in *folder*, as text."""
    return {stat.filemode(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}


# serve


def test_a_unit_prints_its_url_and_the_way_in_and_no_secret(unit: Unit) -> None:
    assert unit.process.stdout is not None
    second = unit.process.stdout.readline()

    assert unit.http.get(f"{unit.url}healthz").status_code == 200
    key = unit.data / "secrets" / "operator.key"
    assert second == f"The way in: {key} is the operator's key, and this mints a token with it: " + (
        f"alveary token --data {unit.data}\n"
    )


def test_nobody_else_may_read_anything_of_a_unit(unit: Unit) -> None:
    filled(unit)

    assert modes(unit.data) == {"drwx------", "-rw-------"}


def test_sigterm_ends_a_unit_with_0_and_removes_its_url(unit: Unit) -> None:
    assert (unit.data / "url").read_text() == f"{unit.url}\n"

    assert unit.stop() == 0

    assert not (unit.data / "url").exists()
    assert "No unit answers" in unit.cli("cell", "list").stderr


def test_a_unit_comes_back_at_its_address_after_sigkill(unit: Unit) -> None:
    filled(unit)
    unit.kill()
    assert "No unit answers" in unit.cli("cell", "list").stderr

    unit.restart()

    assert unit.cli("cell", "list").stdout.split()[2] == "demo"


def test_a_second_unit_on_the_folder_is_refused_and_the_first_goes_on(unit: Unit) -> None:
    ended = unit.cli("serve", "--bind", "127.0.0.1:0")

    assert ended.returncode == 1
    assert ended.stderr == f"Error: The data folder {unit.data} is in use by another process.\n"
    assert ended.stdout == ""
    assert unit.cli("cell", "list").returncode == 0


def test_an_address_in_use_is_1_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = alveary("serve", "--data", tmp_path / "data", "--bind", bind)

    assert ended.returncode == 1
    assert ended.stderr == f"Error: The unit cannot listen at {bind}: Address already in use.\n"


def test_a_certificate_that_is_not_there_is_1_and_named(tmp_path: Path) -> None:
    options = {"tls.certificate": "none.pem", "tls.key": "none.key"}

    ended = alveary("serve", "--data", tmp_path / "data", "--bind", "127.0.0.1:0", **options)

    assert ended.returncode == 1
    assert ended.stderr == "Error: The certificate none.pem and its key cannot be used: No such file or directory.\n"


def test_a_login_plugin_that_cannot_be_used_is_2_in_one_sentence(tmp_path: Path) -> None:
    table = json.dumps({"oidc": {"google": {"config_url": "https://a.example/"}}})
    ended = alveary("serve", "--data", tmp_path / "data", "--bind", "127.0.0.1:0", plugin=table)
    assert ended.returncode == 2
    problem = "google: Object missing required field `trusted_client_ids`"
    assert ended.stderr == f"Error: The login plug-in oidc cannot be used: {problem}.\n"


def test_variables_for_commands_do_not_disturb_a_unit(start_unit: Callable[..., Unit]) -> None:
    unit = start_unit(url="http://127.0.0.1:1/", token="none")

    assert unit.http.get(f"{unit.url}healthz").status_code == 200


# Cells and accounts


def test_a_cell_is_made_listed_and_deleted(unit: Unit) -> None:
    made = unit.cli("cell", "create", "hive")
    listed = json.loads(unit.cli("cell", "list", "--json").stdout)
    again = unit.cli("cell", "create", "hive")
    deleted = unit.cli("cell", "delete", "hive")

    assert made.stdout == f"{unit.url}hive/\n"
    assert listed == [{"name": "hive", "url": f"{unit.url}hive/"}]
    assert (again.returncode, again.stderr) == (1, "Error: The entity exists already. (PR409-OD-0003)\n")
    assert deleted.returncode == 0
    assert unit.cli("cell", "list").stdout == ""


def test_a_cell_with_contents_is_deleted_only_as_a_whole_and_after_a_yes(unit: Unit) -> None:
    filled(unit)

    plain = unit.cli("cell", "delete", "demo")
    no = unit.cli("cell", "delete", "demo", "--recursive", given="n\n")
    yes = unit.cli("cell", "delete", "demo", "--recursive", given="y\n")

    assert [plain.returncode, no.returncode, yes.returncode] == [1, 1, 0]
    assert json.loads(unit.cli("cell", "list", "--json").stdout) == []


def test_an_account_logs_in_with_the_password_from_standard_input(unit: Unit) -> None:
    cell = unit.cell("demo")

    made = unit.cli("account", "create", "alice", "--cell", "demo", "--password-stdin", given=f"{PASSWORD}\n")
    first = cell.grant("alice", PASSWORD).status_code
    changed = unit.cli("account", "password", "alice", "--cell", "demo", "--password-stdin", given="another-1\n")
    old, new = (cell.grant("alice", password).status_code for password in (PASSWORD, "another-1"))
    listed = json.loads(unit.cli("account", "list", "--cell", "demo", "--json").stdout)
    deleted = unit.cli("account", "delete", "alice", "--cell", "demo")

    assert [made.returncode, changed.returncode, deleted.returncode] == [0, 0, 0]
    assert [first, old, new] == [200, 400, 200]
    assert listed == [{"name": "alice", "type": "basic", "status": "active"}]
    assert unit.cli("account", "list", "--cell", "demo").stdout == ""


def test_lists_longer_than_a_page_are_whole(start_unit: Callable[..., Unit]) -> None:
    unit = start_unit(**{"limits.top_default": 4, "limits.top_max": 4})
    names = [f"cell{number}" for number in range(9)]
    for name in names:
        unit.cell(name)

    listed = json.loads(unit.cli("cell", "list", "--json").stdout)

    assert sorted(row["name"] for row in listed) == names


def test_a_token_from_standard_input_and_a_url_need_no_folder(unit: Unit, tmp_path: Path) -> None:
    nowhere = ("--url", unit.url, "--data", tmp_path / "nowhere", "--token-stdin")

    good = alveary("cell", "create", "hive", *nowhere, given=f"{unit.token}\n")
    bad = alveary("cell", "create", "hive2", *nowhere, given="wrong\n")
    by_variable = alveary("cell", "list", "--data", tmp_path / "nowhere", url=unit.url, token=unit.token)

    assert (good.returncode, by_variable.returncode) == (0, 0)
    assert bad.returncode == 1
    assert "PR401-AU-0006" in bad.stderr


def test_cells_in_host_style_are_reached_through_the_units_address(start_unit: Callable[..., Unit]) -> None:
    unit = start_unit(path_style="false", base_url="http://unit.example/")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unit.stop()
    unit.start(f"127.0.0.1:{port}")
    here = ("--url", f"http://127.0.0.1:{port}/")

    made = unit.cli("cell", "create", "hive", *here)
    account = unit.cli("account", "create", "bob", "--cell", "hive", "--password-stdin", *here, given=f"{PASSWORD}\n")

    assert (made.stdout, account.returncode) == ("http://hive.unit.example/\n", 0)


# Snapshots


def test_a_snapshot_goes_from_one_unit_to_another_with_all_it_holds(
    start_unit: Callable[..., Unit], tmp_path: Path
) -> None:
    one, other = start_unit("one"), start_unit("other")
    filled(one)
    file = tmp_path / "moving.zip"

    exported = one.cli("snapshot", "export", "--cell", "demo", "-o", file)
    verified = alveary("snapshot", "verify", file)
    target = other.cell("apiary")
    imported = other.cli("snapshot", "import", file, "--cell", "apiary", "--yes")

    assert [exported.returncode, verified.returncode, imported.returncode] == [0, 0, 0], imported.stderr
    assert target.call("GET", "__/large.bin").content == LARGE
    assert target.call("GET", "__/小さい.txt").text == "蜂"
    assert target.grant("alice", PASSWORD).status_code == 200
    listed = json.loads(other.cli("snapshot", "list", "--cell", "apiary", "--json").stdout)
    assert [(row["name"], row["size_bytes"]) for row in listed] == [("moving.zip", file.stat().st_size)]
    assert "Importing apiary: 100 %" in imported.stderr


def test_what_is_uploaded_is_what_is_downloaded_and_nothing_is_overwritten(unit: Unit, tmp_path: Path) -> None:
    unit.cell("demo")
    file, copy = tmp_path / "some.zip", tmp_path / "copy.zip"
    file.write_bytes(LARGE)

    uploaded = unit.cli("snapshot", "upload", file, "--cell", "demo", "--name", "kept")
    downloads = [unit.cli("snapshot", "download", "kept", "--cell", "demo", "-o", copy) for _ in range(2)]

    assert uploaded.stdout == "kept\n"
    assert [each.returncode for each in downloads] == [0, 1]
    assert downloads[1].stderr == f"Error: The file {copy} exists already.\n"
    assert copy.read_bytes() == LARGE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.zip", "some.zip", "unit"]


def test_a_download_that_cannot_be_written_is_1_and_names_the_file(unit: Unit, tmp_path: Path) -> None:
    filled(unit)
    file = tmp_path / "nowhere" / "s.zip"

    ended = unit.cli("snapshot", "export", "--cell", "demo", "-o", file)

    assert ended.returncode == 1
    assert ended.stderr.endswith(f"Error: The file {file} cannot be written: No such file or directory.\n")


def test_an_upload_that_is_refused_before_its_end_says_why(unit: Unit, tmp_path: Path) -> None:
    unit.cell("demo")
    file = tmp_path / "large.zip"
    with file.open("wb") as hole:
        hole.truncate(64 * 1024 * 1024)

    ended = unit.cli("snapshot", "upload", file, "--cell", "demo", "--token-stdin", given="wrong\n")

    assert ended.returncode == 1
    assert "PR401-AU-0006" in ended.stderr


def test_an_import_that_is_refused_or_fails_says_why(unit: Unit, tmp_path: Path) -> None:
    filled(unit)
    junk = tmp_path / "junk.zip"
    junk.write_bytes(b"no archive")

    refused = unit.cli("snapshot", "import", junk, "--cell", "demo", "--yes")
    missing = unit.cli("snapshot", "import", "--name", "none", "--cell", "demo", "--yes")
    declined = unit.cli("snapshot", "import", "--name", "none", "--cell", "demo", given="n\n")

    assert "PR400-MC-0004" in refused.stderr
    assert "PR404-DV-0001" in missing.stderr
    assert [each.returncode for each in (refused, missing, declined)] == [1, 1, 1]


def test_an_import_that_fails_on_the_way_ends_with_its_message(unit: Unit, tmp_path: Path) -> None:
    cell = filled(unit)
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    unit.cli("snapshot", "export", "--cell", "demo", "-o", good)
    raw = bytearray(good.read_bytes())
    raw[raw.index(LARGE[:64]) + 5000] ^= 1
    bad.write_bytes(raw)

    ended = unit.cli("snapshot", "import", bad, "--cell", "demo", "--yes")

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("Error: ")
    assert "its checksum differs" in ended.stderr
    assert unit.cli("snapshot", "import", good, "--cell", "demo", "--yes").returncode == 0
    assert cell.call("GET", "__/large.bin").content == LARGE


# doctor and verify


def test_a_sound_folder_passes_while_its_unit_runs_and_after_it_ended(unit: Unit, tmp_path: Path) -> None:
    filled(unit)
    unit.cli("snapshot", "export", "--cell", "demo", "-o", tmp_path / "s.zip")

    running = [unit.cli("doctor"), unit.cli("verify")]
    unit.stop()
    before = {path: path.stat().st_mtime_ns for path in unit.data.rglob("*")}
    ended = [unit.cli("doctor"), unit.cli("verify")]

    assert [each.returncode for each in (*running, *ended)] == [0, 0, 0, 0], running[1].stdout
    assert all(each.stdout.startswith(f"A unit is running on {unit.data}.") for each in running)
    assert all(each.stdout.startswith("ok") for each in ended)
    assert {path: path.stat().st_mtime_ns for path in unit.data.rglob("*")} == before


def test_a_flipped_byte_of_a_blob_is_found_by_verify_alone_and_its_file_named(unit: Unit) -> None:
    filled(unit)
    blob = next(path for path in unit.data.rglob("blobs/*/*"))
    raw = bytearray(blob.read_bytes())
    raw[77_777] ^= 1
    blob.write_bytes(raw)

    assert unit.cli("doctor").returncode == 0
    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert "cell demo, file __/large.bin: its bytes are not those that were stored" in ended.stdout


def test_a_flipped_byte_of_a_small_file_is_found_and_the_file_named(unit: Unit) -> None:
    filled(unit)
    unit.stop()
    database = next(unit.data.glob("cells/*/contents/*/db.sqlite"))
    connection = apsw.Connection(str(database))
    connection.execute("UPDATE node SET inline = ? WHERE name = '小さい.txt'", ("蝶".encode(),))
    connection.close()

    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert "cell demo, file __/小さい.txt: its bytes are not those that were stored" in ended.stdout


def test_a_flipped_byte_of_a_snapshot_is_found_and_the_snapshot_named(unit: Unit, tmp_path: Path) -> None:
    filled(unit)
    unit.cli("snapshot", "export", "--cell", "demo", "--name", "kept", "-o", tmp_path / "s.zip")
    blob = next(path for path in unit.data.rglob("keep/blobs/*/*"))
    blob.write_bytes(blob.read_bytes()[:-1] + b"\1")

    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert "cell demo, snapshot kept.zip: its bytes are not those that were stored" in ended.stdout


def test_a_flipped_byte_of_an_unfinished_upload_is_found(unit: Unit) -> None:
    filled(unit).call("PUT", "__/big", content=b"u" * 100_000, headers={"Upload-Complete": "?0"})
    blob = next(path for path in unit.data.rglob("contents/*/blobs/*/*") if path.read_bytes() == b"u" * 100_000)
    blob.write_bytes(b"v" * 100_000)

    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert "cell demo, unfinished upload" in ended.stdout


def test_cut_and_missing_files_are_named_by_doctor(unit: Unit) -> None:
    cell = filled(unit)
    cell.call("PUT", "__/other.bin", content=LARGE)
    cut, missing = sorted(unit.data.rglob("blobs/*/*"))
    os.truncate(cut, 5)
    missing.unlink()

    ended = unit.cli("doctor")

    assert ended.returncode == 1
    assert "it has 5 bytes instead of 100000" in ended.stdout
    assert "its bytes cannot be read: No such file or directory" in ended.stdout
    assert ended.stderr.endswith("Error: Problems: 2.\n")


def test_a_damaged_database_is_named(unit: Unit) -> None:
    filled(unit)
    unit.stop()
    database = next(unit.data.glob("cells/*/contents/*/db.sqlite"))
    raw = bytearray(database.read_bytes())
    raw[4096:8192] = bytes(4096)
    database.write_bytes(raw)

    ended = unit.cli("doctor")

    assert ended.returncode == 1
    assert str(database.relative_to(unit.data)) in ended.stdout


def test_open_permissions_another_format_and_a_cut_key_are_named(unit: Unit) -> None:
    unit.stop()
    (unit.data / "unit.sqlite").chmod(0o644)
    (unit.data / "format").write_text("99\n")
    (unit.data / "secrets" / "unit.key").write_bytes(b"short")

    ended = unit.cli("doctor")

    assert ended.returncode == 1
    assert "unit.sqlite: others may read it" in ended.stdout
    assert "format: it says 99; this release reads and writes 4" in ended.stdout
    assert "secrets/unit.key: it does not hold 32 bytes" in ended.stdout


def test_a_folder_that_is_not_there_is_1_and_not_made(tmp_path: Path) -> None:
    for command in ("doctor", "verify"):
        ended = alveary(command, "--data", tmp_path / "none")
        assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
            1,
            f"Error: There is no data folder {tmp_path / 'none'}.",
        )
    assert list(tmp_path.iterdir()) == []


# secret


def test_a_new_secret_logs_nobody_out_and_changes_no_cells_key(unit: Unit) -> None:
    cell = filled(unit)
    token, key = cell.token("alice", PASSWORD), cell.call("GET", "__certs", token=None).json()
    refused = unit.cli("secret", "rotate")
    assert (refused.returncode, "in use by another process" in refused.stderr) == (1, True)
    unit.stop()

    ended = unit.cli("secret", "rotate")

    assert (ended.returncode, ended.stdout) == (0, "The unit has a new secret; older tokens end within 24 hours.\n")
    unit.restart()
    assert (
        cell.call("PUT", "__mypassword", token=token, headers={"X-Personium-Credential": PASSWORD}).status_code == 204
    )
    assert cell.call("GET", "__certs", token=None).json() == key
    unit.stop()
    assert unit.cli("doctor").returncode == 0


def test_a_forgotten_secret_ends_all_tokens_and_cells_make_new_keys(unit: Unit) -> None:
    cell = filled(unit)
    token, key = cell.token("alice", PASSWORD), cell.call("GET", "__certs", token=None).json()
    unit.stop()

    ended = unit.cli("secret", "rotate", "--forget")

    assert (ended.returncode, ended.stdout) == (0, "The unit has a new secret; all tokens have ended.\n")
    unit.restart()
    changed = cell.call("PUT", "__mypassword", token=token, headers={"X-Personium-Credential": PASSWORD})
    assert changed.json()["code"] == "PR401-AU-0006"
    assert cell.call("GET", "__certs", token=None).json() != key
    assert cell.grant("alice", PASSWORD).status_code == 200


# Quotas


def test_a_quota_is_set_told_and_taken_away(unit: Unit) -> None:
    site = filled(unit)

    told = unit.cli("cell", "quota", "demo", "--bytes", str(len(LARGE) + 10), "--entities", "5")
    assert told.returncode == 0, told.stderr
    assert site.call("PUT", "__/more", content=b"x" * 11).status_code == 507

    listed = json.loads(unit.cli("cell", "list", "--usage", "--json").stdout)
    (row,) = (each for each in listed if each["name"] == "demo")
    assert (row["bytes"], row["bytes_quota"], row["entities_quota"]) == (len(LARGE) + 3, len(LARGE) + 10, 5)

    assert unit.cli("cell", "quota", "demo", "--bytes", "default").returncode == 0
    assert site.call("PUT", "__/more", content=b"x" * 11).status_code == 201
    assert unit.cli("cell", "quota", "demo", "--bytes", "many").returncode == 2
    assert unit.cli("cell", "quota", "nobody").returncode == 1


def test_counters_that_do_not_say_what_there_is_are_named_by_doctor(unit: Unit) -> None:
    filled(unit)
    unit.stop()
    database = next(unit.data.glob("cells/*/contents/*/db.sqlite"))
    connection = apsw.Connection(str(database))
    connection.execute("UPDATE usage SET file_bytes = file_bytes - 7, entities = entities + 1")
    connection.close()

    ended = unit.cli("doctor")

    assert ended.returncode == 1
    assert f"cell demo: its counters say {len(LARGE) - 4} bytes of files instead of {len(LARGE) + 3}" in ended.stdout
    assert "cell demo: its counters say 2 entities instead of 1" in ended.stdout


# Encrypted files


def test_a_flipped_byte_of_an_encrypted_file_is_found_and_the_file_named(start_unit: Callable[..., Unit]) -> None:
    unit = start_unit(**{"store.encrypt": True})
    filled(unit)
    assert [unit.cli("doctor").returncode, unit.cli("verify").returncode] == [0, 0]
    blob = next(path for path in unit.data.rglob("contents/*/blobs/*/*"))
    raw = bytearray(blob.read_bytes())
    raw[77_777] ^= 1
    blob.write_bytes(raw)
    unit.stop()
    database = next(unit.data.glob("cells/*/contents/*/db.sqlite"))
    connection = apsw.Connection(str(database))
    connection.execute("UPDATE node SET inline = zeroblob(length(inline)) WHERE name = '小さい.txt'")
    connection.close()

    assert unit.cli("doctor").returncode == 0
    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert "cell demo, file __/large.bin: its bytes are not those that were stored" in ended.stdout
    assert "cell demo, file __/小さい.txt: its bytes are not those that were stored" in ended.stdout


def test_a_secret_that_is_forgotten_takes_no_file_along_and_a_lost_key_is_named(
    start_unit: Callable[..., Unit],
) -> None:
    unit = start_unit(**{"store.encrypt": True})
    filled(unit)
    unit.stop()

    assert unit.cli("secret", "rotate", "--forget").returncode == 0
    assert unit.cli("verify").returncode == 0
    (key,) = unit.data.glob("cells/*/keys/*")
    key.unlink()
    ended = unit.cli("verify")

    assert ended.returncode == 1
    assert f"cell demo, file __/large.bin: its bytes cannot be decrypted: the key {key.name} is lost" in ended.stdout


def test_a_snapshot_that_a_passphrase_encrypts_goes_from_cell_to_cell(unit: Unit, tmp_path: Path) -> None:
    filled(unit)
    other, file = unit.cell("other"), tmp_path / "s.zip"
    twice, once = f"{PASSWORD}\n{PASSWORD}\n", f"{PASSWORD}\n"

    exported = unit.cli("snapshot", "export", "--cell", "demo", "--encrypted", "-o", file, given=twice)
    assert exported.returncode == 0, exported.stderr
    assert not file.read_bytes().startswith(b"PK")
    refused = unit.cli("snapshot", "import", file, "--cell", "other", "--yes")
    assert (refused.returncode, "PR400-MC-0006" in refused.stderr) == (1, True)
    imported = unit.cli("snapshot", "import", file, "--cell", "other", "--yes", "--encrypted", given=once)

    assert imported.returncode == 0, imported.stderr
    assert other.call("GET", "__/large.bin").content == LARGE
