"""``sandtui create``: create sandboxes, from flags, from a preset, or from both."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shlex
import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import JSON_LINES, ObjectKind, ObjectPrinter, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.usage import EXIT_CODES, FAILURE, INTERRUPTED, UsageError, complain, note
from sandtui.clock import SystemClock
from sandtui.config.paths import Paths
from sandtui.directories import describe
from sandtui.manual import nearest
from sandtui.saving import with_home

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.creation.launch import Launch
    from sandtui.fleet.creation.launch_plan import LaunchPlan
    from sandtui.fleet.inventory.connection import Connection

_DESCRIPTION = """\
Create sandboxes, from options, from a preset, or from a preset changed by options. {i} or {i:03} in the name, the
command, variables and labels is the number of the sandbox. Prints each as it is created; with --wait, when it is ready.

  sandtui create --image python:3.12 --name 'try-{i}' --count 40 --env-file .env --label run=42 --cpu 2 --memory 4
  sandtui create rollouts --count 8 --timeout 2h --wait
  sandtui create -f gpu.toml --dry-run

Several sandboxes get a label launch=... in common. Values on the command line can be seen by other users of this
machine: --env NAME and --secret NAME take them from the environment, --env-file and --secret-file from a file.
"""

FLAGS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "docker_image": (("--image",), "IMAGE", "image, such as python:3.12 (default: python:3.11-slim)"),
    "name": (("--name",), "NAME", "name; number several with {i} (default: sandbox)"),
    "count": (("--count", "-n"), "N", "how many to create (default: 1)"),
    "start": (("--start",), "N", "the first number for {i} (default: 1)"),
    "matrix": (("--matrix",), "LIST", "create every combination: 'memory_gb=2,4 SEED=1,2'"),
    "start_command": (("--command",), "TEXT", "what it runs (default: it stays idle)"),
    "cpu_cores": (("--cpu", "--cpus"), "CORES", "CPU cores (default: 1)"),
    "memory_gb": (("--memory", "-m"), "GB", "memory, as 4, 4g or 512m (default: 2)"),
    "disk_size_gb": (("--disk",), "GB", "disk (default: 5)"),
    "gpu_count": (("--gpus",), "N", "GPUs; needs --gpu-type and --kind vm"),
    "gpu_type": (("--gpu-type",), "TYPE", "such as H100_80GB"),
    "kind": (("--kind",), "KIND", "container or vm (default: container)"),
    "timeout_minutes": (("--timeout",), "TIME", "its lifetime, as 90m or 2h (default: 1h)"),
    "idle_timeout_minutes": (("--idle-timeout",), "TIME", "end it after this time without use (default: never)"),
    "network": (("--network",), "RULE", "open, blocked, 'allow HOST ...' or 'deny HOST ...' (default: open)"),
    "arch": (("--arch",), "ARCH", "amd64 or arm64"),
    "region": (("--region",), "REGION", "where it runs (default: anywhere)"),
    "team_id": (("--team",), "ID", "the team that it belongs to (default: that of the context)"),
}
"""The option for each field of the create form that has one value."""

LISTED: dict[str, tuple[str, str]] = {
    "labels": ("--label", "label"),
    "environment_vars": ("--env", "variable"),
    "secrets": ("--secret", "secret"),
}
"""The option for each field that has several values; they are added to those of a preset."""

MAX_CHECKPOINT_ID = 64
"""Characters of the id of a checkpoint."""

OTHERS = {"checkpoint_id": "--checkpoint", "volumes": "--volume"}
"""The option for each field that has one with a syntax of its own."""

_SIZES = {"memory_gb", "disk_size_gb"}
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:([mgt])(?:i?b)?)?", re.IGNORECASE)
_UNITS = {"m": 1 / 1024, "g": 1.0, "t": 1024.0}


def requests() -> ObjectKind[Any]:
    """Return what is printed of each sandbox."""
    from sandtui.cli.creations import CREATIONS

    return CREATIONS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "create",
        help="create sandboxes",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui create [options] [PRESET]",
    )
    parser.add_argument("preset", nargs="?", metavar="PRESET", help="name of a preset, or path of its TOML file")
    parser.add_argument("-f", "--file", metavar="FILE", help="a preset's TOML file; - is standard input")
    parser.add_argument("--wait", action="store_true", help="wait until every sandbox is ready")
    parser.add_argument("--dry-run", action="store_true", help="print what would be created, without creating it")
    parser.add_argument(
        "--checkpoint", metavar="ID", help="take files, image and disk from a checkpoint (`sandtui checkpoint ls`)"
    )
    add_fields(parser)
    add_output(parser, requests, sort=False, plain=JSON_LINES)
    parser.set_defaults(
        run=run,
        connects=True,
        completes=_built_in,
        changes=lambda chosen: "" if chosen.dry_run else "it creates sandboxes",
    )


def add_fields(
    parser: argparse.ArgumentParser, left_out: Collection[str] = (), of_source: Collection[str] = ()
) -> None:
    """Add the option of each field of the form, except some. The defaults of others are those of a source."""
    group = parser.add_argument_group("the sandboxes")
    for field, (options, metavar, words) in FLAGS.items():
        if field in left_out:
            parser.set_defaults(**{f"field_{field}": None})
        else:
            text = re.sub(r" \(default: [^)]*\)", "", words) + " (default: that of the source)"
            text = text if field in of_source else words
            group.add_argument(*options, dest=f"field_{field}", metavar=metavar, help=text)
    add = {"action": "append", "default": []}
    group.add_argument("--label", "-l", **add, metavar="LABEL", help="a label, such as run=42 (may be repeated)")  # type: ignore[arg-type]
    group.add_argument("--env", "-e", **add, metavar="NAME[=VALUE]", help="a variable (may be repeated)")  # type: ignore[arg-type]
    group.add_argument("--env-file", **add, metavar="FILE", help="variables from a .env file; - is standard input")  # type: ignore[arg-type]
    group.add_argument("--secret", **add, metavar="NAME[=VALUE]", help="a secret (may be repeated)")  # type: ignore[arg-type]
    group.add_argument("--secret-file", **add, metavar="FILE", help="secrets from a .env file; - is standard input")  # type: ignore[arg-type]
    group.add_argument(
        "--volume",
        **add,  # type: ignore[arg-type]
        metavar="NAME:/PATH[:ro]",
        help="attach a volume, read-only with :ro (may be repeated; `sandtui volume`)",
    )
    group.add_argument(
        "--join",
        metavar="NETWORK[:TAG,...]",
        help="add them to a LAN network once they run, with these tags; implies --wait (`sandtui network`)",
    )
    group.add_argument(
        "--set",
        **add,  # type: ignore[arg-type]
        metavar="FIELD=VALUE",
        help="set a field by the name that it has in presets (may be repeated)",
    )


def _built_in() -> list[str]:
    from sandtui.config.presets import BUILT_IN

    return [preset.name for preset in BUILT_IN]


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    plan = _plan(arguments)
    if arguments.dry_run:
        return print_plan(plan, arguments)
    require_journal()
    return _create(plan, arguments)


def print_plan(plan: LaunchPlan, arguments: argparse.Namespace) -> int:
    """Print what would be created."""
    printer = ObjectPrinter(requests(), arguments)
    printer.add([_planned(request) for request in plan.requests])
    printer.end()
    many = len(plan.requests)
    disk = "" if plan.requests[0].checkpoint_id else f", {plan.disk_gb:g} GB of disk"
    note(
        f"{many:,} sandbox{'es' * (many != 1)}: {plan.cores:g} cores, {plan.memory_gb:g} GB of memory{disk}; "
        "nothing was created"
    )
    return 0


def require_journal() -> None:
    """Check that launches can be recorded.

    Raises:
        UsageError: they cannot.
    """
    from sandtui.config.state_check import check_journal

    try:
        check_journal(Paths.of_user())
    except OSError as error:
        raise UsageError(str(error)) from None


def _plan(arguments: argparse.Namespace) -> LaunchPlan:
    """Return the plan of the preset and the options.

    Raises:
        UsageError: a value is not valid; it names its option.
    """
    from sandtui.config.presets import PresetError
    from sandtui.fleet.checkpoints.forks import from_checkpoint
    from sandtui.fleet.creation.form import DEFAULTS

    if arguments.checkpoint is not None:
        if not 1 <= len(arguments.checkpoint) <= MAX_CHECKPOINT_ID:
            raise UsageError(f"--checkpoint: an id has 1 to {MAX_CHECKPOINT_ID} characters")
        for field in ("docker_image", "disk_size_gb"):
            if getattr(arguments, f"field_{field}") is not None:
                raise UsageError(f"{option_of(field)} and --checkpoint cannot be combined: the checkpoint decides it")
    try:
        fields = {**DEFAULTS, **_preset(arguments)}
    except PresetError as error:
        image = arguments.preset is not None and "/" not in arguments.preset and ":" in arguments.preset
        raise UsageError(f"{error}{f'; for an image use --image {arguments.preset}' if image else ''}") from None
    plan = plan_of(arguments, fields)
    return plan if arguments.checkpoint is None else from_checkpoint(plan, arguments.checkpoint)


def plan_of(arguments: argparse.Namespace, fields: dict[str, str]) -> LaunchPlan:
    """Return the plan of some fields, changed by the options.

    Raises:
        UsageError: a value is not valid; it names its option.
    """
    from sandtui.cli.network import read_join
    from sandtui.cli.volume import mounts as volume_mounts
    from sandtui.fleet.creation.launch_plan import new_launch_id, plan_launch
    from sandtui.fleet.creation.values import volume_text

    fields |= _single_values(arguments)
    for name, words in _listed_values(arguments).items():
        fields[name] = " ".join(part for part in (fields[name], *words) if part)
    fields |= _set_values(arguments.set)
    if arguments.join is not None:
        read_join(arguments.join)
    if arguments.volume:
        attached = [volume_text(each) for each in volume_mounts(arguments.volume)]
        fields["volumes"] = " ".join([*fields.get("volumes", "").split(), *attached])
    plan = plan_launch(fields, new_launch_id())
    if plan.problems:
        raise UsageError("; ".join(f"{option_of(name)}: {problem}" for name, problem in plan.problems.items()))
    return plan


def option_of(field: str) -> str:
    """Return the option that gives a field of the form its value."""
    if field in FLAGS:
        return FLAGS[field][0][0]
    if field in OTHERS:
        return OTHERS[field]
    return LISTED[field][0] if field in LISTED else field


def _preset(arguments: argparse.Namespace) -> dict[str, str]:
    from sandtui.config.presets import PresetError, PresetStore, read_preset

    if [*arguments.env_file, *arguments.secret_file, arguments.file].count("-") > 1:
        raise UsageError("only one file can be -")
    if arguments.preset is not None and arguments.file is not None:
        raise UsageError("a preset and --file cannot be combined")
    name: str | None = arguments.preset or arguments.file
    if name is None:
        return {}
    if arguments.file == "-":
        return dict(read_preset(_read("-"), "standard input").fields)
    path = with_home(Path(name))
    if arguments.file is not None or path.suffix == ".toml" or "/" in name:
        if arguments.file is not None:
            try:
                return dict(read_preset(_read(name), path.stem).fields)
            except PresetError as error:
                raise PresetError(f"{name}: {error}") from None
        return dict(PresetStore(path.parent).load(path.stem).fields)
    return dict(PresetStore(Paths.of_user().presets).load(name).fields)


def _single_values(arguments: argparse.Namespace) -> dict[str, str]:
    found = {}
    for field in FLAGS:
        value: str | None = getattr(arguments, f"field_{field}")
        if value is not None:
            found[field] = _gigabytes(value) if field in _SIZES else value
    return found


def _gigabytes(text: str) -> str:
    """Return a size in GB; what has no unit is one already, and what is no size is refused by the form."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] is None:
        return text
    return f"{float(match[1].replace(',', '.')) * _UNITS[match[2].lower()]:g}"


