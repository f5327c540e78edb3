"""The messages of ``command_session.CommandSession`` (wire.md 3.2)."""

from __future__ import annotations

from typing import Final

from sandtui.client.models.proto import Field, Schema

SELECTOR: Final[Schema] = {
    1: Field("pid", "uint32", optional=True),
    3: Field("session_uuid", "string", optional=True),
}
COMMAND: Final[Schema] = {
    1: Field("cmd", "string"),
    2: Field("args", "string", repeated=True),
    3: Field("envs", "map"),
    4: Field("cwd", "string", optional=True),
    5: Field("user", "string", optional=True),
}
PTY: Final[Schema] = {1: Field("size", "message", {1: Field("cols", "uint32"), 2: Field("rows", "uint32")})}
START_REQUEST: Final[Schema] = {
    1: Field("command", "message", COMMAND),
    2: Field("pty", "message", PTY),
    4: Field("stdin", "bool", optional=True),
    5: Field("session_uuid", "string", optional=True),
}
EVENT: Final[Schema] = {
    1: Field("start", "message", {1: Field("pid", "uint32")}),
    2: Field(
        "data", "message", {
            1: Field("stdout", "bytes", optional=True),
            2: Field("stderr", "bytes", optional=True),
            3: Field("pty", "bytes", optional=True),
        },
    ),
    3: Field(
        "end", "message", {
            1: Field("exit_code", "sint32"),
            2: Field("exited", "bool"),
            3: Field("status", "string"),
            4: Field("error", "string", optional=True),
        },
    ),
    4: Field("keepalive", "message", {}),
}  # fmt: skip
EVENT_RESPONSE: Final[Schema] = {1: Field("event", "message", EVENT)}
CONNECT_REQUEST: Final[Schema] = {1: Field("session", "message", SELECTOR)}
INPUT: Final[Schema] = {
    1: Field("stdin", "bytes", optional=True),
    2: Field("pty", "bytes", optional=True),
}
SEND_INPUT_REQUEST: Final[Schema] = {
    1: Field("session", "message", SELECTOR),
    2: Field("input", "message", INPUT),
    3: Field("input_uuid", "string", optional=True),
}
SEND_SIGNAL_REQUEST: Final[Schema] = {
    1: Field("session", "message", SELECTOR),
    2: Field("signal", "enum"),
    3: Field("signal_uuid", "string", optional=True),
}
UPDATE_REQUEST: Final[Schema] = {
    1: Field("session", "message", SELECTOR),
    2: Field("pty", "message", PTY),
}
STREAM_INPUT_REQUEST: Final[Schema] = {
    1: Field("start", "message", {1: Field("session", "message", SELECTOR)}),
    2: Field("data", "message", {1: Field("input", "message", INPUT)}),
    3: Field("keepalive", "message", {}),
}
LIST_RESPONSE: Final[Schema] = {
    1: Field(
        "sessions", "message", {
            1: Field("command", "message", COMMAND),
            2: Field("pid", "uint32"),
            4: Field("session_uuid", "string", optional=True),
        }, repeated=True,
    ),
}  # fmt: skip
EMPTY: Final[Schema] = {}
