"""Passwords that are set: what one must look like, and the change of one's own.

What does not belong here: the check of a password that a client sends (``logins``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import ACCESS_TOKEN_EXPIRED, AUTH_REQUIRED, CREDENTIAL_MISSING, PASSWORD_FORMAT, Refusal
from alveary.model.accounts import AccountStatus, Epoch
from alveary.model.cell import Cell
from alveary.model.privileges import CellPrivilege
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases import families
from alveary.usecases.access import Access, Who

_PASSWORD_CHARS: Final = range(1, 257)


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """A change of the password of that account, by a token of that epoch and family.

    ``due``: by one that is good for no more than the change that the account has to make.
    """

    account_id: str
    epoch: str | None
    family: str
    due: bool


def check_password(ports: Ports, password: str) -> None:
    """Return when *password* may be one: 1 to 256 characters of the configured form.

    Raises:
        Refusal: PASSWORD_FORMAT.
    """
    if len(password) not in _PASSWORD_CHARS or not re.fullmatch(ports.config.auth.password_regex, password):
        raise Refusal(PASSWORD_FORMAT)


async def change_own(ports: Ports, access: Access, password: str | None) -> None:
    """Give the account that is asking a new password; one that had to change it is active again.

    The tokens of its other logins end. A token for the change is good for one, and only while it must be made.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, SCOPE_TOO_SMALL, CREDENTIAL_MISSING, PASSWORD_FORMAT,
            ACCESS_TOKEN_EXPIRED when the token is good no more.
    """
    cell, account_id = access.require_account(CellPrivilege.AUTH)
    if password is None:
        raise Refusal(CREDENTIAL_MISSING)
    assert access.family is not None
    change = PasswordChange(account_id, access.epoch, access.family, due=access.who is Who.PASSWORD_CHANGE)
    if not change.due:
        await set_password(ports, cell, change, password)
        return
    check_password(ports, password)  # before the token is spent on it
    if not await families.redeem(ports, cell, access.family):
        raise Refusal(ACCESS_TOKEN_EXPIRED)
    await set_password(ports, cell, change, password)
    await families.revoke(ports, cell, access.family)


async def set_password(ports: Ports, cell: Cell, change: PasswordChange, password: str) -> None:
    """Give the account of *change* that password; one that had to change its own is active again.

    Raises:
        Refusal: PASSWORD_FORMAT; AUTH_REQUIRED when there is no such account any more; ACCESS_TOKEN_EXPIRED when the
            token counts no more, or the change was due, and is not any more.
    """
    check_password(ports, password)
    credential = await ports.passwords.hash(password)
    # A client goes on with the login by which its user changed the password; kept by its family, since what it holds
    # was made before. A token for the change is spent.
    epoch = Epoch(ports.ids.new(), kept=None if change.due else change.family)

    async def save(tx: WriteTx) -> None:
        entity = await tx.entities.get(change.account_id)
        if entity is None:
            raise Refusal(AUTH_REQUIRED)
        values = dict(entity.values)
        required = values.get("Status") == AccountStatus.PASSWORD_CHANGE_REQUIRED
        # Asked again here: another change may have been saved while the password was hashed.
        counts = Epoch.of(entity.hidden).counts(change.epoch, change.family)
        if not counts or (change.due and not required):
            raise Refusal(ACCESS_TOKEN_EXPIRED)
        if required:
            values["Status"] = AccountStatus.ACTIVE.value
        changed = replace(
            entity,
            version=entity.version + 1,
            updated_ms=tx.now_ms,
            values=values,
            hidden={**entity.hidden, **credential.as_hidden(), **epoch.as_hidden()},
        )
        await tx.entities.save(changed)

    await ports.store.contents(cell).write(save)
