"""The types of accounts where a login plug-in is configured."""

from __future__ import annotations

from pathlib import Path

from tests.running import running

PROVIDER = {"config_url": "https://accounts.example/", "trusted_client_ids": "app", "account_type": "oidc:google"}


def test_an_account_may_be_of_a_configured_providers_type(tmp_path: Path) -> None:
    with running(tmp_path / "data", plugin={"oidc": {"google": PROVIDER}}) as unit:
        cell = unit.cell()
        for types, status in (("oidc:google", 201), ("basic oidc:google", 201), ("oidc:generic", 400)):
            made = cell.call("POST", "__ctl/Account", json={"Name": f"a{len(types)}", "Type": types})
            assert made.status_code == status
        assert made.json()["code"] == "PR400-OD-0006"
