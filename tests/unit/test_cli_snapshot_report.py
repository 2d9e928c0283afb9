"""What ``alveary snapshot verify`` says about files."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest
from click.testing import CliRunner, Result

from alveary.cli import main
from alveary.wire.snapshot import layout

FIXTURE = Path(__file__).parents[1] / "fixtures" / "personium-snapshot.zip"
CONTENT = "20_webdav/__/profile.json/content"


def verify(file: Path) -> Result:
    return CliRunner().invoke(main, ["snapshot", "verify", str(file)])


def rewritten(target: Path, changes: dict[str, bytes | None]) -> Path:
    """The snapshot of the fixtures with other entries (None: without them), their checksums right."""
    with ZipFile(FIXTURE) as source, ZipFile(target, "w", ZIP_STORED) as copy:
        for info in source.infolist():
            content = changes.get(info.filename, source.read(info))
            if content is not None:
                copy.writestr(info.filename, content)
    return target


def test_a_snapshot_of_personium_is_whole_and_counted() -> None:
    ended = verify(FIXTURE)

    assert ended.exit_code == 0, ended.output
    counts = dict(line.rsplit(maxsplit=1) for line in ended.stdout.splitlines()[1:-1])
    assert counts["Account"] == "6"
    assert counts["UserData"] == "200"
    assert counts["services"] == "1"
    assert "is whole" in ended.stdout


@pytest.mark.parametrize(
    ("entry", "content", "told"),
    [
        (layout.LINKS, None, f"{layout.LINKS} is missing"),
        (layout.MANIFEST, b'{"export_version":1}', "version 1 where 2 is expected"),
        ("10_odata/20_role.pjson", b"{}\n", "10_odata/20_role.pjson:1"),
        ("20_webdav/.pmeta", b"{}", "20_webdav/.pmeta"),
    ],
)
def test_what_is_missing_or_unreadable_is_named(tmp_path: Path, entry: str, content: bytes | None, told: str) -> None:
    ended = verify(rewritten(tmp_path / "s.zip", {entry: content}))

    assert ended.exit_code == 1
    assert told in ended.stdout


def test_a_flipped_byte_is_found_and_its_entry_named(tmp_path: Path) -> None:
    target = rewritten(tmp_path / "s.zip", {CONTENT: b"a content to be found again"})
    raw = target.read_bytes()
    target.write_bytes(raw.replace(b"to be found again", b"to be found agaim"))

    ended = verify(target)

    assert ended.exit_code == 1
    assert f"damaged: {CONTENT} is damaged: its checksum differs" in ended.stdout


def test_a_file_that_is_no_archive_is_1(tmp_path: Path) -> None:
    file = tmp_path / "s.zip"
    file.write_bytes(b"no archive at all")

    ended = verify(file)

    assert ended.exit_code == 1
    assert "is no zip archive" in ended.stdout
