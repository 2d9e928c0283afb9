"""What a request made goes with its last user: a collector that must look for it halts everyone meanwhile."""

from __future__ import annotations

import gc
from urllib.parse import urlsplit

import pytest

from tests.raw import Raw
from tests.running import Site

REQUESTS = 50


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "__/file", b""),
        ("PUT", "__/file", b"new"),
        ("PROPFIND", "__/file", b""),
        ("GET", "__ctl/Role", b""),
        ("POST", "__token", b"grant_type=none"),
        ("GET", "none/such", b""),
    ],
)
def test_a_request_leaves_nothing_to_the_collector(cell: Site, method: str, path: str, body: bytes) -> None:
    cell.call("PUT", "__/file", content=b"old")
    with Raw(cell.url) as raw:

        def ask() -> None:
            raw.head(method, urlsplit(f"{cell.url}{path}").path, f"Content-Length: {len(body)}")
            raw.send(body)
            raw.answer()

        ask()
        gc.collect()
        gc.disable()
        try:
            for _ in range(REQUESTS):
                ask()
            assert gc.collect() < REQUESTS
        finally:
            gc.enable()