def _listed_values(arguments: argparse.Namespace) -> dict[str, list[str]]:
    for label in arguments.label:
        if not label or any(letter.isspace() for letter in label):
            raise UsageError(f"--label {label!r}: a label can't be empty or contain spaces")
    return {
        "labels": list(arguments.label),
        "environment_vars": [
            *_quoted(word for path in arguments.env_file for word in _env_file(path, "--env-file")),
            *_quoted(_variable(word) for word in arguments.env),
        ],
        "secrets": [
            *_quoted(word for path in arguments.secret_file for word in _env_file(path, "--secret-file")),
            *_quoted(word if "=" in word else f"{word}=@env:{word}" for word in arguments.secret),
        ],
    }


def _quoted(words: Iterable[str]) -> list[str]:
    return [shlex.quote(word) for word in words]


def _variable(word: str) -> str:
    if "=" in word:
        return word
    if word not in os.environ:
        raise UsageError(f"--env {word}: the environment variable {word} is not set; write --env {word}=VALUE")
    return f"{word}={os.environ[word]}"


def _env_file(path: str, option: str) -> list[str]:
    from sandtui.fleet.creation.values import dotenv

    words = dotenv(_read(path))
    for number, word in enumerate(words, 1):
        if "=" not in word:
            # The text may be a secret.
            raise UsageError(f"{option} {path}: entry {number} is not NAME=VALUE")
    return words


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else with_home(Path(path)).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
    except (OSError, AttributeError) as error:
        why = describe(error, Path(path)) if isinstance(error, OSError) else "standard input is closed"
        raise UsageError(f"cannot read {path}: {why}") from None


