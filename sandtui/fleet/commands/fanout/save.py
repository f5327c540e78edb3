"""All that the sandboxes said, in a folder or as JSON lines. What is written is there whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandtui.fleet.commands.fanout.grouping import end_of
from sandtui.fleet.commands.fanout.run import FanOut, Target
from sandtui.saving import already_exists, create_private, free_name, write_new

JSON_LINES = ".jsonl"
INDEX = "results.jsonl"

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def record(target: Target) -> dict[str, object]:
    """Return one sandbox's result for a script. ``seconds`` is how long the command ran."""
    row: dict[str, object] = {"id": target.id, "name": target.name, "state": end_of(target)}
    seconds = target.seconds(0.0)
    if seconds is not None and target.ended is not None:
        row["seconds"] = round(seconds, 3)
    if target.answer is not None:
        row |= {"exit_code": target.answer.exit_code, "stdout": target.answer.stdout, "stderr": target.answer.stderr}
        if target.answer.cut:
            row["characters_cut"] = target.answer.cut
    elif target.problem:
        row["error"] = target.problem
        if target.so_far is not None:
            row |= {"stdout": target.so_far.stdout, "stderr": target.so_far.stderr}
    return row


def save(fan_out: FanOut, path: Path) -> str:
    """Write the results: JSON lines when the name ends in ``.jsonl``, else a folder. Return what was written.

    Only this user can read it, for nobody knows what a command says.

    Raises:
        OSError: it can't be written, or is there already; nothing is left behind.
    """
    if path.suffix == JSON_LINES:
        write_new(path, (json.dumps(record(target)) + "\n" for target in fan_out.targets))
        return f"{len(fan_out.targets):,} results"
    _save_folder(fan_out.targets, path)
    return f"{len(fan_out.targets):,} results and their output"


def file_name(target: Target) -> str:
    """Return a name for a sandbox's files that no file system and no shell stumbles over."""
    name = _UNFIT.sub("_", target.name).strip("._")[:60]
    place = _UNFIT.sub("_", target.id).strip("._")[:60]
    return f"{name or 'sandbox'}.{place or 'unknown'}"


def _save_folder(targets: Iterable[Target], path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(already_exists(path))
    fresh = path.with_name(f".{secrets.token_hex(8)}.part")
    fresh.mkdir(mode=0o700)
    try:
        create_private(fresh / INDEX, _write_outputs(targets, fresh))
        fresh.rename(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _write_outputs(targets: Iterable[Target], folder: Path) -> Iterator[str]:
    taken: set[str] = set()
    for target in targets:
        row = record(target)
        name = free_name(file_name(target), taken.__contains__)
        taken.add(name)
        for stream in ("stdout", "stderr"):
            text = row.pop(stream, "")
            if text:
                row[f"{stream}_file"] = f"{name}.{stream}"
                create_private(folder / f"{name}.{stream}", [str(text)])
        yield json.dumps(row) + "\n"
