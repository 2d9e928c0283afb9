"""The tables of the three kinds of files, each with the stamp of its format.

What does not belong here: queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

from alveary.adapters.sqlite import orphans, queues, words
from alveary.adapters.sqlite.database import connect


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a kind of files, in which format, and what makes the next format of each older one.

    A file says its own format in ``user_version``.
    """

    sql: str
    format: int
    upgrades: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


_LISTS: Final = """
CREATE INDEX entity_by_time ON entity (scope, published_ms, key) WHERE kind = 'UserData';

CREATE TABLE tally (scope TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER entity_added AFTER INSERT ON entity WHEN new.kind = 'UserData' BEGIN
  INSERT INTO tally (scope, count) VALUES (new.scope, 1) ON CONFLICT (scope) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER entity_removed AFTER DELETE ON entity WHEN old.kind = 'UserData' BEGIN
  UPDATE tally SET count = count - 1 WHERE scope = old.scope;
END;
"""
"""What lists of user data need: their order, and how many there are of each type."""

_FILL_TALLY: Final = """
INSERT INTO tally (scope, count) SELECT scope, count(*) FROM entity WHERE kind = 'UserData' GROUP BY scope;
"""

_LOCKS: Final = """
CREATE TABLE lock (
  token         TEXT PRIMARY KEY,
  box           TEXT NOT NULL,
  trail         TEXT NOT NULL,
  scope         TEXT NOT NULL,
  deep          INTEGER NOT NULL,
  owner         TEXT NOT NULL,
  holder        TEXT NOT NULL,
  until_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX lock_by_box ON lock (box);
CREATE INDEX lock_by_end ON lock (until_ms);
"""
"""The WebDAV locks; what is below the box is joined by slashes."""

_UPLOADS: Final = """
CREATE TABLE upload (
  id            TEXT PRIMARY KEY,
  until_ms      INTEGER NOT NULL,
  complete      INTEGER NOT NULL,
  document      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX upload_by_end ON upload (until_ms);

CREATE TABLE piece (
  id            TEXT PRIMARY KEY,
  upload        TEXT NOT NULL,
  start         INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  sha256        BLOB NOT NULL,
  blob          TEXT,
  inline        BLOB
);
CREATE UNIQUE INDEX piece_by_start ON piece (upload, start);
"""
"""Files that come in several requests."""

_USAGE: Final = """
CREATE TABLE usage (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  file_bytes    INTEGER NOT NULL,
  entities      INTEGER NOT NULL
);
INSERT INTO usage (one, file_bytes, entities) SELECT
  1,
  (SELECT ifnull(sum(size_bytes), 0) FROM node) + (SELECT ifnull(sum(size_bytes), 0) FROM piece),
  (SELECT count(*) FROM entity);

CREATE TRIGGER node_counted AFTER INSERT ON node WHEN new.size_bytes > 0 BEGIN
  UPDATE usage SET file_bytes = file_bytes + new.size_bytes;
END;
CREATE TRIGGER node_recounted AFTER UPDATE OF size_bytes ON node WHEN new.size_bytes IS NOT old.size_bytes BEGIN
  UPDATE usage SET file_bytes = file_bytes + ifnull(new.size_bytes, 0) - ifnull(old.size_bytes, 0);
END;
CREATE TRIGGER node_uncounted AFTER DELETE ON node WHEN old.size_bytes > 0 BEGIN
  UPDATE usage SET file_bytes = file_bytes - old.size_bytes;
END;
CREATE TRIGGER piece_counted AFTER INSERT ON piece BEGIN
  UPDATE usage SET file_bytes = file_bytes + new.size_bytes;
END;
CREATE TRIGGER piece_uncounted AFTER DELETE ON piece BEGIN
  UPDATE usage SET file_bytes = file_bytes - old.size_bytes;
END;
CREATE TRIGGER entity_counted AFTER INSERT ON entity BEGIN
  UPDATE usage SET entities = entities + 1;
END;
CREATE TRIGGER entity_uncounted AFTER DELETE ON entity BEGIN
  UPDATE usage SET entities = entities - 1;
END;
"""
"""What quotas need: how much there is, kept by every change itself."""

_SEALED: Final = """
ALTER TABLE node ADD COLUMN data_key TEXT;
ALTER TABLE piece ADD COLUMN data_key TEXT;
"""
"""Under which key bytes are encrypted at rest."""

