"""The create form by keys: every rule has its words beside its field, refusals come back, nothing typed is lost."""

import httpx
import pytest
from textual import events
from textual.widgets import Input

from sandtui.client import Sandbox
from sandtui.config.drafts import read_draft
from sandtui.config.settings import CreateSettings, Settings
from sandtui.fleet.creation.launch import Step
from sandtui.ui.creation.launch import Board
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.services.terminal import TerminalLender
from tests.probes import session_of, suggestion, text_of
from tests.ui.world import World, settled, until

WIDE, NARROW = (120, 36), (80, 24)


def field(app, name):
    return app.screen.query_one(f"#field-{name}", Input)


def words(app, name):
    return app.screen.line(name).words


async def open_form(pilot):
    app = await settled(pilot)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
    return app


async def unfolded(pilot):
    """Open all sections."""
    for section in pilot.app.screen.sections:
        if section.is_folded:
            section.heading.action_open()
            await until(pilot, lambda section=section: section.has_focus)


async def type_into(pilot, name, text):
    line = pilot.app.screen.line(name)
    line.focus_field()
    await pilot.pause()
    entry = pilot.app.focused
    entry.value = ""
    names = {" ": "space", "\0": "ctrl+@"}
    await pilot.press(*(names.get(letter, letter) for letter in text))
    await pilot.pause()


RULES = [
    ("name", "", "a name is required"),
    ("docker_image", "", "an image is required"),
    ("docker_image", "a b", "can't contain spaces"),
    ("cpu_cores", "0", "0.1 to 16"),
    ("cpu_cores", "17", "0.1 to 16"),
    ("memory_gb", "65", "0.1 to 64"),
    ("memory_gb", "x", "a number"),
    ("disk_size_gb", "1001", "0.1 to 1000"),
    ("gpu_count", "9", "0 to 8"),
    ("gpu_type", "H100", "must be at least 1"),
    ("timeout_minutes", "0", "1m to 24h"),
    ("timeout_minutes", "25h", "1m to 24h"),
    ("idle_timeout_minutes", "2h", "at most the lifetime (60m)"),
    ("idle_timeout_minutes", "soon", "90m, 24h"),
    ("network", "allow", "at least one host"),
    ("network", "allow a.b", "need kind vm"),
    ("network", "allow http://a.b", "without a scheme"),
    ("network", "deny *", "open or blocked"),
    ("network", "allow a.b deny c.d", "not both"),
    ("kind", "pod", "container or vm"),
    ("count", "0", "1 to 1000"),
    ("count", "1001", "1 to 1000"),
    ("start", "x", "a whole number"),
    ("matrix", "memory_gb", "NAME=VALUE"),
    ("matrix", "memory_gb=1,99", "0.1 to 64"),
    ("environment_vars", "1A=x", "can't start with a"),
    ("secrets", "B=@env:NO_SUCH_NAME", "NO_SUCH_NAME"),
]


async def test_each_rule_is_shown_beside_its_field_while_typing():
    app = World(fleet=0)
    async with app.run_test(size=NARROW) as pilot:
        await open_form(pilot)
        await unfolded(pilot)
        for name, text, expected in RULES:
            if "=" in text:
                await type_into(pilot, name, text)
            else:
                # All letters at once: the field hears of it as it does of a key.
                app.screen.line(name).focus_field()
                app.screen.line(name).value = ""
                field(app, name).insert_text_at_cursor(text)
                await pilot.pause()
            wrong = {"gpu_type": "gpu_count", "memory_gb=1,99": "memory_gb"}.get(
                text if name == "matrix" else name, name
            )
            await until(pilot, lambda wrong=wrong: wrong in app.screen.problems())
            shown = " ".join(words(app, wrong).split())
            assert "✖" in words(app, wrong)
            assert expected in shown, (name, text, shown)
            app.screen.action_submit()
            assert not app.screen.is_sending, "nothing is sent"
            app.screen.fill({})
        app.screen.line("name").value = "x" * 101
        await pilot.pause()
        assert "101 characters; the maximum is 100" in words(app, "name")


