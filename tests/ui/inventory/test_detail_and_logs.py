"""One sandbox: events, use, copies; and its log."""

import os
from dataclasses import replace

from textual.widgets import Input

from sandtui.client import AsyncSandboxClient, AttachedVolume, LanNetwork
from sandtui.client.models import CommandResponse
from sandtui.ui import clipboard_tools as clipboard
from sandtui.ui import web_browser as browser
from sandtui.ui.dialogs.choose import ChooseDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.ports.screen import PortsScreen
from sandtui.ui.widgets.output_view import OutputView
from tests.fleet.factory import sandbox
from tests.probes import text_of
from tests.ui.world import World, settled, until

WIDE = (120, 36)


async def test_the_detail_tells_what_happened_in_this_session():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        row = app.screen.target
        store = app.services.platform.session.store
        store.apply([row.sandbox.model_copy(update={"status": "ERROR", "error_type": "OOM_KILLED"})])
        app.services.platform.session.history.note(row.id, "$ [/] \x1b[31m  exit 0")
        await pilot.press("enter")
        await pilot.pause()
        shown = text_of(app)
        assert "PENDING → ERROR (OOM_KILLED)" in shown
        assert "$ [/] ␛[31m  exit 0" in shown
        assert "more memory" in shown, "the fix that the guide recommends"


async def test_the_ports_open_for_the_sandbox_that_is_shown():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        row = app.screen.target
        await pilot.press("enter", "p")
        await until(pilot, lambda: isinstance(app.screen, PortsScreen))
        assert app.screen.sandbox_id == row.id
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))


async def test_what_it_uses_is_asked_only_while_somebody_wants_to_know():
    app = World()
    asked = []
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)

        async def execute(sandbox_id, command, timeout=None):
            asked.append(sandbox_id)
            return CommandResponse(
                stdout=f"cpu {len(asked)}000000\nmemory 1048576\nlimit 4194304\nuptime {len(asked)}\n",
                stderr="",
                exit_code=0,
            )

        app.services.platform.session.client.execute_command = execute
        await pilot.press("enter")
        await pilot.pause()
        assert asked == []
        timers = []
        app.screen.set_timer = lambda _, callback: timers.append(callback)
        await pilot.press("percent_sign")
        await until(pilot, lambda: "1 MB of 4 MB" in text_of(app))
        assert len(asked) == 1
        timers.pop()()
        await until(pilot, lambda: "1.00" in text_of(app))
        await pilot.press("percent_sign")
        timers.pop()()
        await pilot.pause()
        assert len(asked) == 2, "m ended it"


async def test_what_can_be_copied_is_offered_and_what_was_copied_kept():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        row = app.screen.target
        await pilot.press("Y")
        assert isinstance(app.screen, ChooseDialog)
        await pilot.press("2")
        await pilot.pause()
        assert app.clipboard == row.sandbox.name
        await pilot.press("y")
        assert app.clipboard == row.id
        assert list(app.services.clipboard.copied) == [row.id, row.sandbox.name]
        await pilot.press("enter", "Y", "4")
        await pilot.pause()
        assert isinstance(app.screen, DetailScreen)
        assert "execute_command" in app.clipboard


async def test_the_web_page_is_opened_beside_the_terminal_or_its_address_copied(monkeypatch, tmp_path):
    opened = tmp_path / "opened"
    fake = tmp_path / "bin" / "xdg-open"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$1" > {opened}.part; mv {opened}.part {opened}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        row = app.screen.target
        await pilot.press("B")
        assert "No web console" in app.services.notifier.messages[-1].text
        connection = app.services.platform.connection
        app.services.platform.connection = replace(
            connection, config=replace(connection.config, frontend_url="https://page.test")
        )
        await pilot.press("B")
        assert app.services.clipboard.copied[0] == "https://page.test"
        assert "copied" in app.services.notifier.messages[-1].text
        assert browser.opener(os.environ) is None
        monkeypatch.setenv("DISPLAY", ":0")
        await pilot.press("enter", "B")
        await until(pilot, opened.exists)
        assert opened.read_text() == "https://page.test\n"
        assert app.clipboard == row.id
        opened.unlink()
        for rude in ("file:///etc/passwd", "javascript:alert(1)", "https:///x", "--help", "http://\x00", "\x1b[2J"):
            app.services.clipboard.open_url(rude)
            assert (
                "Can't open" in app.services.notifier.messages[-1].text
                and "\x1b" not in app.services.notifier.messages[-1].text
            )
        app.services.clipboard.open_url("https://page.test/a b?q='$(reboot)`\"<>")
        await until(pilot, opened.exists)
        assert opened.read_text() == "https://page.test/a%20b?q=%27%24(reboot)%60%22%3C%3E\n"


async def open_log(pilot, text):
    app = pilot.app
    await settled(pilot)

    async def get_logs(sandbox_id):
        return text

    app.services.platform.session.client.get_logs = get_logs
    await pilot.press("L")
    await until(pilot, lambda: app.screen.pane.load_state.is_loaded)
    return app.screen


async def test_a_log_is_searched_both_ways():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        screen = await open_log(
            pilot, "\n".join(f"line {number} {'error' * (number % 10 == 3)}" for number in range(60))
        )
        await pilot.press("g", "slash")
        app.screen.query_one(Input).value = "error"
        await pilot.press("enter")
        await pilot.pause()
        view = screen.query_one(OutputView)
        assert view.cursor == 3
        await pilot.press("n")
        assert view.cursor == 13
        await pilot.press("N", "N")
        assert view.cursor == 53
        await pilot.press("y")
        assert app.clipboard == "line 53 error"


