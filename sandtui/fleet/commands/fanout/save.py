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
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path} is there already: choose another name")
    if path.suffix == JSON_LINES:
        _save_lines(fan_out.targets, path)
        return f"{len(fan_out.targets):,} results"
    _save_folder(fan_out.targets, path)
    return f"{len(fan_out.targets):,} results and their output"


def file_name(target: Target) -> str:
    """Return a name for a sandbox's files that no file system and no shell stumbles over."""
    name = _UNFIT.sub("_", target.name).strip("._")[:60]
    place = _UNFIT.sub("_", target.id).strip("._")[:60]
    return f"{name or 'sandbox'}.{place or 'unknown'}"


def _save_lines(targets: Iterable[Target], path: Path) -> None:
    fresh = _beside(path)
    try:
        _write(fresh, (json.dumps(record(target)) + "\n" for target in targets))
        try:
            # Unlike a rename, a link never replaces what somebody else has put there meanwhile.
            os.link(fresh, path)
        except FileExistsError:
            raise
        except OSError:
            fresh.rename(path)  # not every file system has links
    finally:
        fresh.unlink(missing_ok=True)


def _save_folder(targets: Iterable[Target], path: Path) -> None:
    fresh = _beside(path)
    fresh.mkdir(mode=0o700)
    try:
        _write(fresh / INDEX, _write_outputs(targets, fresh))
        fresh.rename(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _write_outputs(targets: Iterable[Target], folder: Path) -> Iterator[str]:
    taken: set[str] = set()
    for target in targets:
        row = record(target)
        name = base = file_name(target)
        while name in taken:
            name = f"{base}.{len(taken)}"
        taken.add(name)
        for stream in ("stdout", "stderr"):
            text = row.pop(stream, "")
            if text:
                row[f"{stream}_file"] = f"{name}.{stream}"
                _write(folder / f"{name}.{stream}", [str(text)])
        yield json.dumps(row) + "\n"


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write(path: Path, texts: Iterable[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as stream:
        stream.writelines(texts)
        stream.flush()
        os.fsync(stream.fileno())
