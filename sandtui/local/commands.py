"""The subcommands ``serve`` and ``local``; heavy parts are imported only when a command runs."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandtui.directories import describe
from sandtui.local.settings import (
    DRIVERS,
    ELSEWHERE,
    USER_ID,
    LocalError,
    NothingIsolatesError,
    PlatformSettings,
    RetentionLimits,
    engine_settings,
)

if TYPE_CHECKING:
    from sandtui.local.service import Endpoint

_KEEP = tuple(field.name for field in fields(RetentionLimits))

Command = Callable[[argparse.Namespace], int]


def add_parsers(subparsers: Any) -> None:
    """Add ``serve`` and ``local`` to the program's subcommands."""
    serve = subparsers.add_parser("serve", help="run a local platform in the foreground")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    serve.add_argument("--driver", choices=DRIVERS, default="auto", help="how sandboxes run (see `sandtui help local`)")
    serve.add_argument("--fleet", type=_count, default=0, metavar="N", help="simulated driver: start with N sandboxes")
    serve.add_argument(
        "--seed", type=int, default=1, metavar="S", help="simulated driver: seed of the random data (default: 1)"
    )
    serve.add_argument(
        "--image", action="append", default=[], metavar="PATTERN", dest="images",
        help="images that exist; pulling any other fails (may be repeated; default: all)",
    )  # fmt: skip
    serve.add_argument(
        "--inject", type=_faults, metavar="KIND=P,...", dest="faults",
        help="inject faults: rate, error, slow, stall, reset, token, conflict, shift or all, each with a probability, "
        "and seed=N (for example --inject error=0.1,slow=0.2,seed=7)",
    )  # fmt: skip
    serve.add_argument("--trouble", dest="faults", type=_faults, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    serve.add_argument(
        "--idle-exit", type=float, default=None, metavar="SECONDS", help="stop after so many idle seconds"
    )
    # Set by `sandtui demo`: stop when standard input is closed, and remove the temporary directory that holds the
    # state directory.
    serve.add_argument("--owned", action="store_true", help=argparse.SUPPRESS)
    # Set by programs that start a platform in the background, to learn why it did not start.
    serve.add_argument("--on-demand", action="store_true", help=argparse.SUPPRESS)
    serve.add_argument(
        "--share-network", action="store_true",
        help="give sandboxes this machine's own network, including its loopback services",
    )  # fmt: skip
    serve.add_argument(
        "--allow-private", action="append", default=[], type=_network, metavar="CIDR",
        help="let sandboxes reach private addresses or this machine, as in 192.168.1.0/24 "
        "(may be repeated)",
    )  # fmt: skip
    serve.add_argument(
        "--allow-nested", action="store_true",
        help="let programs in a sandbox create namespaces, which exposes much more of this kernel",
    )  # fmt: skip
    _add_engine(serve)
    # Set by programs that start a platform for a profile.
    serve.add_argument("--engine-origin", default="--engine", help=argparse.SUPPRESS)
    serve.add_argument("--engine-certificates", type=Path, help=argparse.SUPPRESS)
    _add_keep(serve)
    _add_directories(serve)
    serve.set_defaults(run=_reporting(_serve))

    local = subparsers.add_parser("local", help="manage the local platform")
    actions = local.add_subparsers(dest="action", metavar="ACTION", required=True)
    env = actions.add_parser("env", help="print exports that point any SDK to it; start it if needed")
    env.add_argument(
        "--driver", choices=DRIVERS, default="auto",
        help="how sandboxes run; process, which isolates nothing, must be named",
    )  # fmt: skip
    _add_keep(env)
    env.set_defaults(run=_reporting(_env))
    status = actions.add_parser("status", help="show whether it is running")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="table: lines to read; json: one object"
    )
    status.set_defaults(run=_reporting(_status))
    stop = actions.add_parser("stop", help="stop the platform and its sandboxes")
    stop.set_defaults(run=_reporting(_stop))
    for parser in (env, status, stop):
        _add_engine(parser)
        _add_directories(parser)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", type=_engine, metavar="NAME",
        help="container engine: a context of docker, or unix://PATH, tcp://HOST:PORT or ssh://USER@HOST; each has a "
        "platform of its own (default: the one that docker uses)",
    )  # fmt: skip
    parser.add_argument(
        "--engine-runtime", type=_runtime, metavar="NAME",
        help="runtime of the containers, such as runsc or kata (default: the engine's)",
    )  # fmt: skip


