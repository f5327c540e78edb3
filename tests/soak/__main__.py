"""Random input for the real program: ``python -m tests.soak [--seed N] [--time SECONDS] [--world WORLD]``.

The program runs in a pseudo-terminal against the demo, a simulated platform with trouble, and the real local platform
while that is stopped, continued, killed and restarted; it gets keys, words, mouse, pastes, window sizes, answers of
terminals and plain rubbish. A round is a world and a seed; what was sent in a round with a fault is written down for
``--replay FILE``, and ``--shrink FILE`` looks for a shorter script with the same fault.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.soak import confine
from tests.soak.driver import Fault, Round, random_steps
from tests.soak.script import KINDS, PARTS, Script, Setting, Step
from tests.soak.worlds import WORLDS

ROUND_SECONDS = 150.0
SHRINK_TRIES = 40


def main() -> int:
    """Run outside: make a place, run inside, bring out what was found."""
    options = _parser().parse_args()
    if options.inside is not None:
        return _inside(options)
    if problem := confine.problem():
        print(f"tests.soak: {problem}", file=sys.stderr)
        return 2
    root = Path(tempfile.mkdtemp(prefix="sandtui-soak-")).resolve()
    try:
        arguments = list(sys.argv[1:])
        for option in ("replay", "shrink"):
            if (path := getattr(options, option)) is not None:
                copied = shutil.copy(path, root / f"{option}.jsonl")
                arguments += [f"--{option}", str(copied)]
        code = confine.run_inside(root, arguments)
        found = sorted((root / "found").glob("*")) if (root / "found").exists() else []
        if found:
            options.keep.mkdir(parents=True, exist_ok=True)
            for path in found:
                shutil.copy(path, options.keep / path.name)
            print(f"written to {options.keep}; replay with: python -m tests.soak --replay FILE.jsonl")
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one has the next")
    parser.add_argument("--time", type=float, default=3600.0, help="seconds in all (default: 3600)")
    parser.add_argument("--world", choices=(*WORLDS, "all"), default="all")
    parser.add_argument("--round", type=float, default=ROUND_SECONDS, help="seconds of one round (default: 150)")
    parser.add_argument("--steps", type=int, default=0, help="steps of one round, and one round only")
    parser.add_argument("--without", action="append", default=[], choices=(*KINDS, *PARTS), help="leave input out")
    parser.add_argument("--keep", type=Path, default=Path(".soak"), help="folder for what is found (default: .soak)")
    parser.add_argument("--replay", type=Path, help="send what a file holds")
    parser.add_argument("--shrink", type=Path, help="look for a shorter script with the same fault")
    parser.add_argument("--stub", default="", help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser


def _inside(options: argparse.Namespace) -> int:
    confine.shut(options.inside)
    # The first process of a namespace has no defaults: without this it could not be told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = options.inside / "found"
    found.mkdir()
    if options.replay is not None:
        script = Script.load(options.replay)
        fault = _attempt(options.inside, script.setting, script.steps, found)
        print(fault or "")
        return 1 if fault is not None else 0
    if options.shrink is not None:
        return _shrink(options.inside, Script.load(options.shrink), found)
    worlds = WORLDS if options.world == "all" else (options.world,)
    end = time.monotonic() + options.time
    faults: dict[str, int] = {}
    rounds = 0
    while time.monotonic() < end and not (options.steps and rounds):
        setting = Setting.of(worlds[rounds % len(worlds)], options.seed + rounds, options.without)
        setting = replace(setting, stub=options.stub, end="key") if options.stub else setting
        seconds = min(options.round, end - time.monotonic())
        fault = _attempt(options.inside, setting, None, found, seconds, options.steps)
        rounds += 1
        if fault is not None:
            faults[fault.signature] = faults.get(fault.signature, 0) + 1
    print(f"{rounds} rounds, {sum(faults.values())} faults, {len(faults)} of them different")
    for signature, count in sorted(faults.items(), key=lambda item: -item[1]):
        print(f"{count:5} {signature}")
    return 1 if faults else 0


def _attempt(
    inside: Path,
    setting: Setting,
    steps: Sequence[Step] | None,
    found: Path | None,
    seconds: float = 1e9,
    most: int = 0,
) -> Fault | None:
    """Run one round and tell of it."""
    root = inside / "round"
    began = time.monotonic()
    round_ = Round(setting, root)

    def going() -> bool:
        return time.monotonic() - began < seconds and not (most and len(round_.script.steps) >= most)

    fault = round_.run(random_steps(setting) if steps is None else steps, going)
    if found is not None:
        _tell(round_, fault, time.monotonic() - began)
        if fault is not None:
            name = f"{setting.world}-{setting.seed}"
            round_.script.save(found / f"{name}.jsonl")
            (found / f"{name}.txt").write_text(
                f"{fault.signature}\n{setting}\n{fault}\n\nThe log:\n{fault.log}\n", errors="replace"
            )
    shutil.rmtree(root, ignore_errors=True)
    return fault


def _tell(round_: Round, fault: Fault | None, seconds: float) -> None:
    setting = round_.setting
    print(
        f"{time.strftime('%H:%M:%S')} {setting.world:8} seed {setting.seed}: {len(round_.script.steps)} steps in "
        f"{seconds:.0f} s, {round_.starts} starts, {len(round_.screens)} screens, "
        f"slowest repaint {round_.slowest:.1f} s, "
        f"{round_.first or 'not measured'} -> {round_.last or 'not measured'}: "
        f"{'ok' if fault is None else fault.signature}",
        flush=True,
    )


def _shrink(inside: Path, script: Script, found: Path) -> int:
    """Look for the shortest end of the script that still shows the fault, then drop what is not needed of it."""
    first = _attempt(inside, script.setting, script.steps, found)
    if first is None:
        print("the script shows no fault this time")
        return 1
    tries = SHRINK_TRIES

    def shows(steps: Sequence[Step]) -> bool:
        nonlocal tries
        tries -= 1
        fault = _attempt(inside, script.setting, [*steps, Step("probe")], None)
        return fault is not None and fault.signature == first.signature

    steps, size = script.steps, 8
    while size < len(steps) and tries > 0:
        if shows(steps[-size:]):
            steps = steps[-size:]
            break
        size *= 2
    size = len(steps) // 2
    while size and tries > 0:
        place = 0
        while place < len(steps) and tries > 0:
            less = steps[:place] + steps[place + size :]
            if shows(less):
                steps = less
            else:
                place += size
        size //= 2
    replace(script, steps=steps).save(found / f"{script.setting.world}-{script.setting.seed}-short.jsonl")
    print(f"{len(steps)} steps are left:")
    print("\n".join(step.line() for step in steps))
    return 0


sys.exit(main())
