"""The manifest of a snapshot: which format it has, where and when it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alveary.model.entities import JsonValue
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.fields import Fields, to_bytes

EXPORT_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``00_manifest.json`` says.

    ``version`` is there to be compared with EXPORT_VERSION. ``path_style`` tells how the unit spells the
    URLs of its cells (``http://unit/cell/`` or ``http://cell.unit/``); Personium does not say.
    """

    unit_url: str
    created_ms: int
    path_style: bool | None = None
    version: JsonValue = EXPORT_VERSION

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """The manifest in *raw*, of any version.

        Raises:
            SnapshotProblem: it is not JSON, or lacks the members of its version.
        """
        fields = Fields.parse(raw, layout.MANIFEST)
        version = fields.members.get("export_version")
        if type(version) is not int or version != EXPORT_VERSION:
            return cls("", 0, None, version)
        path_style = fields.flag("path_based_cellurl_enabled")
        return cls(fields.text("unit_url"), fields.number("create_date"), path_style)

    def render(self) -> bytes:
        """The manifest's entry."""
        members: dict[str, JsonValue] = {
            "export_version": self.version,
            "unit_url": self.unit_url,
            "create_date": self.created_ms,
        }
        if self.path_style is not None:
            members["path_based_cellurl_enabled"] = self.path_style
        return to_bytes(members)
