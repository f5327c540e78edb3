"""Live processes and connections of the blocking client, against the real local platform."""

import threading
import time

import asyncssh
import pytest

from sandtui.client import CreateSandboxRequest, InvalidRequestError, NotFoundError
from tests.probes import end_live_side


@pytest.fixture
def vm(client):
    made = client.create(CreateSandboxRequest(name="vm", docker_image="python:3.11-slim", vm=True))
    client.wait_for_creation(made.id)
    yield made
    client.delete(made.id)


def ends(client, sandbox_id, command):
    """Return whether a command ends soon: it is told to, and nobody waits for it."""
    deadline = time.monotonic() + 20
    while command in client.execute_command(sandbox_id, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout:
        if time.monotonic() > deadline:
            return False
    return True


def live_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("sandtui-live")}


def test_a_process_is_read_and_written_at_once(client, vm):
    with client.open_process(vm.id, "cat; echo end >&2; exit 4") as process:
        assert process.pid
        process.write_stdin(b"one\n")
        assert next(process.stdout) == b"one\n"
        process.write_stdin(b"two\n")
        assert next(process.stdout) == b"two\n"
        process.terminate()
        assert process.wait() == process.returncode == 143
        assert list(process.stdout) == []


def test_a_process_with_a_terminal(client, vm):
    with client.open_process(vm.id, "stty size; read x; stty size", size=(80, 24)) as process:
        seen = b""
        while b"24 80" not in seen:
            seen += next(process.stdout)
        process.resize(100, 30)
        process.write_stdin(b"\r")
        assert b"30 100" in b"".join(process.stdout)
        assert process.wait() == 0


def test_a_process_ends_with_its_block(client, vm):
    with client.open_process(vm.id, "sleep 98765"):
        pass
    assert ends(client, vm.id, "sleep 98765")


def test_a_container_has_none(client, sandbox):
    with pytest.raises(InvalidRequestError, match="connect_ssh"):
        client.open_process(sandbox.id, "true")


def test_a_connection_by_ssh(client, sandbox):
    with client.connect_ssh(sandbox.id) as ssh:
        result = ssh.call(ssh.connection.run, "hostname; exit 3")
        assert (result.stdout, result.exit_status) == ("guide\n", 3)
        with pytest.raises(asyncssh.ProcessError):
            ssh.call(ssh.connection.run, "false", check=True)
    with pytest.raises(NotFoundError), client.connect_ssh("sbx_unknown"):
        pass


def test_a_container_streams_over_ssh(client, sandbox):
    command = "echo $A; pwd; echo bad >&2; exit 6"
    events = list(client.stream_command(sandbox.id, command, "/tmp", env={"A": "b c"}))
    assert events[0].transport == "ssh"
    output = {"stdout": b"", "stderr": b""}
    for event in events[1:-1]:
        output[event.stream] += event.data
    assert output == {"stdout": b"b c\n/tmp\n", "stderr": b"bad\n"}
    assert events[-1].exit_code == 6


def test_the_thread_is_there_when_it_is_needed_and_no_longer(client, sandbox):
    of_others = live_threads()
    assert client.execute_command(sandbox.id, "echo 1").stdout == "1\n"
    assert live_threads() == of_others
    events = client.stream_command(sandbox.id, "echo first; sleep 45678")
    assert next(events).transport == "ssh"
    assert live_threads() > of_others
    events.close()
    assert ends(client, sandbox.id, "sleep 45678")
    end_live_side(client)
    assert live_threads() == of_others
    assert next(client.stream_command(sandbox.id, "true")).transport == "ssh", "and it comes again"
