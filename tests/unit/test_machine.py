"""The ids that the machine gives: how long they are, and that those of rows follow the time."""

from __future__ import annotations

import re
import time

from alveary.adapters.machine import SystemIds

_ids = SystemIds()


def test_ids_are_spelled_alike_be_they_random_or_timed() -> None:
    for one in (_ids.new(), _ids.timed()):
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", one)
    for one in (_ids.hex(), _ids.timed_hex()):
        assert re.fullmatch(r"[0-9a-f]{32}", one)


def test_a_timed_id_begins_with_the_millisecond_in_which_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    ids = [_ids.timed_hex() for _ in range(1_000)]
    after = time.time_ns() // 1_000_000
    assert all(before <= int(one[:12], 16) <= after for one in ids)
    assert len({one[12:] for one in ids}) == len(ids)
