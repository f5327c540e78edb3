"""The sections of the create form, files of variables, and variables that look secret."""

import pytest
from textual import events

from sandtui.config.drafts import read_draft, read_folded
from sandtui.fleet.creation.values import FieldProblem, environment, looks_secret, secret_values
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.creation.section import SectionLine
from sandtui.ui.dialogs.ask import AskDialog
from tests.probes import text_of
from tests.ui.creation.test_form_and_launch import open_form, type_into
from tests.ui.world import World, until

SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])
ENV = "SEED=7\nexport API_KEY='abc 123'\n# no\nDATABASE_URL=postgres://me:pw@host/db\nNAME=x\n"


def section(app, name):
    return next(each for each in app.screen.sections if each.name == name)


def here(app):
    return next((each.name for each in app.screen.sections if each.has_focus), None)


def heading(app, name):
    return section(app, name).heading.render().plain


async def go_to(pilot, name):
    section(pilot.app, name).focus()
    await until(pilot, lambda: here(pilot.app) == name)


@SIZES
async def test_keys_go_from_section_to_section(size):
    app = World(fleet=0)
    async with app.run_test(size=size) as pilot:
        await open_form(pilot)
        names = [each.name for each in app.screen.sections]
        reached = []
        for _ in names:
            await pilot.press("pagedown")
            await pilot.pause()
            reached.append(here(app))
            assert app.screen.query_one("#form").region.contains_region(app.focused.region), "it is in view"
        assert reached == [*names[1:], names[0]]
        await pilot.press("tab", "tab", "pageup")
        assert app.focused.id == "field-name", "the beginning of this section first"
        await pilot.press("pageup")
        assert here(app) == names[-1]


async def test_what_is_rarely_used_is_folded_away_and_stays_as_the_user_left_it():
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        assert section(app, "Placement").is_folded
        assert not app.screen.query("#field-region"), "its fields cost nothing"
        assert "network, kind, arch, region, team" in heading(app, "Placement")
        await go_to(pilot, "Placement")
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "field-network")
        await go_to(pilot, "Resources")
        await pilot.press("ctrl+f")
        await until(pilot, lambda: section(app, "Resources").is_folded and here(app) == "Resources")
        await until(pilot, lambda: read_folded(app.paths) == {"Resources"})
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CreateScreen))
        await open_form(pilot)
        assert [each.name for each in app.screen.sections if each.is_folded] == ["Resources"]
        assert app.screen.values()["cpu_cores"] == "1"
        await go_to(pilot, "Resources")
        await pilot.press("space")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "field-cpu_cores")
        for each in app.screen.sections:
            await go_to(pilot, each.name)
            await pilot.press("ctrl+f")
            await until(pilot, lambda each=each: each.is_folded)
        assert len(app.screen.query(SectionLine)) == len(app.screen.sections)
        assert app.screen.plan.requests, "folded fields count"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"network": "blocked"}, "network blocked"),
        ({"network": "deny a.b", "kind": "vm"}, "network deny a.b  kind vm"),
        ({"region": "eu-" + "x" * 60}, "…"),
        ({"kind": "pod"}, "✖ Kind: must be container or vm"),
        ({"gpu_count": "1", "gpu_type": "H100_80GB"}, "✖ Kind: GPUs need kind vm"),
        ({"region": "[red]x[/]\x1b[31m"}, "[red]x[/]"),
    ],
)
async def test_a_folded_section_says_what_it_holds(values, expected):
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_form(pilot)
        app.screen.fill(values)
        await pilot.pause()
        assert section(app, "Placement").is_folded
        assert expected in heading(app, "Placement")
        assert "\x1b" not in text_of(app)


async def test_a_folded_section_names_its_variables_without_their_values():
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_form(pilot)
        app.screen.fill({"environment_vars": "A=1 HF_KEY='s3 cr3t'"})
        await go_to(pilot, "Environment")
        await pilot.press("ctrl+f")
        await until(pilot, lambda: section(app, "Environment").is_folded)
        await until(pilot, lambda: "variables A HF_KEY" in heading(app, "Environment"))
        assert "cr3t" not in text_of(app)


async def test_the_next_error_opens_its_section():
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        app.screen.fill({"arch": "sparc"})
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "field-arch")
        assert not section(app, "Placement").is_folded
        assert "✖" in app.screen.line("arch").words


async def test_a_click_folds_and_opens_a_section():
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_form(pilot)
        first = section(app, "Fleet").lines[0]
        await pilot.click(offset=first.region.offset)
        await until(pilot, lambda: section(app, "Fleet").is_folded and section(app, "Fleet").heading.region.area > 0)
        await pilot.click(offset=section(app, "Fleet").heading.region.offset)
        await until(pilot, lambda: not section(app, "Fleet").is_folded)


