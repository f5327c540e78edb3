"""The messages of command sessions: the bytes on the wire, and that the generated code belongs to the .proto file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError

from sandtui.client.models import command_session_pb2 as messages

PROTO = Path(messages.__file__).with_name("command_session.proto")


@pytest.mark.parametrize(
    ("message", "golden"),
    [
        # Worked out by hand from the encoding rules: tag = number << 3 | wire type, sint32 in zigzag.
        (messages.EventResponse(event={"start": {"pid": 300}}), "0a050a0308ac02"),
        (messages.EventResponse(event={"data": {"stdout": b"hi"}}), "0a0612040a026869"),
        (messages.EventResponse(event={"end": {"exit_code": -1, "exited": True}}), "0a061a0408011001"),
        (messages.EventResponse(event={"end": {"exit_code": 7}}), "0a041a02080e"),
        (messages.EventResponse(event={"keepalive": {}}), "0a022200"),
        (messages.StartRequest(command={"cmd": "a", "envs": {"k": "v"}}), "0a0b0a01611a060a016b120176"),
        (messages.StartRequest(stdin=False), "2000"),
        (messages.SendSignalRequest(session={"session_uuid": "u"}, signal="SIGNAL_SIGTERM"), "0a031a0175100f"),
    ],
)  # fmt: skip
def test_the_bytes_on_the_wire_are_those_of_the_protocol(message, golden):
    assert message.SerializeToString().hex() == golden
    assert type(message).FromString(bytes.fromhex(golden)) == message


def test_a_field_of_a_later_version_is_passed_over():
    known = messages.StartRequest(command={"cmd": "true"}).SerializeToString()
    later = bytes([0xFA, 0x01, 0x03]) + b"new"  # field 31, three bytes
    assert messages.StartRequest.FromString(later + known).command.cmd == "true"


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05a", b"\xff" * 11, b"\x0b", b"\x02\x00", b"\x0a\x03\x0a\x01\xff"])
def test_malformed_bytes_are_an_error(data):
    with pytest.raises(DecodeError):
        messages.StartRequest.FromString(data)


def test_the_generated_messages_are_those_of_the_file():
    """Run `make proto` after a change of the file."""
    text = re.sub(r"//.*", "", PROTO.read_text())
    field = r"(?:(?:optional|repeated) )?(?:map<[^>]*>|\w+) (\w+) = (\d+);"
    written = sorted((name, int(number)) for name, number in re.findall(field, text))

    def fields(descriptor):
        for each in descriptor.fields:
            yield each.name, each.number
        for nested in descriptor.nested_types:
            if not nested.GetOptions().map_entry:
                yield from fields(nested)

    made = messages.DESCRIPTOR.message_types_by_name
    assert sorted(each for descriptor in made.values() for each in fields(descriptor)) == written
    assert set(re.findall(r"^message (\w+)", text, re.MULTILINE)) == set(made)
    methods = messages.DESCRIPTOR.services_by_name["CommandSession"].methods
    assert [each.name for each in methods] == re.findall(r"rpc (\w+)", text)


def test_a_program_can_load_the_platforms_own_file_too():
    """protobuf has one pool for a program, in which a name can stand for one thing only."""
    program = """
from google.protobuf import descriptor_pb2, descriptor_pool
import sandtui.client.models.command_session_pb2
file = descriptor_pb2.FileDescriptorProto(name="command_session.proto", package="command_session")
file.message_type.add(name="StartRequest")
descriptor_pool.Default().Add(file)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_client_starts_without_protobuf():
    program = "import sys; from sandtui.client import SandboxClient; print('google.protobuf' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout == "False\n"
