"""What a command had written comes with the error that it did not end in time."""

import pytest

from sandtui.client import CommandTimeoutError, CreateSandboxRequest

WRITES = "echo one; echo two >&2; printf three; sleep 60"


@pytest.fixture(params=[False, True], ids=["container", "VM"])
def box(request, client):
    made = client.create(CreateSandboxRequest(name="slow", docker_image="python:3.11-slim", vm=request.param))
    client.wait_for_creation(made.id)
    yield made
    client.delete(made.id)


def test_a_command_that_times_out_has_its_output_in_the_error(client, box):
    with pytest.raises(CommandTimeoutError) as raised:
        client.execute_command(box.id, WRITES, timeout=1)
    assert (raised.value.stdout, raised.value.stderr) == ("one\nthree", "two\n")
    assert box.id in str(raised.value)
    assert WRITES in str(raised.value)
    assert WRITES not in raised.value.explanation, "it may hold what is secret"


def test_output_in_the_error_is_limited(client, box):
    with pytest.raises(CommandTimeoutError) as raised:
        client.execute_command(box.id, "yes", timeout=2)
    assert raised.value.stdout.startswith("y\ny\n")
    assert len(raised.value.stdout) <= 32 << 20


def test_a_command_that_says_nothing(client, box):
    with pytest.raises(CommandTimeoutError) as raised:
        client.execute_command(box.id, "sleep 60", timeout=1)
    assert (raised.value.stdout, raised.value.stderr) == ("", "")
