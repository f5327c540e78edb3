"""Every field of a sandbox, once.

The create form and its checks, presets, ``sandtui create --set``, the columns of the fleet, their sort keys, the filter
language, groups, the details and the exports all read this table. To add a field, add it to the models
(``client/models/sandbox.py``) and describe it here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from time import time
from typing import TYPE_CHECKING, Any, Literal

from sandtui.client.models import CreateSandboxRequest, Sandbox, bounds
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.creation import values
from sandtui.fleet.inventory.cost import money
from sandtui.fleet.inventory.usage import GIGABYTE
from sandtui.leases import PREFIX as LEASE_LABEL

if TYPE_CHECKING:
    from sandtui.fleet.inventory.row import Row

SECTIONS = ("Basics", "Fleet", "Resources", "Lifetime", "Placement", "Environment")
"""The sections of the create form, in order. "Fleet" holds what is about the launch rather than one sandbox."""

FOLDED_FIRST = frozenset({"Placement"})
"""The sections that are rarely used: folded until the user opens them."""

LAUNCH_LABEL = "launch="
"""Begins the label that says which launch created a sandbox. It is added to a request, and never copied from one."""

MAX_NAME_OF_CLONE = bounds.MAX_NAME_LENGTH - len("-copy")

Requested = Sandbox | CreateSandboxRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class FormEntry:
    """How a field is asked for.

    ``read`` turns the text of the form into the value of the request, and raises ``FieldProblem`` with the words to
    show beside the field. ``write`` is its inverse. ``id`` names the entry in presets, on the command line and in
    error messages; None stands for the field's own name. An entry with ``spreads`` reads into a mapping of several
    fields of the request. ``choices`` are offered while typing, and with ``learned`` the values of the fleet too.
    """

    section: str
    read: Callable[[str], object]
    write: Callable[[Requested], str]
    label: str = ""
    id: str | None = None
    default: str = ""
    hint: str = ""
    choices: tuple[str, ...] = ()
    learned: bool = False
    spreads: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEntry:
    """How a field is shown in the table, and how rows are sorted by it.

    ``position`` orders the columns; ``shown`` ones are there until the user chooses others, and ``spare`` ones join
    them where there is room for all others in full. When the window is narrow, columns with a larger ``keep`` go first.

    A column has ``width`` cells, or as many as its content if that is ``measured``. Where room is short, ``cut`` tells
    which part of a longer text goes (down to ``width`` cells), and ``narrow`` is the width of the column's short form;
    a measured column with neither is shown in full or not at all.

    ``text`` is the cell's text; None means that the table draws the cell in its own way. ``timed`` cells change with
    the time alone. ``descending`` is how the order starts, and ``mirrored`` says that what is shown falls as ``sort``
    rises, as an age does when the time of creation rises.
    """

    id: str
    heading: str
    width: int
    position: int
    keep: int
    sort: Callable[[Row], Any]
    sort_title: str = ""
    shown: bool = False
    text: Callable[[Row], str | None] | None = None
    right: bool = False
    measured: bool = False
    cut: Literal["", "middle", "end"] = ""
    narrow: int = 0
    spare: bool = False
    timed: bool = False
    descending: bool = False
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class FilterEntry:
    """What the filter language compares: ``key:text`` and ``key~pattern``, or ``key>number``.

    ``completions`` is what ``key:`` is completed with, where that differs from the value.
    """

    key: str
    value: Callable[[Row], Any]
    kind: Literal["text", "number"] = "text"
    completions: Callable[[Row], str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a sandbox. ``name`` is that of the models and of the exports.

    ``shared`` says that many sandboxes have the same value, so that the filter judges it once for all of them.
    ``group`` is the title of the grouping by this field. ``detail`` adds a line to the details. ``export`` is the value
    in CSV and JSON; ``exported`` without it takes the value from the sandbox.
    """

    name: str
    title: str
    form: FormEntry | None = None
    column: ColumnEntry | None = None
    filter: FilterEntry | None = None
    group: str = ""
    shared: bool = False
    detail: bool = False
    exported: bool = True
    export: Callable[[Row], object] | None = None


def _of(name: str) -> Callable[[Row], Any]:
    return attrgetter(f"sandbox.{name}")


def _text(name: str) -> Callable[[Row], str]:
    value = _of(name)
    return lambda row: value(row) or ""


