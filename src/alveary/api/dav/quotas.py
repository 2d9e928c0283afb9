"""The properties of RFC 4331: how full the cell is that a collection is in.

What does not belong here: counting, and the unit's own way of telling and setting quotas.
"""

from __future__ import annotations

from typing import Final

from alveary.http.call import Call
from alveary.usecases import quotas
from alveary.wire.dav_properties import AVAILABLE_BYTES, USED_BYTES
from alveary.wire.dav_xml import Asked, Form

_BOTH: Final = frozenset({USED_BYTES, AVAILABLE_BYTES})


async def properties(call: Call, asked: Asked) -> dict[str, str]:
    """What each collection of the cell shows of these properties, by key; nothing where none is asked for.

    Which bytes are left is told where the cell may not hold any number. Source: RFC 4331.
    """
    among_all = asked.form is not Form.THESE and call.ports.config.dav.tell_quotas
    if not among_all and _BOTH.isdisjoint(asked.keys):
        return {}
    standing = await quotas.standing_of(call.ports, call.here)
    told = {USED_BYTES: f"<quota-used-bytes>{standing.usage.file_bytes}</quota-used-bytes>"}
    free_bytes = standing.quota.free_bytes(standing.usage)
    if free_bytes is not None:
        told[AVAILABLE_BYTES] = f"<quota-available-bytes>{free_bytes}</quota-available-bytes>"
    return told