def _set_values(changes: list[str]) -> dict[str, str]:
    from sandtui.fleet.creation.form import BY_ID

    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in BY_ID:
            close = nearest(name, tuple(BY_ID))
            advice = f'; did you mean "{close}"?' if close else ""
            expected = f"expected FIELD=VALUE, with one of these fields: {', '.join(BY_ID)}"
            raise UsageError(f"--set {change}: {expected}{advice}")
        found[name] = value
    return found


def _planned(request: Any) -> Any:
    from sandtui.cli.creations import CreationLine

    return CreationLine(request, None, "planned")


def _create(plan: LaunchPlan, arguments: argparse.Namespace) -> int:
    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        return await launch_plan(await joining(plan, client, arguments), client, connection, arguments)

    return run_connected(arguments, work)


async def joining(plan: LaunchPlan, client: AsyncSandboxClient, arguments: argparse.Namespace) -> LaunchPlan:
    """Return a plan whose sandboxes join the network of ``--join``, which takes waiting until they run.

    Raises:
        UsageError: there is no such network.
    """
    from sandtui.cli.network import find_network, read_join

    if arguments.join is None:
        return plan
    arguments.wait = True
    name, tags = read_join(arguments.join)
    network = await find_network(client, name, plan.requests[0].team_id)
    update = {"lan_network_id": network.id, "lan_tags": tags}
    return replace(plan, requests=tuple(each.model_copy(update=update) for each in plan.requests))