def _lower(name: str) -> Callable[[Row], str]:
    value = _of(name)
    return lambda row: (value(row) or "").lower()


def _written(name: str) -> Callable[[Requested], str]:
    return lambda sandbox: str(getattr(sandbox, name) or "")


def _number(name: str) -> Callable[[Requested], str]:
    return lambda sandbox: f"{getattr(sandbox, name):g}"


def _duration(name: str) -> Callable[[Requested], str]:
    def write(sandbox: Requested) -> str:
        minutes = getattr(sandbox, name)
        # No limit is written as a negative number, and has no text.
        return f"{minutes}m" if minutes and minutes > 0 else ""

    return write


def _start_command(sandbox: Requested) -> str:
    command = sandbox.start_command
    if isinstance(command, dict):
        return shlex.join([str(command.get("executable", "")), *map(str, command.get("args") or [])])
    if isinstance(command, str):
        return "" if command == DEFAULT_START_COMMAND else command
    return shlex.join([command.executable, *command.args]) if command else ""


def _network(sandbox: Requested) -> str:
    if sandbox.network_allowlist is not None:
        return f"allow {' '.join(sandbox.network_allowlist)}" if sandbox.network_allowlist else "blocked"
    if sandbox.network_denylist:
        return f"deny {' '.join(sandbox.network_denylist)}"
    return "open" if sandbox.network_access else "blocked"


def _environment(sandbox: Requested) -> str:
    return " ".join(f"{key}={shlex.quote(value or '')}" for key, value in (sandbox.environment_vars or {}).items())


def _labels(sandbox: Requested) -> str:
    return " ".join(label for label in sandbox.labels if not label.startswith((LAUNCH_LABEL, LEASE_LABEL)))


def _volumes(sandbox: Requested) -> str:
    return " ".join(values.volume_text(each) for each in sandbox.volumes or ())


def _gpu(row: Row) -> str | None:
    sandbox = row.sandbox
    return f"{sandbox.gpu_count}x{sandbox.gpu_type}" if sandbox.gpu_count else None


def _or_less(value: float | None) -> float:
    """Put rows without a value below all that have one."""
    return -1.0 if value is None else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


