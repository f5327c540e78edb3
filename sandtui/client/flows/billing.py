"""What was billed."""

from __future__ import annotations

from sandtui.client.calls import billing
from sandtui.client.flows.base import Flows
from sandtui.client.models.billing import Wallet


class Billing(Flows):
    """Operations on the account's bill."""

    async def get_wallet(self) -> Wallet:
        """Return what was billed for each resource so far.

        Raises:
            NotFoundError: the platform has no billing.
            PermissionDeniedError: the key may not read it.
        """
        return await self._session.control(billing.get_wallet())
