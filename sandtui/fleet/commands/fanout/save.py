"""Saving results to a directory or a JSON lines file, atomically."""

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
    """Return one sandbox's result as a JSON object. ``seconds`` is the runtime."""
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
    """Write the results: JSON lines if the name ends in ``.jsonl``, otherwise a directory. Return a description.

    Only this user can read the files, since output may be confidential.

    Raises:
        OSError: it can't be written, or already exists; nothing is left behind.
    """
    if path.suffix == JSON_LINES:
        write_new(path, (json.dumps(record(target)) + "\n" for target in fan_out.targets))
        return f"{len(fan_out.targets):,} results"
    _save_folder(fan_out.targets, path)
    return f"{len(fan_out.targets):,} results and their output"


def file_name(target: Target) -> str:
    """Return a portable file name for a sandbox."""
    name = _UNFIT.sub("_", target.name).strip("._")[:60]
    suffix = _UNFIT.sub("_", target.id).strip("._")[:60]
    return f"{name or 'sandbox'}.{suffix or 'unknown'}"


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
