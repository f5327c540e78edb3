"""Where nothing isolates sandboxes: a command refuses, the dashboard asks once, and nobody gets it silently."""

from argparse import Namespace

import pytest

from sandtui.cli.connect import connect_command, connect_to
from sandtui.config.contexts import LOCAL
from sandtui.fleet.inventory.connection import ConnectError
from sandtui.local import service
from sandtui.local.service import Endpoint
from sandtui.local.settings import LocalError, NothingIsolatesError

SENTENCE = "Nothing on this machine can isolate sandboxes: name the driver (--driver process)."


@pytest.fixture
def started(monkeypatch):
    """The drivers that were asked for, on a machine where nothing isolates."""
    asked = []

    def ensure(settings):
        asked.append(settings.driver)
        if settings.driver == "auto":
            raise NothingIsolatesError(SENTENCE)
        return Endpoint("http://127.0.0.1:1", "k" * 40, 1, settings.driver, "Sandboxes are NOT isolated.")

    monkeypatch.setattr(service, "ensure", ensure)
    return asked


async def test_a_command_starts_nothing_that_does_not_isolate(started, tmp_path):
    # Not even after the dashboard's user agreed: nobody sits before a script.
    (tmp_path / "answer").write_text("yes\n")
    with pytest.raises(ConnectError, match="--driver process") as caught:
        await connect_command(Namespace(context=LOCAL, read_only=False))
    assert caught.value.offer is None
    assert started == ["auto"]


async def test_the_dashboard_asks_once_and_remembers_a_yes(started, tmp_path):
    answer = tmp_path / "state" / "answer"
    with pytest.raises(ConnectError, match="--driver process") as caught:
        await connect_to(LOCAL, read_only=True, answer=answer)
    assert started == ["auto"]
    offer = caught.value.offer
    assert "read and change everything" in offer.question
    assert not offer.declined
    connection = await offer.accept()
    assert (connection.isolated, connection.warning, connection.config.read_only) == (False, True, True)
    assert "NOT isolated" in connection.note
    again = await connect_to(LOCAL, answer=answer)
    # What isolates comes first each time: the answer is for a machine on which nothing does.
    assert (again.isolated, started) == (False, ["auto", "auto", "process", "auto", "process"])


async def test_a_no_is_remembered_until_the_user_tries_again(started, tmp_path):
    for declined in (False, True, True):
        with pytest.raises(ConnectError) as caught:
            await connect_to(LOCAL, answer=tmp_path / "answer")
        assert caught.value.offer.declined is declined
        await caught.value.offer.decline()
    assert "process" not in started


async def test_any_other_fault_offers_nothing(monkeypatch, tmp_path):
    def ensure(settings):
        raise LocalError("Cannot determine whether this machine can isolate sandboxes.")

    monkeypatch.setattr(service, "ensure", ensure)
    (tmp_path / "answer").write_text("yes\n")
    with pytest.raises(ConnectError, match="Cannot determine") as caught:
        await connect_to(LOCAL, answer=tmp_path / "answer")
    assert caught.value.offer is None


async def test_a_command_says_what_is_not_isolated(monkeypatch, capsys):
    warning = "Sandboxes share this machine's network."
    monkeypatch.setattr(service, "ensure", lambda _: Endpoint("http://127.0.0.1:1", "k" * 40, 1, "namespace", warning))
    connection = await connect_command(Namespace(context=LOCAL, read_only=False))
    assert connection.isolated
    assert capsys.readouterr() == ("", f"sandtui: warning: {warning}\n")
