"""Indexes on the properties of user data: they follow what is filtered and sorted by in large sets.

What does not belong here: queries, and when an index that is wanted is made (``part``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import apsw

from alveary.adapters.sqlite.queries import indexable, literal_id, path_of
from alveary.model.queries import Column, Query

LARGE_SET: Final = 1_000
"""From how many entities on a set gets indexes: a smaller one is read through in less than a millisecond."""

_MOST: Final = 64
"""How many indexes a cell gets: each is to be kept up with every write of its set."""

_NAME: Final = re.compile(r"property_([A-Za-z0-9_-]+)\.[A-Za-z0-9_.-]+")


class PropertyIndexes:
    """The indexes that a file has, and those that queries would have used.

    Shared by the connections of the file: names are added only after the index is there for all of them.
    """

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._wanted: dict[str, str] = {}

    def load(self, connection: apsw.Connection) -> None:
        """Learn which there are; those of entity types that have gone are dropped."""
        query = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'property\\_%' ESCAPE '\\'"
        for name in [str(name) for (name,) in connection.execute(query)]:
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            if connection.execute("SELECT 1 FROM entity WHERE id = ?", (found[1],)).get is None:
                connection.execute(f'DROP INDEX "{name}"')
            else:
                self._there.add(name)

    def serves(self, query: Query) -> bool:
        """Whether one narrows *query* down or sorts it."""
        if not self._there or query.scope is None:
            return False
        return any(_name(query.scope, column) in self._there for column in indexable(query))

    def want(self, query: Query, tally: Callable[[str], int]) -> None:
        """Take note of the index that would serve *query*, if its set is large."""
        scope = query.scope
        if scope is None or (literal := literal_id(scope)) is None or query.along is not None:
            return
        for column in indexable(query):
            name = _name(scope, column)
            if name in self._wanted:
                return
            if len(self._there) + len(self._wanted) < _MOST and tally(scope) >= LARGE_SET:
                # With the whole order of a list, or what was made in one millisecond, as an import does by the
                # hundred thousand, would be sorted for each page.
                self._wanted[name] = (
                    f'CREATE INDEX IF NOT EXISTS "{name}"'
                    f" ON entity ({path_of(column)}, published_ms, key, kind) WHERE scope = {literal}"
                )
                return

    @property
    def wanted(self) -> bool:
        """Whether there is one to be made."""
        return bool(self._wanted)

    def make(self, connection: apsw.Connection) -> list[str]:
        """Make those that are wanted, as part of a transaction; their names, for :meth:`made`."""
        wanted = dict(self._wanted)
        for statement in wanted.values():
            connection.execute(statement)
        return list(wanted)

    def made(self, names: list[str]) -> None:
        """The indexes of those names are there for every connection."""
        self._there.update(names)
        for name in names:
            self._wanted.pop(name, None)


def _name(scope: str, column: Column) -> str:
    return f"property_{scope}.{'.'.join(column.path)}"