async def test_one_key_goes_from_mistake_to_mistake():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        for name in ("cpu_cores", "kind", "environment_vars"):
            app.screen.line(name).value = "?"
        await pilot.pause()
        reached = []
        for _ in range(4):
            await pilot.press("ctrl+n")
            await pilot.pause()
            reached.append(next(line.field.id for line in app.screen.lines if line.has_focus_within))
        assert reached == ["cpu_cores", "kind", "environment_vars", "cpu_cores"]


class Answering(httpx.AsyncBaseTransport):
    """Answers creations with ``answer`` while there is one; everything else goes to the platform."""

    def __init__(self, inner):
        self.inner = inner
        self.answer = None
        self.bodies = []

    async def handle_async_request(self, request):
        if request.method == "POST" and request.url.path == "/api/v1/sandbox":
            self.bodies.append(request.content)
            if self.answer is not None:
                return self.answer(request)
        return await self.inner.handle_async_request(request)


def world_with(answer, fleet=0):
    transports = []

    def wrap(inner):
        transports.append(Answering(inner))
        transports[0].answer = answer
        return transports[0]

    app = World(fleet=fleet, wrap=wrap)
    app.on_client = lambda client: setattr(session_of(client).retry, "attempts", 1)
    return app, transports


def reply(status, body):
    return lambda _: httpx.Response(status, json=body)


REFUSALS = [
    (402, {"detail": "balance exhausted"}, "Top up the account's balance"),
    (401, {"detail": "Invalid API key"}, "Check PRIME_API_KEY"),
    (422, {"errors": [{"param": "name", "details": "already taken"}]}, "already taken"),
    (429, {"detail": "slow down"}, "Wait and try again"),
]


@pytest.mark.parametrize(("status", "body", "expected"), REFUSALS, ids=[str(row[0]) for row in REFUSALS])
async def test_a_refusal_leaves_the_form_as_it_was_and_says_what_to_do(status, body, expected):
    app, _ = world_with(reply(status, body))
    async with app.run_test(size=NARROW) as pilot:
        await open_form(pilot)
        await type_into(pilot, "labels", "kept")
        await type_into(pilot, "secrets", "TOKEN=hunter2")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.services.notifier.messages and not app.screen.is_sending)
        assert expected in app.services.notifier.messages[-1].text
        assert isinstance(app.screen, CreateScreen)
        assert app.screen.values()["labels"] == "kept"
        assert app.screen.values()["secrets"] == "TOKEN=hunter2"
        if status == 422:
            assert "already taken" in words(app, "name")
            assert field(app, "name").has_focus
            await type_into(pilot, "name", "other")
            assert "already taken" not in words(app, "name"), "the words go when what they are about has changed"


@pytest.mark.parametrize(("status", "body", "expected"), REFUSALS, ids=[str(row[0]) for row in REFUSALS])
async def test_a_refusal_stands_on_the_board_of_a_launch(status, body, expected):
    app, transports = world_with(reply(status, body))
    async with app.run_test(size=NARROW) as pilot:
        await open_form(pilot)
        app.screen.line("count").value = "3"
        await until(pilot, lambda: len(app.screen.plan.requests) == 3)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and not app.screen.launch.running)
        launch = app.screen.launch
        assert launch.counts == {Step.FAILED: 3}
        board = Board(launch, 78)
        lines = ["".join(piece.text for piece in board.line(line, 0.0)) for line in range(len(board))]
        assert " ".join(" ".join(lines).split()).count(expected) == 3
        assert all(len(line) <= 78 for line in lines), "every word of a reason can be read at 80 columns"
        transports[0].answer = None
        await pilot.press("U")
        await until(pilot, lambda: not launch.counts[Step.FAILED] and not launch.counts[Step.QUEUED])


