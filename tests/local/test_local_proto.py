"""The protobuf codec: golden bytes, round trips, and bytes that are no message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client.models import command_session as messages
from sandtui.client.models.proto import Field, ProtoError, Schema, decode, encode

SCHEMAS = [value for name, value in vars(messages).items() if name.isupper() and isinstance(value, dict)]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bytes": st.binary(max_size=40),
    "uint32": st.integers(0, 2**32 - 1),
    "enum": st.integers(0, 2**31 - 1),
    "sint32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "map": st.dictionaries(TEXT, TEXT, max_size=4),
}


def of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    optional = {field.name: value_of(field) for field in schema.values()}
    return st.fixed_dictionaries({}, optional=optional)


def value_of(field: Field) -> st.SearchStrategy[Any]:
    one = of(field.schema or {}) if field.kind == "message" else VALUES[field.kind]
    return st.lists(one, max_size=3) if field.repeated else one


def without_zeros(schema: Schema, message: dict[str, Any]) -> dict[str, Any]:
    """Return what survives: proto3 doesn't send the zero of a field without presence."""
    found = {}
    for field in schema.values():
        value = message.get(field.name)
        if value is None or (not value and not field.optional and field.kind != "message"):
            continue
        if field.kind == "message":
            inner = field.schema or {}
            value = [without_zeros(inner, v) for v in value] if field.repeated else without_zeros(inner, value)
        if value or field.optional or not field.repeated:
            found[field.name] = value
    return {name: value for name, value in found.items() if not (isinstance(value, list) and not value)}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_message_comes_back(schema: Schema) -> None:
    @given(of(schema))
    def comes_back(message: dict[str, Any]) -> None:
        assert decode(schema, encode(schema, message)) == without_zeros(schema, message)

    comes_back()


@given(st.sampled_from(SCHEMAS), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(schema: Schema, data: bytes) -> None:
    try:
        message = decode(schema, data)
    except ProtoError:
        return
    assert isinstance(encode(schema, message), bytes)


@given(of(messages.START_REQUEST), st.integers(16, 500), st.binary(max_size=20))
def test_unknown_fields_are_passed_over(message: dict[str, Any], number: int, data: bytes) -> None:
    known = encode(messages.START_REQUEST, message)
    extra = encode({number: Field("x", "bytes", optional=True)}, {"x": data})
    assert decode(messages.START_REQUEST, extra + known) == decode(messages.START_REQUEST, known)


@pytest.mark.parametrize(
    ("schema", "message", "golden"),
    [
        # Worked out by hand from the encoding rules: tag = number << 3 | wire type, sint32 in zigzag.
        (messages.EVENT_RESPONSE, {"event": {"start": {"pid": 300}}}, "0a050a0308ac02"),
        (messages.EVENT_RESPONSE, {"event": {"data": {"stdout": b"hi"}}}, "0a0612040a026869"),
        (messages.EVENT_RESPONSE, {"event": {"end": {"exit_code": -1, "exited": True}}}, "0a061a0408011001"),
        (messages.EVENT_RESPONSE, {"event": {"end": {"exit_code": 7}}}, "0a041a02080e"),
        (messages.EVENT_RESPONSE, {"event": {"keepalive": {}}}, "0a022200"),
        (messages.START_REQUEST, {"command": {"cmd": "a", "envs": {"k": "v"}}}, "0a0b0a01611a060a016b120176"),
        (messages.START_REQUEST, {"stdin": False}, "2000"),
    ],
)  # fmt: skip
def test_golden_bytes(schema: Schema, message: dict[str, Any], golden: str) -> None:
    assert encode(schema, message).hex() == golden
    assert decode(schema, bytes.fromhex(golden)) == message


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05a", b"\xff" * 11, b"\x0b", b"\x02\x00", b"\x0a\x03\x0a\x01\xff"])
def test_malformed_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(ProtoError):
        decode(messages.START_REQUEST, data)


def test_deep_nesting_ends_in_an_error() -> None:
    deep: Schema = {}
    deep[1] = Field("x", "message", deep)
    data = b""
    for _ in range(100):
        data = b"\x0a" + bytes([len(data)]) + data if len(data) < 128 else b"\x0a\xff\x01" + data
    with pytest.raises(ProtoError):
        decode(deep, data)
