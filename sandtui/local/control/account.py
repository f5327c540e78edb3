"""The account behind the API key: one user, in no team, without stored secrets."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import Row, refuse
from sandtui.local.settings import USER_ID

# What the official command line asks for beside sandboxes. The sentence says more than a bare 404 would.
_NOT_OFFERED: Final = (
    ("/secrets", "Secrets of an account are"),
    ("/user", "Changes of an account are"),
    ("/teams", "Teams are"),
    ("/availability", "Machines for rent are"),
    ("/billing", "Bills are"),
    ("/disks", "Disks are"),
    ("/environmentshub", "The environments hub is"),
    ("/evaluations", "Hosted evaluations are"),
    ("/hosted-evaluations", "Hosted evaluations are"),
    ("/pods", "Pods are"),
    ("/rft", "Hosted training is"),
    ("/slurm-clusters", "Clusters are"),
    ("/training", "Hosted training is"),
)


class AccountRoutes:
    """Answers calls about the account behind the API key."""

    def rows(self) -> list[Row]:
        """Return the calls, those that are offered first."""
        return [
            ("GET", "/user/whoami", self.whoami),
            ("GET", "/user/teams", self.teams),
            ("GET", "/secrets", self.secrets),
            ("GET", "/secrets/", self.secrets),
            *(row for path, what in _NOT_OFFERED for row in _refused(path, what)),
        ]

    async def whoami(self, request: Request) -> Response:
        """GET /user/whoami."""
        return wire.AsciiJSONResponse(
            {
                "data": {
                    "id": USER_ID,
                    "name": "Local user",
                    "slug": "local",
                    "email": None,
                    "scope": {"sandbox": {"read": True, "write": True}},
                    "account_limits": None,
                    "key_limits": None,
                }
            }
        )

    async def teams(self, request: Request) -> Response:
        """GET /user/teams: a team is only a name that sandboxes carry here."""
        return wire.AsciiJSONResponse({"data": [], "total_count": 0})

    async def secrets(self, request: Request) -> Response:
        """GET /secrets: always empty, since each sandbox gets its secrets when it is created."""
        return wire.AsciiJSONResponse({"data": []})


def _refused(path: str, what: str) -> list[Row]:
    handler = refuse(what)
    return [("*", path, handler), ("*", path + "/{rest:path}", handler)]
