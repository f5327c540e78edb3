"""Calls for billing (WIRE.md 2.16)."""

from __future__ import annotations

from sandtui.client.call import Call, Repeat
from sandtui.client.models.billing import Wallet


def get_wallet() -> Call[Wallet]:
    """Get what was billed for each resource."""
    return Call("GET", "/billing/wallet", Wallet, repeat=Repeat.SAFE)
