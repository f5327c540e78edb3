"""The part of protobuf's wire format that command sessions need, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["string", "bytes", "uint32", "sint32", "bool", "enum", "message", "map"]
Message = dict[str, Any]
"""A message by its field names; a field that is absent has no entry."""

MAX_DEPTH: Final = 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class ProtoError(ValueError):
    """Bytes that are no message of the schema."""


@dataclass(frozen=True)
class Field:
    """One field. ``optional`` ones, and those of a oneof, are sent even when they hold their zero."""

    name: str
    kind: Kind
    schema: Schema | None = None
    repeated: bool = False
    optional: bool = False


Schema = dict[int, Field]


def encode(schema: Schema, message: Message) -> bytes:
    """Return the bytes of a message."""
    out = bytearray()
    for number, field in schema.items():
        value = message.get(field.name)
        if value is None:
            continue
        if field.kind == "map":
            for key, text in value.items():
                _put(out, number, _BYTES, _pair(key, text))
        elif field.repeated:
            for entry in value:
                _put(out, number, *_scalar(field, entry))
        elif value or field.optional or field.kind == "message":
            _put(out, number, *_scalar(field, value))
    return bytes(out)


def decode(schema: Schema, data: bytes, depth: int = 0) -> Message:
    """Return a message; fields that the schema does not have are passed over."""
    if depth > MAX_DEPTH:
        raise ProtoError("nested too deeply")
    message: Message = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ProtoError("a field has the number 0")
        raw, at = _take(data, at, wire)
        field = schema.get(number)
        if field is None or (wire == _BYTES) != (field.kind in ("string", "bytes", "message", "map")):
            continue
        if wire not in (_VARINT, _BYTES):
            continue
        value = _value(field, raw, depth)
        if field.kind == "map":
            message.setdefault(field.name, {}).update(value)
        elif field.repeated:
            message.setdefault(field.name, []).append(value)
        else:
            message[field.name] = value
    return message


def _pair(key: str, text: str) -> bytes:
    out = bytearray()
    _put(out, 1, _BYTES, key.encode("utf-8"))
    _put(out, 2, _BYTES, text.encode("utf-8"))
    return bytes(out)


def _scalar(field: Field, value: Any) -> tuple[int, bytes | int]:
    match field.kind:
        case "string":
            return _BYTES, value.encode("utf-8", "replace")
        case "bytes":
            return _BYTES, bytes(value)
        case "message":
            return _BYTES, encode(field.schema or {}, value)
        case "sint32":
            return _VARINT, (value << 1) ^ (value >> 31) if value >= 0 else ((-value) << 1) - 1
        case _:
            return _VARINT, int(value)


def _put(out: bytearray, number: int, wire: int, value: bytes | int) -> None:
    _put_varint(out, number << 3 | wire)
    if isinstance(value, int):
        _put_varint(out, value)
    else:
        _put_varint(out, len(value))
        out += value


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ProtoError("the message is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ProtoError("a number is too long")


def _take(data: bytes, at: int, wire: int) -> tuple[bytes | int, int]:
    if wire == _VARINT:
        return _varint(data, at)
    if wire == _BYTES:
        length, at = _varint(data, at)
    elif wire in (_FIXED64, _FIXED32):
        length = 8 if wire == _FIXED64 else 4
    else:
        raise ProtoError(f"wire type {wire} is not known")
    if at + length > len(data):
        raise ProtoError("the message is cut off")
    return data[at : at + length], at + length


def _value(field: Field, raw: bytes | int, depth: int) -> Any:
    if isinstance(raw, int):
        match field.kind:
            case "bool":
                return raw != 0
            case "sint32":
                raw &= 0xFFFFFFFF
                return (raw >> 1) ^ -(raw & 1)
            case _:
                return raw & 0xFFFFFFFF
    match field.kind:
        case "string":
            return _text(raw)
        case "message":
            return decode(field.schema or {}, raw, depth + 1)
        case "map":
            pair = decode({1: Field("key", "string"), 2: Field("value", "string")}, raw, depth + 1)
            return {pair.get("key", ""): pair.get("value", "")}
        case _:
            return raw


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtoError("a string is not UTF-8") from error
