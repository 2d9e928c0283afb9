"""Logins by a plug-in: who it says is asking, as an account of the cell.

What does not belong here: what a plug-in looks at, the checks that every login has (``logins``), tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from alveary.errors import (
    PLUGIN_BROKEN,
    PLUGIN_CLIENT_REFUSED,
    PLUGIN_REFUSED,
    PLUGIN_UNAVAILABLE,
    Kind,
    Refusal,
)
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.ports.login_plugins import LoginProblem, Reason
from alveary.usecases.logins import Login, log_in_identified

_KINDS: Final[Mapping[Reason, Kind]] = {
    Reason.INVALID: PLUGIN_REFUSED,
    Reason.UNTRUSTED_CLIENT: PLUGIN_CLIENT_REFUSED,
    Reason.UNAVAILABLE: PLUGIN_UNAVAILABLE,
    Reason.BROKEN: PLUGIN_BROKEN,
}


async def log_in_by_plugin(
    ports: Ports, cell: Cell, grant_type: str, form: Mapping[str, str], address: str | None
) -> Login:
    """The login, recorded, of the account that the plug-in of *grant_type* finds in *form*.

    *grant_type* is one of ``ports.login_plugins``; *address* is the client's own. The account must be of the
    plug-in's type. One that must change its password logs in, as it does by its password.

    Raises:
        Refusal: PLUGIN_REFUSED, PLUGIN_CLIENT_REFUSED, PLUGIN_UNAVAILABLE, PLUGIN_BROKEN, AUTHENTICATION_FAILED.
    """
    plugin = ports.login_plugins[grant_type]
    await asyncio.sleep(0)  # a request that has not waited yet has no task, and plug-ins may count on one
    try:
        name = await plugin.identify(form)
    except LoginProblem as problem:
        raise Refusal(_KINDS[problem.reason], cause=problem) from None
    except Exception:  # whoever wrote it: the request fails as it would by a plug-in that says so
        ports.log.exception("a login plug-in failed", grant_type=grant_type)
        raise Refusal(PLUGIN_BROKEN, cause="the log of the unit says why") from None
    return await log_in_identified(ports, cell, name, plugin.account_type, address)