_CONTENTS: Final = f"""
CREATE TABLE node (
  id            TEXT PRIMARY KEY,
  parent        TEXT NOT NULL,
  name          TEXT NOT NULL,
  kind          TEXT NOT NULL,
  version       INTEGER NOT NULL,
  published_ms  INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  acl           TEXT,
  properties    TEXT,
  media_type    TEXT,
  size_bytes    INTEGER,
  sha256        BLOB,
  blob          TEXT,
  inline        BLOB
);
CREATE UNIQUE INDEX node_by_name ON node (parent, name);
CREATE INDEX node_by_blob ON node (blob) WHERE blob IS NOT NULL;

CREATE TABLE entity (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,
  scope         TEXT NOT NULL,
  key           TEXT NOT NULL,
  version       INTEGER NOT NULL,
  published_ms  INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  document      BLOB NOT NULL,
  hidden        TEXT,
  refs          TEXT,
  box           TEXT,
  node          TEXT
);
CREATE UNIQUE INDEX entity_by_key ON entity (kind, scope, key);

CREATE TABLE ref (
  source        TEXT NOT NULL,
  kind          TEXT NOT NULL,
  target        TEXT NOT NULL,
  PRIMARY KEY (source, kind, target)
) WITHOUT ROWID;
CREATE INDEX ref_by_target ON ref (target, source);

CREATE TABLE link (
  id1           TEXT NOT NULL,
  id2           TEXT NOT NULL,
  type1         TEXT NOT NULL,
  type2         TEXT NOT NULL,
  published_ms  INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  box           TEXT,
  node          TEXT,
  PRIMARY KEY (id1, id2, type1, type2)
) WITHOUT ROWID;
CREATE INDEX link_by_other_end ON link (id2, id1);

CREATE TABLE outbox (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  created_ms    INTEGER NOT NULL,
  event         TEXT NOT NULL
);

CREATE TABLE garbage (blob TEXT PRIMARY KEY) WITHOUT ROWID;
{_LISTS}{words.TABLES}{orphans.TABLES}{_LOCKS}{queues.TABLES}{_UPLOADS}{_USAGE}{_SEALED}"""

CONTENTS: Final = Tables(
    _CONTENTS,
    6,
    {
        1: (_LISTS, words.TABLES, _FILL_TALLY),
        2: (orphans.TABLES, _LOCKS, queues.TABLES),
        3: (_UPLOADS,),
        4: (_USAGE,),
        5: (_SEALED,),
    },
)

BUILD: Final = Tables(
    f"""{_CONTENTS}
CREATE TABLE note (key BLOB PRIMARY KEY, note BLOB NOT NULL) WITHOUT ROWID;
""",
    CONTENTS.format,
)
"""Contents that are being made aside: what is only of use meanwhile is dropped when they are sealed."""

_IDENTITY: Final = """
CREATE TABLE family (
  id            TEXT PRIMARY KEY,
  state         TEXT NOT NULL,
  until_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX family_by_end ON family (until_ms);

CREATE TABLE signing_key (
  id            TEXT PRIMARY KEY,
  created_ms    INTEGER NOT NULL,
  sealed        BLOB NOT NULL
) WITHOUT ROWID;
"""

_KEEP_SEALED: Final = """
ALTER TABLE snapshot ADD COLUMN data_key TEXT;
ALTER TABLE job ADD COLUMN seal BLOB;
"""

_KEEP: Final = f"""
CREATE TABLE snapshot (
  name          TEXT PRIMARY KEY,
  media_type    TEXT NOT NULL,
  version       INTEGER NOT NULL,
  published_ms  INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  sha256        BLOB NOT NULL,
  blob          TEXT,
  inline        BLOB
);

CREATE TABLE job (
  kind          TEXT PRIMARY KEY,
  name          TEXT NOT NULL,
  started_ms    INTEGER NOT NULL,
  contents      TEXT NOT NULL,
  progress      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE login (
  account       TEXT PRIMARY KEY,
  last_authenticated_ms INTEGER,
  failed_count  INTEGER NOT NULL,
  last_failure_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE garbage (blob TEXT PRIMARY KEY) WITHOUT ROWID;
{_IDENTITY}{_KEEP_SEALED}"""

KEEP: Final = Tables(_KEEP, 4, {1: (), 2: (_IDENTITY,), 3: (_KEEP_SEALED,)})

_REGISTRY: Final = """
CREATE TABLE cell (
  id            TEXT PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE,
  owner         TEXT,
  status        TEXT NOT NULL,
  contents      TEXT NOT NULL,
  version       INTEGER NOT NULL,
  published_ms  INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  failure       TEXT,
  active        INTEGER NOT NULL DEFAULT 0,
  quota_bytes   INTEGER,
  quota_entities INTEGER
);
CREATE INDEX cell_by_owner ON cell (owner, published_ms);
CREATE INDEX cell_by_active ON cell (active) WHERE active = 1;
"""

_QUOTAS: Final = """
ALTER TABLE cell ADD COLUMN quota_bytes INTEGER;
ALTER TABLE cell ADD COLUMN quota_entities INTEGER;
"""

REGISTRY: Final = Tables(_REGISTRY, 3, {1: (), 2: (_QUOTAS,)})


def create(path: Path, tables: Tables) -> None:
    """Make the database file *path* with *tables* in it, whole and closed."""
    connection = connect(path)
    with connection:
        connection.execute(tables.sql)
        connection.execute(f"PRAGMA user_version={tables.format}")
    connection.close()


def upgrade(connection: apsw.Connection, path: Path, tables: Tables) -> None:
    """Bring the database that *connection* is to, the file *path*, to the format of *tables*.

    A copy of an older file stays beside it.
    """
    written = int(connection.pragma("user_version"))
    if written == tables.format:
        return
    copy = apsw.Connection(str(path.with_suffix(f".format{written}")))
    with copy.backup("main", connection, "main") as backup:
        backup.step()
    copy.close()
    with connection:
        for statements in (tables.upgrades[number] for number in range(written, tables.format)):
            for each in statements:
                connection.execute(each)
        connection.execute(f"PRAGMA user_version={tables.format}")