def _engine(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a context of docker or an address")
    return text.strip()


def _runtime(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", text):
        raise argparse.ArgumentTypeError("expected the name of a runtime")
    return text


def _add_directories(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="directory for its data (default: in XDG_DATA_HOME)"
    )


def _add_keep(parser: argparse.ArgumentParser) -> None:
    keep = RetentionLimits()
    group = parser.add_argument_group("retention of ended sandboxes (the oldest go first)")
    group.add_argument(
        "--log-days", type=_days, default=keep.log_days, metavar="DAYS", help="maximum age of logs (default: 7)"
    )
    group.add_argument(
        "--log-size", type=_size, default=keep.log_bytes, metavar="SIZE", dest="log_bytes",
        help="maximum size of all logs, as in 64M or 2G (default: 256M)",
    )  # fmt: skip
    group.add_argument(
        "--record-days",
        type=_days,
        default=keep.record_days,
        metavar="DAYS",
        help="maximum age of records (default: 30)",
    )
    group.add_argument(
        "--records", type=_count, default=keep.records, metavar="N", help="maximum number of records (default: 10000)"
    )


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 36_500:
        raise argparse.ArgumentTypeError("expected a number of days")
    return days


def _size(text: str) -> int:
    units = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
    number = text.rstrip("KMGkmg")
    unit = text[len(number) :].upper()
    if not (number.isascii() and number.isdecimal() and unit in units):
        raise argparse.ArgumentTypeError("expected a size in bytes, or with K, M or G")
    return int(number) * units[unit]


def _network(text: str) -> str:
    from sandtui.local.network.reach import read_network

    try:
        return str(read_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    number = _count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError("expected a port from 0 to 65535")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("expected a whole number")
    return int(text)


def _faults(text: str) -> str:
    from sandtui.local.control.faults import FaultSettings

    try:
        FaultSettings.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _reporting(command: Command) -> Command:
    """Report errors that a user can fix as a message instead of a traceback."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except LocalError as error:
            print(f"sandtui: {error}", file=sys.stderr)
            asked = isinstance(error, NothingIsolatesError) and getattr(arguments, "on_demand", False)
            return NothingIsolatesError.EXIT_CODE if asked else 1
        except BrokenPipeError:
            raise
        except OSError as error:
            print(f"sandtui: {describe(error)}. {ELSEWHERE}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130

    return run


def _settings(arguments: argparse.Namespace) -> PlatformSettings:
    driver = getattr(arguments, "driver", "auto")
    settings = PlatformSettings(driver=driver)
    if arguments.engine or arguments.engine_runtime:
        if driver not in ("auto", "engine"):
            option = "--engine" if arguments.engine else "--engine-runtime"
            raise LocalError(f"{option} needs --driver engine, not {driver}.")
        settings = engine_settings(
            arguments.engine or "",
            arguments.engine_runtime or "",
            origin=getattr(arguments, "engine_origin", "--engine"),
            certificates=getattr(arguments, "engine_certificates", None),
        )
    if arguments.state_dir is not None:
        settings = replace(settings, state_dir=_expanded(arguments.state_dir))
    if "records" in arguments:
        settings = replace(settings, retention=RetentionLimits(**{name: getattr(arguments, name) for name in _KEEP}))
    return settings


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise LocalError(f"{path}: {error}") from None


def _serve(arguments: argparse.Namespace) -> int:
    from sandtui.local import server
    from sandtui.local.owned_platform import OwnerWatch

    settings = replace(
        _settings(arguments),
        host=arguments.host,
        port=arguments.port,
        fleet=arguments.fleet,
        seed=arguments.seed,
        faults=arguments.faults or "",
        images=tuple(arguments.images) or ("*",),
        share_network=arguments.share_network,
        allow_private=tuple(arguments.allow_private),
        allow_nested=arguments.allow_nested,
        idle_exit=arguments.idle_exit,
    )
    if settings.fleet and settings.driver != "simulated":
        raise LocalError("--fleet needs --driver simulated.")
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        print(
            f"sandtui: warning: listening on {settings.host}: anyone who can reach this address and has the API key "
            "can run commands on this machine.",
            file=sys.stderr,
        )
    server.run(settings, OwnerWatch(sys.stdin.fileno(), settings.state_dir.parent) if arguments.owned else None)
    return 0


def _env(arguments: argparse.Namespace) -> int:
    from sandtui.local import service

    endpoint = service.ensure(_settings(arguments))
    _warn(endpoint)
    # `prime sandbox delete --all` needs the id of the user.
    values = {
        "PRIME_API_BASE_URL": endpoint.base_url,
        "PRIME_API_KEY": endpoint.api_key,
        "PRIME_USER_ID": USER_ID,
    }
    print("export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items()))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from sandtui.local import service

    settings = _settings(arguments)
    endpoint = service.find(settings)
    others = [] if arguments.state_dir or settings.engine or settings.engine_runtime else service.find_engines()
    if arguments.json or arguments.output == "json":
        engines = [{"engine": one.engine, **_public(one)} for one in others]
        print(json.dumps(_public(endpoint) | ({"engines": engines} if engines else {})))
        return 0
    if endpoint is None:
        print("The local platform is not running.")
    else:
        print(
            f"The local platform is running at {endpoint.base_url} (process {endpoint.pid}, {endpoint.driver} driver)."
        )
        if endpoint.isolation:
            print(f"Isolation: {endpoint.isolation}")
        _warn(endpoint)
    for one in others:
        print(f"The one over the engine {one.engine} is running at {one.base_url} (process {one.pid}).")
        _warn(one)
    return 0


def _warn(endpoint: Endpoint) -> None:
    """Warn on standard error about missing isolation."""
    if endpoint.warning:
        print(f"sandtui: warning: {endpoint.warning}", file=sys.stderr)


def _public(endpoint: Endpoint | None) -> dict[str, Any]:
    if endpoint is None:
        return {"running": False}
    return {
        "running": True,
        "base_url": endpoint.base_url,
        "pid": endpoint.pid,
        "driver": endpoint.driver,
        "warning": endpoint.warning,
        "isolation": endpoint.isolation,
    }


def _stop(arguments: argparse.Namespace) -> int:
    from sandtui.local import service

    endpoint = service.stop(_settings(arguments))
    if endpoint is None:
        print("The local platform was not running.")
    else:
        print(f"The local platform (process {endpoint.pid}) and its sandboxes were stopped.")
    return 0
