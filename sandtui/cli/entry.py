"""Where the program starts. A shell that completes a word is answered before anything is loaded."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program with the arguments of the process; return its exit code."""
    if sys.argv[1:2] == ["__complete"]:
        from sandtui.cli.live_completion import answer

        return answer(sys.argv[2:])
    from sandtui.ui.garbage_collection import pause_collections, stop_collections

    pause_collections()
    try:
        from sandtui.cli.program import main as run

        return run()
    finally:
        stop_collections()
