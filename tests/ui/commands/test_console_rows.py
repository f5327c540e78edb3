from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.fleet.commands.console import Console, ConsoleRun
from sandtui.fleet.text import output_lines as output
from sandtui.fleet.text.output_lines import OutputStream
from sandtui.ui.commands.console_rows import ConsoleRows
from sandtui.ui.rendering.text import Piece, width_of
from sandtui.ui.rendering.wrap import wrapped
from tests.fleet.factory import NOW

TEXT = st.text(alphabet="ab 日\x1b[31m\t\n\r", max_size=60)
STEP = st.one_of(
    st.tuples(st.just("run"), st.just("")),
    st.tuples(st.just("out"), TEXT),
    st.tuples(st.just("err"), TEXT),
    st.tuples(st.just("end"), st.just("")),
    st.tuples(st.just("fold"), st.just("")),
    st.tuples(st.just("clear"), st.just("")),
)


def drawn(rows):
    return [[(piece.text, piece.role, piece.ink) for piece in rows.pieces(row)] for row in range(len(rows))]


@given(st.lists(STEP, max_size=25))
def test_rows_that_were_followed_are_those_made_at_once(steps):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(output, "MAX_LINES", 12)
        console = Console(SimpleNamespace(), "sbx", ManualClock(NOW))
        rows = ConsoleRows(console)
        console.runs.append(ConsoleRun(1, "first", 0.0))
        console.output.add(OutputStream.COMMAND, ["first"], 1)
        before = []
        for what, text in steps:
            run = console.runs[-1]
            if what == "run":
                console.output.end_run()
                run = ConsoleRun(len(console.runs) + 1, "next", 0.0)
                console.runs.append(run)
                console.output.add(OutputStream.COMMAND, ["next"], run.number)
            elif what == "fold":
                console.folded ^= {run.number}
            elif what == "clear":
                console.clear()
            elif what == "end":
                console.output.end_run()
            else:
                console.output.feed(
                    OutputStream.STDOUT if what == "out" else OutputStream.STDERR, text.encode(), run.number
                )
            same, gone = rows.update()
            fresh = ConsoleRows(console)
            fresh.update()
            now = drawn(rows)
            assert now == drawn(fresh)
            assert [row for row in now[:same] if row[0][0] != "▸ "] == [
                row for row in before[gone : gone + same] if row[0][0] != "▸ "
            ]
            before = now
            for row, pieces in enumerate(now):
                assert sum(width_of(text) for text, *_ in pieces) <= rows.most_cells(row)
            lines = [rows.line(row) for row in range(len(rows))]
            assert lines == sorted(lines)
            for line in range(len(console.lines)):
                row = rows.row_of(line)
                assert not lines or lines[row] <= max(line, lines[0])
                assert line not in lines or lines.index(line) == row


@given(st.lists(st.text(alphabet="ab 日本", max_size=30), max_size=6), st.integers(2, 20))
def test_wrapping_loses_nothing_and_keeps_the_width(texts, width):
    lines = wrapped([Piece(text, "dim") for text in texts], width)
    assert "".join(piece.text for line in lines for piece in line) == "".join(texts)
    assert all(sum(width_of(piece.text) for piece in line) <= width for line in lines)
    assert all(line for line in lines) or not "".join(texts)