FIELDS: tuple[Field, ...] = (
    Field(
        name="id",
        title="ID",
        column=ColumnEntry(
            id="id",
            heading="ID",
            width=14,
            position=2,
            keep=6,
            measured=True,
            shown=True,
            spare=True,
            sort=attrgetter("id"),
        ),
        filter=FilterEntry("id", attrgetter("id")),
    ),
    Field(
        name="name",
        title="Name",
        form=FormEntry(
            section="Basics",
            default="sandbox",
            hint="use {i:03} to number several",
            read=values.name,
            write=lambda sandbox: f"{sandbox.name[:MAX_NAME_OF_CLONE]}-copy",
        ),
        column=ColumnEntry(
            id="name",
            heading="NAME",
            width=16,
            position=1,
            keep=1,
            measured=True,
            cut="middle",
            shown=True,
            sort=attrgetter("name_key"),
        ),
        filter=FilterEntry("name", attrgetter("name")),
    ),
    Field(
        name="status",
        title="Status",
        column=ColumnEntry(
            id="status",
            heading="STATUS",
            width=12,
            position=0,
            keep=0,
            measured=True,
            narrow=1,
            shown=True,
            sort=attrgetter("status_key"),
        ),
        group="status",
        export=attrgetter("status"),
    ),
    Field(
        name="docker_image",
        title="Image",
        form=FormEntry(
            section="Basics",
            default="python:3.11-slim",
            hint="name:tag",
            read=values.image,
            write=_written("docker_image"),
            learned=True,
        ),
        column=ColumnEntry(
            id="image",
            heading="IMAGE",
            width=16,
            position=3,
            keep=5,
            measured=True,
            cut="middle",
            shown=True,
            sort=lambda row: row.sandbox.docker_image.lower(),
        ),
        filter=FilterEntry("image", _of("docker_image")),
        group="image",
        shared=True,
    ),
    Field(
        name="checkpoint_id",
        title="Checkpoint",
        form=FormEntry(
            section="Basics",
            hint="in place of image and disk",
            read=values.checkpoint,
            write=_written("checkpoint_id"),
        ),
        exported=False,
    ),
    Field(
        name="start_command",
        title="Command",
        form=FormEntry(
            section="Basics",
            hint="optional; default: stay idle",
            read=values.command_text,
            write=_start_command,
        ),
        exported=False,
    ),
    Field(
        name="size",
        title="Size",
        column=ColumnEntry(
            id="size",
            heading="SIZE",
            width=7,
            position=4,
            keep=4,
            measured=True,
            shown=True,
            sort=lambda row: row.sandbox.cpu_cores * 1e6 + row.sandbox.memory_gb,
            descending=True,
        ),
        exported=False,
    ),
    Field(
        name="cpu_cores",
        title="CPU cores",
        form=FormEntry(
            section="Resources",
            default="1",
            hint=str(bounds.CPU_CORES),
            read=values.number(bounds.CPU_CORES),
            write=_number("cpu_cores"),
        ),
        filter=FilterEntry("cpu", _of("cpu_cores"), "number"),
        shared=True,
    ),
    Field(
        name="memory_gb",
        title="Memory GB",
        form=FormEntry(
            section="Resources",
            default="2",
            hint=str(bounds.MEMORY_GB),
            read=values.number(bounds.MEMORY_GB),
            write=_number("memory_gb"),
        ),
        filter=FilterEntry("mem", _of("memory_gb"), "number"),
        shared=True,
    ),
    Field(
        name="disk_size_gb",
        title="Disk GB",
        form=FormEntry(
            section="Resources",
            default="5",
            hint=str(bounds.DISK_GB),
            read=values.number(bounds.DISK_GB),
            write=_number("disk_size_gb"),
        ),
        column=ColumnEntry(
            id="disk",
            heading="DISK",
            width=5,
            position=10,
            keep=9,
            right=True,
            measured=True,
            spare=True,
            sort=_of("disk_size_gb"),
            descending=True,
            text=lambda row: f"{row.sandbox.disk_size_gb:g}G",
        ),
        filter=FilterEntry("disk", _of("disk_size_gb"), "number"),
        shared=True,
    ),
    Field(
        name="volumes",
        title="Volumes",
        form=FormEntry(section="Resources", hint="NAME:/PATH, or NAME:/PATH:ro", read=values.volumes, write=_volumes),
        exported=False,
    ),
    Field(
        name="gpu_count",
        title="GPUs",
        form=FormEntry(
            section="Resources",
            default="0",
            hint=f"{bounds.GPU_COUNT}; need type and kind vm",
            read=lambda text: values.whole_number(bounds.GPU_COUNT)(text or "0"),
            write=_number("gpu_count"),
        ),
        filter=FilterEntry("gpus", _of("gpu_count"), "number"),
        shared=True,
    ),
    Field(
        name="gpu_type",
        title="GPU type",
        form=FormEntry(
            section="Resources",
            hint="H100_80GB",
            choices=("H100_80GB", "RTX_PRO_6000B_96GB"),
            learned=True,
            read=values.optional,
            write=_written("gpu_type"),
        ),
        column=ColumnEntry(
            id="gpu",
            heading="GPU",
            width=12,
            position=9,
            keep=8,
            measured=True,
            cut="end",
            spare=True,
            sort=lambda row: f"{row.sandbox.gpu_count:04}{row.sandbox.gpu_type or ''}",
            sort_title="GPUs",
            descending=True,
            text=_gpu,
        ),
        filter=FilterEntry("gpu", _text("gpu_type")),
        shared=True,
    ),
    Field(
        name="timeout_minutes",
        title="Lifetime",
        form=FormEntry(
            section="Lifetime",
            default="1h",
            hint="90m, 24h: 1m to 24h",
            choices=("30m", "1h", "4h", "8h", "24h"),
            read=values.lifetime,
            write=_duration("timeout_minutes"),
        ),
        exported=False,
    ),
    Field(
        name="idle_timeout_minutes",
        title="Idle timeout",
        form=FormEntry(
            section="Lifetime",
            hint="default: none",
            choices=("15m", "30m", "1h"),
            read=lambda text: values.lifetime(text) if text else None,
            write=_duration("idle_timeout_minutes"),
        ),
        exported=False,
    ),
    Field(
        name="network_access",
        title="Network",
        form=FormEntry(
            id="network",
            section="Placement",
            default="open",
            hint="open, blocked, allow/deny X",
            choices=("open", "blocked", "allow ", "deny "),
            spreads=True,
            read=values.hosts,
            write=_network,
        ),
        exported=False,
    ),
    Field(
        name="vm",
        title="Kind",
        form=FormEntry(
            id="kind",
            section="Placement",
            default="container",
            hint="container or vm",
            choices=("container", "vm"),
            spreads=True,
            read=values.kind,
            write=lambda sandbox: "vm" if sandbox.vm else "container",
        ),
        filter=FilterEntry("kind", lambda row: "vm" if row.sandbox.vm else "container"),
        shared=True,
    ),
    Field(
        name="arch",
        title="Arch",
        form=FormEntry(
            section="Placement",
            hint="amd64 or arm64; default: amd64",
            choices=("amd64", "arm64"),
            read=values.one_of("amd64", "arm64"),
            write=_written("arch"),
        ),
        column=ColumnEntry(
            id="arch",
            heading="ARCH",
            width=5,
            position=16,
            keep=13,
            measured=True,
            cut="end",
            sort=_lower("arch"),
            text=_of("arch"),
        ),
        filter=FilterEntry("arch", _text("arch")),
        shared=True,
        detail=True,
    ),
    Field(
        name="labels",
        title="Labels",
        form=FormEntry(section="Basics", hint="space-separated", read=values.words, write=_labels),
        column=ColumnEntry(
            id="labels",
            heading="LABELS",
            width=12,
            position=5,
            keep=3,
            measured=True,
            cut="end",
            shown=True,
            sort=lambda row: "\n".join(row.sandbox.labels).lower(),
        ),
        group="first label",
        shared=True,
    ),
    Field(
        name="created_at",
        title="Created",
        column=ColumnEntry(
            id="age",
            heading="AGE",
            width=5,
            position=6,
            keep=2,
            right=True,
            timed=True,
            shown=True,
            sort=attrgetter("created"),
            descending=True,
            mirrored=True,
        ),
    ),
    Field(name="started_at", title="Started"),
    Field(
        name="expires_at",
        title="Expires in",
        column=ColumnEntry(
            id="left",
            heading="TTL",
            width=5,
            position=7,
            keep=2,
            right=True,
            timed=True,
            shown=True,
            sort=attrgetter("expires"),
            sort_title="time left",
        ),
    ),
    Field(
        name="terminated_at",
        title="Ended at",
        column=ColumnEntry(
            id="ended",
            heading="ENDED",
            width=6,
            position=18,
            keep=6,
            right=True,
            timed=True,
            sort=attrgetter("ended"),
            sort_title="time of end",
            descending=True,
            mirrored=True,
        ),
    ),
    Field(
        name="error_type",
        title="Reason",
        column=ColumnEntry(
            id="reason",
            heading="REASON",
            width=16,
            position=8,
            keep=7,
            measured=True,
            cut="middle",
            sort=lambda row: row.reason.lower(),
        ),
        filter=FilterEntry(
            "error",
            lambda row: f"{row.sandbox.error_type or ''} {row.sandbox.error_message or ''}".strip(),
            completions=_of("error_type"),
        ),
        group="reason",
    ),
    Field(name="error_message", title="Error"),
    Field(
        name="exit_code",
        title="Exit code",
        column=ColumnEntry(
            id="exit",
            heading="EXIT",
            width=4,
            position=17,
            keep=14,
            right=True,
            sort=lambda row: _or_less(row.sandbox.exit_code),
            sort_title="exit code",
            descending=True,
            text=lambda row: None if row.sandbox.exit_code is None else str(row.sandbox.exit_code),
        ),
    ),
    Field(
        name="owner",
        title="Owner",
        column=ColumnEntry(
            id="owner",
            heading="OWNER",
            width=12,
            position=19,
            keep=15,
            measured=True,
            cut="middle",
            sort=lambda row: row.owner.lower(),
            text=lambda row: row.owner or None,
        ),
        filter=FilterEntry("owner", attrgetter("owner")),
        group="owner",
        export=lambda row: row.owner or None,
    ),
    Field(name="disk_mount_path", title="Mount", detail=True, exported=False),
    Field(
        name="region",
        title="Region",
        form=FormEntry(
            section="Placement",
            hint="default: any",
            learned=True,
            read=values.optional,
            write=_written("region"),
        ),
        column=ColumnEntry(
            id="region",
            heading="REGION",
            width=8,
            position=11,
            keep=10,
            measured=True,
            cut="end",
            spare=True,
            sort=_lower("region"),
            text=_of("region"),
        ),
        filter=FilterEntry("region", _text("region")),
        shared=True,
        detail=True,
    ),
    Field(
        name="user_id",
        title="User",
        column=ColumnEntry(
            id="user",
            heading="USER",
            width=12,
            position=12,
            keep=11,
            measured=True,
            cut="middle",
            spare=True,
            sort=_lower("user_id"),
            text=_of("user_id"),
        ),
        filter=FilterEntry("user", _text("user_id")),
        group="user",
        shared=True,
        detail=True,
    ),
    Field(
        name="team_id",
        title="Team",
        form=FormEntry(
            section="Placement",
            hint="default: context's team",
            learned=True,
            read=values.optional,
            write=_written("team_id"),
        ),
        column=ColumnEntry(
            id="team",
            heading="TEAM",
            width=12,
            position=13,
            keep=12,
            measured=True,
            cut="middle",
            sort=_lower("team_id"),
            text=_of("team_id"),
        ),
        filter=FilterEntry("team", _text("team_id")),
        group="team",
        shared=True,
        detail=True,
    ),
    Field(
        name="environment_vars",
        title="Variables",
        form=FormEntry(section="Environment", hint="or paste a .env file", read=values.environment, write=_environment),
        exported=False,
    ),
    Field(
        name="secrets",
        title="Secrets",
        form=FormEntry(
            section="Environment",
            hint="or paste a .env file",
            secret=True,
            read=values.secret_values,
            # The platform never returns the values of secrets.
            write=lambda _: "",
        ),
        exported=False,
    ),
    Field(
        name="used_cores",
        title="CPU used",
        column=ColumnEntry(
            id="used",
            heading="USED",
            width=5,
            position=14,
            keep=4,
            right=True,
            sort=lambda row: _or_less(row.used),
            sort_title="cores used",
            descending=True,
        ),
        export=lambda row: _rounded(None if row.measured is None else row.measured.cores),
    ),
    Field(
        name="used_memory_gb",
        title="Memory used",
        column=ColumnEntry(
            id="memused",
            heading="MEM USED",
            width=8,
            position=15,
            keep=5,
            right=True,
            sort=lambda row: _or_less(row.memory_used),
            sort_title="memory used",
            descending=True,
        ),
        export=lambda row: (
            None if row.measured is None or row.measured.memory is None else _rounded(row.measured.memory / GIGABYTE)
        ),
    ),
    Field(
        name="cost_usd",
        title="Cost",
        column=ColumnEntry(
            id="cost",
            heading="COST",
            width=8,
            position=20,
            keep=5,
            right=True,
            timed=True,
            sort=lambda row: _or_less(row.spent(time())),
            sort_title="cost so far",
            descending=True,
        ),
        export=lambda row: _rounded(row.spent(time())),
    ),
    Field(
        name="cost_source",
        title="Cost by",
        export=lambda row: "platform" if row.billed is not None else None if row.per_hour is None else "estimate",
    ),
    Field(
        name="cost_per_hour_usd",
        title="Cost per hour",
        column=ColumnEntry(
            id="rate",
            heading="$/H",
            width=8,
            position=21,
            keep=6,
            right=True,
            sort=lambda row: _or_less(row.per_hour),
            sort_title="cost per hour",
            descending=True,
            text=lambda row: None if row.per_hour is None else f"~{money(row.per_hour)}",
        ),
        export=lambda row: _rounded(row.per_hour),
    ),
    Field(
        name="measured_at", title="Measured", export=lambda row: None if row.measured is None else row.measured.moment
    ),
)

BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}

COLUMNS: tuple[ColumnEntry, ...] = tuple(
    sorted((field.column for field in FIELDS if field.column is not None), key=lambda column: column.position)
)

FILTERS: Mapping[str, FilterEntry] = {field.filter.key: field.filter for field in FIELDS if field.filter is not None}

SHARED: tuple[Field, ...] = tuple(field for field in FIELDS if field.shared)