@pytest.mark.parametrize("fails", [False, True])
async def test_the_form_starts_fresh_once_all_were_made(fails):
    app, _ = world_with(reply(402, {"detail": "no"}) if fails else None)

    def has_ended():
        app.local_clock.advance(seconds=2)
        app.manual_clock.advance(seconds=2)
        return isinstance(app.screen, LaunchScreen) and not app.screen.launch.running

    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        app.screen.line("count").value = "3"
        await until(pilot, lambda: len(app.screen.plan.requests) == 3)
        await pilot.press("ctrl+s")
        await until(pilot, has_ended)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        await open_form(pilot)
        assert app.screen.values()["count"] == ("3" if fails else "1"), "what failed can be corrected"


async def test_what_may_have_been_made_is_asked_for_again_with_the_same_key():
    app, transports = world_with(reply(500, {"detail": "broken"}))
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.services.notifier.messages and not app.screen.is_sending)
        assert "without creating a second one" in app.services.notifier.messages[-1].text
        (unfinished,) = app.services.launches.journal.unfinished()
        assert len(unfinished.unknown) == 1
        transports[0].answer = None
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        first, second = transports[0].bodies
        assert first == second
        await until(pilot, lambda: not app.services.launches.journal.unfinished())


async def test_a_full_disk_of_the_platform_is_reported_and_made_nothing():
    app, transports = world_with(reply(507, {"detail": "The disk of the local platform is full. Delete sandboxes."}))
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(app.services.notifier.messages))
        assert "The disk of the local platform is full. Delete sandboxes" in app.services.notifier.messages[-1].text
        assert "no second one" not in app.services.notifier.messages[-1].text
        assert not app.services.launches.journal.unfinished(), "nothing can have been made"
        transports[0].answer = None
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))


async def test_a_single_sandbox_is_recorded_before_it_is_asked_for():
    seen = []
    app, transports = world_with(None)

    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        transports[0].answer = lambda request: (
            seen.append([item.step for launch in app.services.launches.journal.unfinished() for item in launch.items])
            or httpx.Response(402, json={"detail": "no"})
        )
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.services.notifier.messages and not app.screen.is_sending)
        assert seen == [["creating"]]
        assert not app.services.launches.journal.unfinished(), "a refusal is an answer"


async def test_leaving_asks_only_when_something_would_be_lost():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        await type_into(pilot, "labels", "draft")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen), "the draft keeps it"
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
        assert app.screen.values()["labels"] == "draft"
        await type_into(pilot, "secrets", "A=@env:HOME")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen), "a reference is kept too"
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
        assert app.screen.values()["secrets"] == "A=@env:HOME"
        app.screen.line("secrets").value = "A=hunter2"
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, AskDialog)
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.values()["secrets"] == "A=hunter2", "enter stays"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        await until(pilot, lambda: read_draft(app.paths).get("labels") == "draft")
        assert "hunter2" not in app.paths.draft.read_text()
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen), "nothing was changed"


async def test_a_whole_env_file_is_pasted_into_rows():
    app = World(fleet=0)
    async with app.run_test(size=NARROW) as pilot:
        await open_form(pilot)
        await type_into(pilot, "environment_vars", "B=old")
        app.focused.post_message(events.Paste("# mine\nexport A=1\nB='two words'\nC=x#y\n"))
        await until(pilot, lambda: app.screen.plan.requests and len(app.screen.plan.requests[0].environment_vars) > 2)
        assert app.screen.plan.requests[0].environment_vars == {"B": "two words", "A": "1", "C": "x#y"}
        for _ in range(2):
            app.screen.line("environment_vars").focus_field()
            await pilot.pause()
            app.focused.value = ""
            app.focused.parent.value.value = ""
            await pilot.pause()
            await pilot.press("tab", "tab", "tab")
            await pilot.pause()
        assert app.screen.plan.requests[0].environment_vars == {"C": "x#y"}, "emptied rows go"


