"""Texts that name a key name the user's own: no text holds a key of the registry as a literal."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import sandtui
from sandtui.config.settings import Settings
from sandtui.fleet.actions import ACTIONS, BY_ID, GLOBAL, in_scope
from sandtui.fleet.inventory.bulk import BulkResult, BulkRun
from sandtui.fleet.keymap import key_label, read_keymap
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.shells.screen import ShellScreen
from tests.probes import text_of
from tests.sources import parsed
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.test_every_screen import SCREENS
from tests.ui.world import World, settled, until

WIDE = (120, 36)
PACKAGE = Path(sandtui.__file__).parent

FIXED = {
    "ui/dialogs": "a dialog's own keys can't be changed",
    "ui/jobs/dialogs.py": "a dialog's own keys can't be changed",
    "ui/creation/pair_rows.py": "the field for pairs",
    "ui/theme": "styles",
    "ui/widgets": "styles",
}
"""Where keys are named that are in no registry."""

NOT_KEYS = (
    " · ",
    "esc cancel (nothing is changed)",
    "enter: run in ",
    "  ! failures only",
    "/ holds ",
    "curl -sS",
    "/workspace, ../data",
    "`exit` or ctrl+d to leave",
    "with N sandboxes",
    ", then Count > 1",
    " failed (1 h)",
    "s (",
    "Press ctrl+c again",
    "? Its processes stand still",
    " in another tab",
)
"""Texts, or parts of them, whose letters and signs are no keys of the registry: of menus, command lines, paths."""

KEY = r"(?:ctrl\+\S|f\d{1,2}|esc|escape|enter|tab|space|backspace|[B-Zb-hj-z?!&@/<>*-])"
ALONE = re.compile(rf"(?:^|(?<=[\s(·])){KEY}(?=$|[\s,;:·)])")
DOES = re.compile(r"(?:^|(?<=[\s(·]))(?:ctrl\+[a-bd-z]|esc|[B-Zb-hj-z?!&@/]) (?!is\b|has\b)[a-z]+s\b")


@cache
def literals(path):
    """Return the lines and texts in a module that are no documentation."""
    nodes = list(ast.walk(parsed(path)))
    notes = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes
    ]


def test_no_screen_names_a_key_as_a_literal():
    found = []
    for path in sorted((PACKAGE / "ui").rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.endswith("_dialog.py") or any(name.startswith(fixed) for fixed in FIXED):
            continue
        for line, text in literals(path):
            if "{\n" in text:
                continue  # a style sheet
            words = " " in text.strip() and ALONE.search(text.removeprefix("/"))
            if words and not any(part in text for part in NOT_KEYS):
                found.append(f"{name}:{line}: {text!r}")
    assert not found, "\n".join(found)


def test_nothing_else_tells_what_a_key_does():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.endswith("_dialog.py") or any(name.startswith(fixed) for fixed in FIXED):
            continue
        for line, text in literals(path):
            if DOES.search(text) and "\n" not in text and not any(part in text for part in NOT_KEYS):
                found.append(f"{name}:{line}: {text!r}")
    assert not found, "\n".join(found)


ODD = {action.id: f"zz{number:03}" for number, action in enumerate(ACTIONS)}


def odd_world(**options):
    """Return an app in which every action has a key that nobody would name."""
    app = World(settings=Settings(keys={action_id: [key] for action_id, key in ODD.items()}), **options)
    assert not app.services.keymap.problems
    return app


def named_defaults(app, scopes):
    """Return the texts on the screen that say what a default key does."""
    labels = {key_label(key) for scope in scopes for action in in_scope(scope) for key in action.keys}
    # Digits and the article are words as well.
    labels -= {*"0123456789a"}
    told = "|".join(sorted((re.escape(label) for label in labels if label.isascii()), key=len, reverse=True))
    pattern = re.compile(rf"(?:^|(?<=[\s(·│‖]))(?:{told})(?=$| [a-z])")
    lines = [line for line in text_of(app).split("\n") if not any(part in line for part in NOT_KEYS[1:])]
    return [line for line in lines if pattern.search(line.strip(" │┃▌"))]


@SCREENS
async def test_no_screen_shows_a_default_key_when_all_are_others(kind):
    app = odd_world(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, kind)
        await pilot.pause()
        screen = app.screen
        assert "zz" in text_of(app), "the keys that are named are the user's"
        # What a file or a command holds is no text of ours; changes have the letters that git gives them.
        if screen.SCOPE not in {"preview", "player", "compare"}:
            assert named_defaults(app, {*screen.hint_scopes(), *screen.scopes, GLOBAL}) == []


EMPTY = [kind for kind in EVERY_SCREEN if kind.__name__ in {"ActivityScreen", "RecordingsScreen", "FleetScreen"}]


@pytest.mark.parametrize("kind", EMPTY, ids=lambda kind: kind.__name__)
async def test_no_empty_screen_shows_a_default_key(kind):
    app = odd_world(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await EVERY_SCREEN[kind](pilot, app)
        await until(pilot, lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
        await until(pilot, lambda: "zz" in text_of(app))
        assert named_defaults(app, {*app.screen.scopes, GLOBAL, "fleet", "shell", "terminal"}) == []


async def test_states_of_the_fleet_name_the_users_keys():
    app = odd_world(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        fleet = app.screen
        await pilot.press(ODD["fleet.range"], "j")
        await until(pilot, lambda: "range: 2 rows" in text_of(app))
        assert f"{ODD['fleet.mark']} mark · {ODD['fleet.back']} cancel" in text_of(app)
        fleet.filter_by("used<2%")
        await until(pilot, lambda: f"{ODD['fleet.measure']} to measure" in text_of(app))
        fleet.filter_by("nothing-like-it")
        await until(pilot, lambda: f"{ODD['fleet.back']} clear the filter" in text_of(app))
        assert named_defaults(app, {"fleet", GLOBAL}) == []


async def test_states_of_logs_and_jobs_name_the_users_keys():
    app = odd_world(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, LogScreen)
        app.screen.pane.search.needle = "error"
        app.screen.pane.view.following = False
        app.screen.update_chrome()
        await until(pilot, lambda: f"{ODD['log.next_hit']} next" in text_of(app))
        assert f"{ODD['log.follow']} to follow" in text_of(app)
        assert named_defaults(app, {"log", GLOBAL}) == []
        app.action_fleet()
        await EVERY_SCREEN[JobsScreen](pilot, app)
        await until(pilot, lambda: isinstance(app.screen, JobsScreen) and app.screen.is_mounted)
        app.screen.query_one("#jobs-filter").value = "nothing like it"
        await until(pilot, lambda: f"{ODD['jobs.back']} to clear it" in text_of(app))


async def test_the_key_that_leaves_a_shell_is_the_users_own():
    app = odd_world(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, ShellScreen)
        shell = app.screen
        await pilot.press(ODD["shell.type"])
        await until(pilot, lambda: shell.takes_all_keys)
        await until(pilot, lambda: f"{ODD['terminal.out']} detach" in text_of(app))
        await pilot.press(ODD["terminal.out"])
        await until(pilot, lambda: not shell.takes_all_keys)


def test_a_shell_can_always_be_left():
    keymap = read_keymap({"terminal.out": []})
    assert "no other key detaches from a shell" in keymap.problems[0]
    assert keymap.of(BY_ID["terminal.out"])


async def test_work_on_many_names_the_users_keys():
    app = odd_world(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        session = app.services.platform.session
        rows = [row for row in session.store if row.status == "RUNNING"][:3]

        async def work(sandbox_ids):
            return {each: BulkResult(False, "no") for each in sandbox_ids}

        run = BulkRun("Try", rows, work, app.services.clock)
        app.services.bulk.show(run)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and ODD["bulk.cancel"] in text_of(app))
        app.services.bulk.run(run)
        await until(pilot, lambda: run.is_over and ODD["bulk.mark"] in text_of(app))
        assert named_defaults(app, {"bulk"}) == []
