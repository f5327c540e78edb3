"""Helpers for programs that build on the client, as the rest of sandtui does.

Limits and checks that apply before anything is sent, the location of the configuration, and building blocks for
connections. Public like ``sandtui.client``: names and their meaning stay the same within a minor version. Each name is
imported on first use, so that one does not load the modules of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.client.config import DEFAULT_BASE_URL, normalise_base_url, prime_folder
    from sandtui.client.flows.commands import DEFAULT_TIMEOUT, MAX_TIMEOUT, check_command
    from sandtui.client.flows.files import UPLOAD_LIMIT
    from sandtui.client.flows.jobs import exit_code_of
    from sandtui.client.flows.ports import check_port
    from sandtui.client.routes import environment_transport, is_readable_on_the_way
    from sandtui.client.ssh import SSHChannel, command_line, is_host_checked
    from sandtui.client.transfers import Progress, check_source

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_TIMEOUT",
    "MAX_TIMEOUT",
    "UPLOAD_LIMIT",
    "Progress",
    "SSHChannel",
    "check_command",
    "check_port",
    "check_source",
    "command_line",
    "environment_transport",
    "exit_code_of",
    "is_host_checked",
    "is_readable_on_the_way",
    "normalise_base_url",
    "prime_folder",
]

_MODULES = {
    "config": "DEFAULT_BASE_URL normalise_base_url prime_folder",
    "flows.commands": "DEFAULT_TIMEOUT MAX_TIMEOUT check_command",
    "flows.files": "UPLOAD_LIMIT",
    "flows.jobs": "exit_code_of",
    "flows.ports": "check_port",
    "routes": "environment_transport is_readable_on_the_way",
    "ssh": "SSHChannel command_line is_host_checked",
    "transfers": "Progress check_source",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"sandtui.client.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