@pytest.mark.parametrize("end", ["enter", "tab", "pageup"])
async def test_a_file_of_variables_becomes_rows(tmp_path, end):
    (tmp_path / "my.env").write_text(ENV)
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await type_into(pilot, "environment_vars", f"@{tmp_path}/my.env")
        await pilot.press(end)
        await until(pilot, lambda: "SEED=7" in app.screen.values()["environment_vars"])
        wanted = {"SEED": "7", "API_KEY": "abc 123", "DATABASE_URL": "postgres://me:pw@host/db", "NAME": "x"}
        await until(pilot, lambda: app.screen.plan.requests and app.screen.plan.requests[0].environment_vars == wanted)
        assert "@" not in app.screen.values()["environment_vars"].split("postgres")[0]
        rows = app.screen.line("environment_vars").pairs
        await until(pilot, lambda: [row.is_empty for row in rows.children] == [False] * 4 + [True])


async def test_a_pasted_path_becomes_rows_and_keeps_those_that_are_there(tmp_path):
    (tmp_path / ".env").write_text(ENV)
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await type_into(pilot, "environment_vars", "SEED=1")
        await pilot.press("tab")
        app.focused.post_message(events.Paste(f"@{tmp_path}/.env\n"))
        await until(pilot, lambda: "NAME=x" in app.screen.values()["environment_vars"])
        assert app.screen.values()["environment_vars"].startswith("SEED=7 ")


async def test_a_file_that_cannot_be_read_is_named_with_its_row(tmp_path):
    app = World(fleet=0)
    async with app.run_test(size=(200, 50)) as pilot:
        await open_form(pilot)
        app.screen.line("environment_vars").value = f"A=1 @{tmp_path}/nope.env"
        await pilot.pause()
        shown = " ".join(app.screen.line("environment_vars").words.split())
        assert f"row 2: can't read {tmp_path}/nope.env: check the path" in shown
        await pilot.press("ctrl+n")
        await until(pilot, lambda: str(getattr(app.focused, "value", "")).startswith("@"))


@SIZES
async def test_variables_that_look_secret_are_flagged_and_moved(size):
    app = World(fleet=0)
    async with app.run_test(size=size) as pilot:
        await open_form(pilot)
        app.screen.line("environment_vars").value = "SEED=7 HF_TOKEN=hunter2 URL=redis://u:hunter3@h/0"
        await until(pilot, lambda: "2 look secret" in app.screen.line("environment_vars").words)
        assert "ctrl+r" in app.screen.line("environment_vars").words
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.screen.values()["environment_vars"] == "SEED=7")
        assert app.screen.values()["secrets"] == "HF_TOKEN=hunter2 URL=redis://u:hunter3@h/0"
        await until(pilot, lambda: "hunter" not in text_of(app))
        assert set(app.screen.plan.requests[0].secrets) == {"HF_TOKEN", "URL"}


async def test_variables_that_look_secret_reach_no_file_and_are_not_lost_silently():
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        app.screen.line("environment_vars").value = "SEED=7 HF_TOKEN=hunter2"
        await until(pilot, lambda: read_draft(app.paths).get("environment_vars") == "SEED=7")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        assert "lost" in app.screen.question


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "apiKey", "GITHUB_TOKEN", "DB_PASSWORD", "DB_PWD", "AWS_SECRET_ACCESS_KEY", "githubToken", "GH_PAT"],
)
def test_names_that_look_secret(name):
    assert looks_secret(name, "x")
    assert not looks_secret(name, "")
    assert not looks_secret(name, "@env:HOME")


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "MAX_TOKENS", "MONKEY", "AUTHOR", "PWD", "PUBLIC_KEY"])
def test_names_that_do_not(name):
    assert not looks_secret(name, "x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1 B", "row 2 is not KEY=value: add =value, or write @.env for a file"),
        ("A=1 A=2 =x", "row 3: KEY is empty: name it, or clear the value"),
        ("1A=x", "row 1: KEY takes letters, digits and _, and can't start with a digit: rename it"),
        ("A=1 @/no/such/file", "row 2: can't read /no/such/file: check the path"),
    ],
)
def test_what_is_wrong_names_the_row_and_what_to_do(text, problem):
    for read in (environment, secret_values):
        with pytest.raises(FieldProblem) as caught:
            read(text)
        assert str(caught.value) == problem


def test_a_reference_to_nothing_names_its_row():
    with pytest.raises(FieldProblem) as caught:
        secret_values("A=1 B=@env:NO_SUCH_NAME")
    words = "B: the environment variable NO_SUCH_NAME is not set: set it, or write the value (row 2)"
    assert str(caught.value) == words
