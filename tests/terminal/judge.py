"""Writes down what tmux shows of each sequence and recording, for machines without tmux.

``python -m tests.terminal.judge`` writes ``recordings/tmux.json``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.terminal.resizes import RESIZES
from tests.terminal.sequences import SEQUENCES
from tests.terminal.tmux import Tmux, version

FOLDER = Path(__file__).with_name("recordings")
VERDICTS = FOLDER / "tmux.json"
SIZE, RECORDED_SIZE = (40, 10), (80, 24)

Case = tuple[str, bytes, tuple[int, int]]


def cases() -> Iterator[Case]:
    """Yield name, bytes and size of everything that is compared: recordings whole, and cut off on their way."""
    for name, data in SEQUENCES.items():
        yield name, data, SIZE
    for path in sorted(FOLDER.glob("*.raw")):
        data = path.read_bytes()
        for part in (3, 2, 1):
            yield f"{path.stem} 1/{part}", data[: len(data) // part], RECORDED_SIZE


def main() -> None:
    """Ask tmux."""
    verdicts: dict[str, object] = {"version": version()}
    for size in (SIZE, RECORDED_SIZE):
        with Tmux(*size) as tmux:
            for name, data, wanted in cases():
                if wanted == size:
                    verdicts[name] = {"crc": zlib.crc32(data), **tmux.show(data)}
    with Tmux(*SIZE) as tmux:
        for name, (data, sizes) in RESIZES.items():
            verdicts[f"resized: {name}"] = {"crc": zlib.crc32(data), **tmux.show_resized(data, sizes)}
    VERDICTS.write_text(json.dumps(verdicts, ensure_ascii=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
