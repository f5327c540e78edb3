"""Rendering of console lines: command, output, errors and exit status."""

from __future__ import annotations

from sandtui.fleet.commands.console import Console, ConsoleRun, RunState
from sandtui.fleet.text.output_lines import OutputLine, OutputStream
from sandtui.fleet.text.sanitize import clean, clean_line
from sandtui.fleet.text.sgr import PLAIN, styled
from sandtui.ui.rendering.text import Piece, Role
from sandtui.ui.rendering.units import long_duration


def line_pieces(line: OutputLine, run: ConsoleRun, job_key: str = "") -> list[Piece]:
    """Return one line; stderr has a sign at its start, so that it does not depend on color.

    With ``job_key``, a timed-out command shows the key that runs it as a background job.
    """
    if line.stream is OutputStream.COMMAND:
        return [Piece("$ ", "key"), Piece(clean_line(line.text), "bright")]
    if line.stream is OutputStream.CONTINUED:
        return [Piece("> ", "key"), Piece(clean_line(line.text), "bright")]
    if line.stream is OutputStream.STDOUT:
        return [Piece("  "), *_coloured(line, "text")]
    if line.stream is OutputStream.STDERR:
        return [Piece("! ", "busy"), *_coloured(line, "busy")]
    if line.stream is OutputStream.PROBLEM:
        hint = [Piece(f"  {job_key} to run it as a background job", "dim")] if run.timed_out and job_key else []
        return [Piece("✖ ", "bad"), Piece(clean(line.text), "bad"), *hint]
    return _result(run)


def folded_pieces(line: OutputLine, run: ConsoleRun, hidden: int) -> list[Piece]:
    """Return the line of a collapsed run; ``hidden`` is the number of its lines."""
    pieces = [Piece("▸ ", "key"), Piece(clean_line(line.text), "bright")]
    more = f"  … {hidden:,} {'line' if hidden == 1 else 'lines'}  "
    if run.state is RunState.DONE:
        return [*pieces, Piece(more, "dim"), *_result(run)]
    return [*pieces, Piece(more, "dim"), Piece(run.state.value, "info" if run.state is RunState.RUNNING else "bad")]


def run_state_pieces(console: Console, now: float) -> list[Piece]:
    """Return the state of the running or the last command."""
    if not console.runs:
        return [Piece("no runs yet", "dim")]
    run = console.runs[-1]
    if run.state is RunState.RUNNING:
        return [Piece(f"◐ run {run.number} running {long_duration(now - run.started)}", "info")]
    if run.state is RunState.DONE:
        return [Piece(f"run {run.number}  ", "dim"), *_result(run)]
    return [Piece(f"✖ run {run.number} {run.state.value}", "bad")]


def place_pieces(console: Console) -> list[Piece]:
    """Return the current directory, and the number of changed variables."""
    carried = console.carried
    pieces = [] if carried.directory is None else [Piece(f"  cwd {clean(carried.directory)}")]
    if carried.variables:
        pieces.append(Piece(f"  env {carried.variables}", "info"))
    return pieces


def _coloured(line: OutputLine, role: Role) -> list[Piece]:
    return [Piece(text, role, ink if ink != PLAIN else None) for text, ink in styled(line.text, line.ink)]


def _result(run: ConsoleRun) -> list[Piece]:
    took = _took(run)
    if run.exit_code == 0:
        return [Piece("✓ ", "good"), Piece("exit 0", "good"), Piece(f"  {took}", "dim")]
    return [Piece("✖ ", "bad"), Piece(f"exit {run.exit_code}", "bad"), Piece(f"  {took}", "dim")]


def _took(run: ConsoleRun) -> str:
    if run.ended is None:
        return ""
    seconds = run.ended - run.started
    return f"{seconds:.2f}s" if seconds < 10 else long_duration(seconds)