async def launch_plan(
    plan: LaunchPlan, client: AsyncSandboxClient, connection: Connection, arguments: argparse.Namespace
) -> int:
    """Create the sandboxes of a plan, each recorded before it is sent; return the exit code."""
    from sandtui.config.journal import LaunchJournal
    from sandtui.fleet.creation.launch import Launch

    journal = LaunchJournal(Paths.of_user().journal)
    try:
        launch = Launch(plan, client, SystemClock(), journal, connection.label)
        return await _follow(launch, arguments)
    except OSError as error:
        complain(describe(error))
        return FAILURE
    finally:
        journal.close()


async def _follow(launch: Launch, arguments: argparse.Namespace) -> int:
    from sandtui.cli.creations import CreationLine
    from sandtui.fleet.creation.launch import Step

    wait: bool = arguments.wait
    printer = ObjectPrinter(requests(), arguments)
    total = len(launch.items)
    progress = ProgressLine("creating", total)
    reported: dict[int, Step] = {}
    # A table tells the end of each only; lines of JSON also tell that it exists.
    steps = {Step.STARTING, Step.READY, Step.FAILED} if printer.is_jsonl or not wait else {Step.READY, Step.FAILED}

    def report() -> None:
        fresh = []
        for item in launch.items:
            news = item.step in steps and reported.get(item.index) is not item.step
            if news and (wait or item.step is not Step.READY):
                reported[item.index] = item.step
                fresh.append(CreationLine(item.request, item.sandbox_id, item.step.value, item.problem))
        if fresh:
            progress.clear()
            printer.add(fresh)
        last = {Step.READY, Step.FAILED} if wait else {Step.STARTING, Step.FAILED}
        progress.update(sum(item.step in last for item in launch.items))

    launch.on_change.subscribe(report)
    interrupted = False
    try:
        await (launch.run() if wait else launch.create())
    except asyncio.CancelledError:
        interrupted = True
    finally:
        progress.clear()
        printer.end()
    if interrupted:
        complain(_undone(launch))
        return INTERRUPTED
    failed = launch.counts[Step.FAILED]
    if failed and total > 1:
        complain(f"{failed:,} of {total:,} failed")
    return FAILURE if failed else 0


def _undone(launch: Launch) -> str:
    """Return what an interrupted launch has not done, and how to go on."""
    from sandtui.fleet.creation.launch import Step

    counts = launch.counts
    created = len(launch.ids)
    parts = [f"{created:,} created"]
    parts += [f"{counts[Step.CREATING]:,} sent, result unknown"] if counts[Step.CREATING] else []
    parts += [f"{counts[Step.QUEUED]:,} not sent"] if counts[Step.QUEUED] else []
    label = next((label for item in launch.items for label in item.request.labels if label.startswith("launch=")), "")
    advice = (
        f"; delete them with `sandtui rm '#{label}'`, or resume in the dashboard"
        if label and (created or counts[Step.CREATING])
        else ""
    )
    return f"interrupted: {', '.join(parts)}{advice}"
