"""Billing (WIRE.md 2.16)."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from sandtui.client.models.base import Moment, RowsModel, WireModel, readable_rows


class BilledResource(WireModel):
    """What was billed for one resource so far, in dollars."""

    resource_type: str = ""
    resource_id: str
    amount_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    last_billed_at: Moment | None = None


class Wallet(RowsModel):
    """What was billed, by resource."""

    rows: Annotated[list[BilledResource], readable_rows(BilledResource)] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _rows_by_what_they_hold(cls, value: Any) -> Any:
        """Take the list of billed resources whatever its name is, as it is not documented."""
        lists = [value] if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        for found in lists:
            if isinstance(found, list) and any(isinstance(row, dict) and "amount_usd" in row for row in found):
                return {"rows": found}
        return {"rows": []}