async def test_secrets_are_masked_and_references_are_not():
    app = World(fleet=0)
    async with app.run_test(size=NARROW) as pilot:
        await open_form(pilot)
        await type_into(pilot, "secrets", "A=hunter2")
        assert app.focused.password
        app.focused.value = "@env:HOME"
        await pilot.pause()
        assert not app.focused.password
        assert "hunter2" not in text_of(app)
        assert "@env:HOME" in text_of(app)


async def test_labels_and_images_are_offered_from_what_is_there():
    app = World(fleet=40)
    app.services.settings = Settings(create=CreateSettings(images=("acme/special:1",)))
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        session = app.services.platform.session
        label = session.store.totals.labels.most_common(1)[0][0]
        await type_into(pilot, "labels", f"mine {label[:1]}")
        assert label in words(app, "labels")
        await until(pilot, lambda: suggestion(app.focused))
        await pilot.press("right")
        assert app.focused.value.startswith("mine ")
        assert app.focused.value.split()[1] in session.store.totals.labels
        await type_into(pilot, "docker_image", "special")
        await pilot.press("down")
        assert app.focused.value == "acme/special:1"
        await pilot.press("down")
        assert app.focused.value == "special", "and back to what was typed"


async def test_the_platform_is_asked_about_the_image(monkeypatch):
    monkeypatch.setattr("sandtui.ui.creation.screen.IMAGE_SECONDS", 0.01)
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        await until(pilot, lambda: "✓" in words(app, "docker_image"))

        async def check(image):
            from sandtui.client.models.access import DockerImageCheckResponse

            return DockerImageCheckResponse(accessible=False, details="[red]no such tag[/]")

        app.services.platform.session.client.check_docker_image = check
        await type_into(pilot, "docker_image", "nope:1")
        await until(pilot, lambda: "▲ [red]no such tag[/]" in words(app, "docker_image"))
        assert app.screen.plan.requests, "the platform has the last word when it is asked to make it"


async def test_an_edited_text_fills_the_form_and_a_broken_one_is_not_lost(monkeypatch):
    texts = []
    edits = iter(['memory_gb = 4\nlabels = "x"\n', "memory_gb = [", 'name = "back"\n'])

    def edit(lender, text, name, done):
        texts.append(text)
        done(next(edits))

    monkeypatch.setattr(TerminalLender, "edit_text", edit)
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await open_form(pilot)
        app.screen.line("secrets").value = "A=hunter2 B=@env:HOME"
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert "hunter2" not in texts[0]
        assert "@env:HOME" in texts[0]
        values = app.screen.values()
        assert (values["memory_gb"], values["labels"], values["secrets"]) == ("4", "x", "A=hunter2")
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert "Form not changed" in app.services.notifier.messages[-1].text
        assert app.screen.values()["memory_gb"] == "4"
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert texts[2] == "memory_gb = [", "what was typed in the editor comes back"
        assert app.screen.values()["name"] == "back"


async def test_a_sandbox_is_duplicated_into_the_form():
    app = World(fleet=0)
    like = Sandbox(
        id="sbx_1",
        name="[b]old[/b]",
        docker_image="acme/sim:9",
        status="RUNNING",
        memory_gb=8,
        cpu_cores=1,
        disk_size_gb=5,
        labels=["rl", "launch=0badcafe"],
        environment_vars={"A": "two words", "B": ""},
        network_access=False,
        timeout_minutes=90,
    )
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.services.navigator.open_create(like)
        await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
        (request,) = app.screen.plan.requests
        assert (request.name, request.docker_image, request.memory_gb) == ("[b]old[/b]-copy", "acme/sim:9", 8)
        assert (request.labels, request.network_access, request.timeout_minutes) == (["rl"], False, 90)
        assert request.environment_vars == {"A": "two words", "B": ""}
