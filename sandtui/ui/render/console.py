"""How a console's lines look: command, output, errors and the way it ended."""

from __future__ import annotations

from sandtui.fleet.console import Console, Run, RunState
from sandtui.fleet.output import OutputLine, Stream
from sandtui.fleet.sanitize import clean, clean_line, output_line
from sandtui.ui.render.text import Piece
from sandtui.ui.render.units import long_duration


def line_pieces(line: OutputLine, run: Run) -> list[Piece]:
    """Return one line; stderr is told apart by a sign at its start, not by colour alone."""
    if line.stream is Stream.COMMAND:
        return [Piece("$ ", "key"), Piece(clean_line(line.text), "bright")]
    if line.stream is Stream.STDOUT:
        return [Piece("  "), Piece(output_line(line.text))]
    if line.stream is Stream.STDERR:
        return [Piece("! ", "busy"), Piece(output_line(line.text), "busy")]
    if line.stream is Stream.PROBLEM:
        return [Piece("✖ ", "bad"), Piece(clean(line.text), "bad")]
    return _result(run)


def run_state_pieces(console: Console, now: float) -> list[Piece]:
    """Return what runs now, or how the last command ended."""
    if not console.runs:
        return [Piece("nothing run yet", "dim")]
    run = console.runs[-1]
    if run.state is RunState.RUNNING:
        return [Piece(f"◐ run {run.number} running {long_duration(now - run.started)}", "busy")]
    if run.state is RunState.DONE:
        return [Piece(f"run {run.number}  ", "dim"), *_result(run)]
    return [Piece(f"✖ run {run.number} {run.state.value}", "bad")]


def _result(run: Run) -> list[Piece]:
    took = _took(run)
    if run.exit_code == 0:
        return [Piece("✓ ", "good"), Piece("exit 0", "good"), Piece(f"  {took}", "dim")]
    return [Piece("✖ ", "bad"), Piece(f"exit {run.exit_code}", "bad"), Piece(f"  {took}", "dim")]


def _took(run: Run) -> str:
    if run.ended is None:
        return ""
    seconds = run.ended - run.started
    return f"{seconds:.2f}s" if seconds < 10 else long_duration(seconds)