async def test_a_log_is_wrapped_and_saved(tmp_path):
    app = World()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_log(pilot, "short\n" + "x" * 200 + "\nlast\n")
        assert (screen.pane.view.count, screen.pane.view.rows) == (3, 3)
        await pilot.press("w")
        assert (screen.pane.view.count, screen.pane.view.rows) == (3, 5)
        file = tmp_path / "out.log"
        await pilot.press("W")
        app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved " in said.text for said in app.services.notifier.messages))
        assert file.read_text() == "short\n" + "x" * 200 + "\nlast\n"


async def test_a_log_is_fetched_again_and_what_is_paused_stays_in_its_place():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        screen = await open_log(pilot, "\n".join(map(str, range(100))))
        calls = []

        async def get_logs(sandbox_id):
            calls.append(sandbox_id)
            return "\n".join(map(str, range(100 + len(calls))))

        app.services.platform.session.client.get_logs = get_logs
        app.manual_clock.advance(5)
        screen.tick()
        await until(pilot, lambda: len(screen.pane.shown) == 101)
        view = screen.query_one(OutputView)
        assert view.cursor == 100
        await pilot.press("k", "k")
        for count in (102, 103):
            app.manual_clock.advance(5)
            screen.tick()
            await until(pilot, lambda count=count: len(screen.pane.shown) == count)
        assert view.cursor == 98, "following ended when the cursor left the end"
        assert "paused · 2 new" in str(screen.pane.border_subtitle)
        await pilot.press("t")
        assert view.cursor == 102
        assert screen.pane.unseen == 0
        await pilot.press("t")
        assert not view.following


STAMPED = "\n".join(f"2026-11-24T14:00:{n:02}Z {'error' if n % 10 == 3 else 'fine'} {n}" for n in range(60))


async def test_a_log_is_filtered_and_its_times_are_hidden():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        screen = await open_log(pilot, STAMPED)
        pane = screen.pane
        await pilot.press("k")
        pane.view.go_to(23)
        await pilot.press("ampersand")
        app.screen.query_one(Input).value = "error"
        await pilot.press("enter")
        await pilot.pause()
        assert len(pane.shown) == 6
        assert pane.shown[pane.view.cursor].endswith("error 23"), "the line under the cursor stays"
        await pilot.press("c")
        assert pane.shown[0] == "error 3"
        await pilot.press("ampersand", "c")
        assert len(pane.shown) == 60
        assert pane.shown[pane.view.cursor].endswith("Z error 23")


async def test_logs_of_the_marked_stand_side_by_side_as_there_is_room():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = []

        async def get_logs(sandbox_id):
            asked.append(sandbox_id)
            return f"log of {sandbox_id}\n"

        app.services.platform.session.client.get_logs = get_logs
        await pilot.press(*["space"] * 6, "L")
        await until(pilot, lambda: len(app.screen.sandbox_ids) == 6)
        screen = app.screen
        await until(pilot, lambda: len(asked) == 4 and all(pane.shown for pane in screen.in_view))
        assert [pane.display for pane in screen.panes] == [True] * 4 + [False] * 2
        await pilot.press("tab", "tab", "tab", "tab")
        await until(pilot, lambda: len(set(asked)) == 6)
        assert [pane.display for pane in screen.panes] == [False] * 4 + [True] * 2
        assert screen.focused is screen.panes[4].view
        await pilot.press("shift+tab", "enter")
        assert [pane.display for pane in screen.panes] == [False] * 3 + [True] + [False] * 2
        await pilot.press("enter")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: [pane.display for pane in screen.panes] == [False] * 2 + [True] * 2 + [False] * 2)
        await pilot.resize_terminal(70, 24)
        await until(pilot, lambda: sum(pane.display for pane in screen.panes) == 1)


def test_the_clipboard_of_another_machine_is_left_alone(monkeypatch):
    monkeypatch.setattr(clipboard.shutil, "which", lambda name: f"/bin/{name}")
    assert clipboard.helper({"DISPLAY": ":0"}, "linux") == ("xclip", "-selection", "clipboard")
    assert clipboard.helper({"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}, "linux") == ("wl-copy",)
    assert clipboard.helper({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, "linux") is None
    assert clipboard.helper({}, "linux") is None
    assert clipboard.helper({}, "darwin") == ("pbcopy",)


async def test_the_networks_and_volumes_of_a_sandbox_are_shown(monkeypatch):
    network = {"id": "lan_1", "name": "lab [/]", "members": None}
    asked = []

    async def listed(_, team_id=None):
        return [LanNetwork.model_validate(network)]

    async def get(_, network_id):
        asked.append(network_id)
        member = {"sandbox_id": "sbx_0001", "tags": ["db"], "synced": True, "address": "10.9.0.2"}
        return LanNetwork.model_validate({**network, "members": [member]})

    monkeypatch.setattr(AsyncSandboxClient, "list_lan_networks", listed)
    monkeypatch.setattr(AsyncSandboxClient, "get_lan_network", get)
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        mount = AttachedVolume(name="data", mount_path="/data", read_only=True)
        app.services.platform.session.store.apply([sandbox(1, volumes=[mount])])
        app.services.navigator.open_detail("sbx_0001")
        await until(pilot, lambda: "lab [/] tag:db  10.9.0.2" in text_of(app))
        assert "data:/data:ro" in text_of(app)
        assert asked == ["lan_1"]
