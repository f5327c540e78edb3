"""Runs the conformance suite for every version and writes the table into the manual.

Usage: ``python -m tests.interop VERSION...``; each cell is a result of this run.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from tests.conftest import start_platform
from tests.interop.test_official_sdk import ROOT, run_program

BEGIN, END = "<!-- interop: written by `make interop` -->", "<!-- interop: end -->"
SIGNS = {"yes": "✓", "501": "501", "absent": "", "no": "✗"}


async def outcomes(version: str) -> dict[str, str]:
    """Run the suite against a fresh platform."""
    with tempfile.TemporaryDirectory(prefix="sandtui-interop-") as folder:
        process, platform = start_platform(Path(folder, "state"))
        try:
            rows, errors, _ = await run_program(version, "conformance.py", platform, Path(folder))
        finally:
            process.terminate()
            process.wait(30)
    for row in rows:
        if row["outcome"] == "no":
            print(f"{version} {row['method']}: {row['reason']}", file=sys.stderr)
    assert rows, errors
    return {row["method"]: row["outcome"] for row in rows}


def table(results: dict[str, dict[str, str]]) -> str:
    """Return the table in Markdown; methods with the same row share it."""
    methods = list(next(iter(results.values())))
    rows: dict[tuple[str, ...], list[str]] = {}
    for method in methods:
        cells = tuple(SIGNS[found[method]] for found in results.values())
        rows.setdefault(cells, []).append(f"`{method}`")
    head = f"| method | {' | '.join(results)} |\n|---|{'---|' * len(results)}\n"
    return head + "".join(f"| {', '.join(names)} | {' | '.join(cells)} |\n" for cells, names in rows.items())


async def main(versions: list[str]) -> int:
    """Write the table; return 1 when anything failed."""
    results = {version: await outcomes(version) for version in versions}
    page = ROOT / "sandtui" / "manual" / "sdk.md"
    text = page.read_text("utf-8")
    block = f"{BEGIN}\n{table(results)}{END}"
    if BEGIN not in text:
        raise SystemExit(f"{page} has no place for the table: the line {BEGIN}")
    page.write_text(re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.S), "utf-8")
    print(table(results))
    return int(any("no" in found.values() for found in results.values()))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
