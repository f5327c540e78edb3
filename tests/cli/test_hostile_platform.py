"""What a malicious platform says reaches no terminal as it came, whichever command asked it."""

import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.cli.program import main
from sandtui.client import APIError, RequestRejectedError, SandboxClient, SandboxClientError
from sandtui.printable import clean

RUDE = "no\x1b]52;c;aGk=\x07\x1b]0;title\x07\x9b2J\u202eevil\u2028\rsandtui: all is well\n\x1b[2K"

COMMANDS = {
    "run": ["run", "x", "--", "true"],
    "run as JSON": ["run", "x", "--json", "--", "true"],
    "cp from": ["cp", "x:/etc/hosts", "-"],
    "cp to": ["cp", "README.md", "x:/tmp/"],
    "sync": ["sync", ".", "x:/tmp/a"],
    "shell": ["shell", "x"],
    "shell with a command": ["shell", "x", "--", "true"],
    "exec": ["exec", "x", "--", "true"],
    "jobs start": ["jobs", "start", "x", "--", "true"],
    "jobs ls": ["jobs", "ls"],
    "jobs logs": ["jobs", "logs", "x"],
    "jobs stop": ["jobs", "stop", "x", "--all"],
    "ports ls": ["ports", "ls"],
    "ports expose": ["ports", "expose", "x", "8000"],
    "ports rm": ["ports", "rm", "x", "8000"],
    "forward": ["forward", "x", "0"],
    "egress": ["egress", "x"],
    "egress as JSON": ["egress", "x", "-o", "json"],
    "change egress": ["egress", "x", "--clear"],
    "ls": ["ls"],
    "ls as a table": ["ls", "-o", "wide"],
    "ls as JSON": ["ls", "-o", "json"],
    "ls as names": ["ls", "-o", "name"],
    "get": ["get", "x"],
    "rm": ["rm", "x", "--yes"],
    "wait": ["wait", "x", "--for", "ended", "--timeout", "0.01"],
    "wait for jobs": ["wait", "x", "--for", "job done", "--timeout", "0.01"],
    "logs": ["logs", "status:running"],
    "logs as JSON": ["logs", "status:running", "-o", "jsonl"],
    "top": ["top"],
    "view": ["view", "just failed"],
    "rm by a filter": ["rm", "status:running", "--yes"],
    "get as JSON": ["get", "x", "-o", "json"],
    "create": ["create", "python"],
    "fork": ["fork", "x"],
    "checkpoint take": ["checkpoint", "take", "x"],
    "checkpoint ls": ["checkpoint", "ls"],
    "checkpoint rm": ["checkpoint", "rm", "c"],
    "checkpoint rm of a sandbox": ["checkpoint", "rm", "--sandbox", "x", "--yes"],
    "diff": ["diff", "x", "c", "/"],
    "network create": ["network", "create", "n", "*->*"],
    "network ls": ["network", "ls"],
    "network get": ["network", "get", "n"],
    "network rules": ["network", "rules", "n", "*->*"],
    "network join": ["network", "join", "n", "x"],
    "network leave": ["network", "leave", "n", "x"],
    "network rm": ["network", "rm", "n"],
    "volume create": ["volume", "create", "v"],
    "volume ls": ["volume", "ls"],
    "volume rm": ["volume", "rm", "v"],
    "volume publish": ["volume", "publish", "x", "v"],
    "image ls": ["image", "ls"],
    "image transfer": ["image", "transfer", "i"],
    "image update": ["image", "update", "i:1", "--public"],
    "image cancel": ["image", "cancel", "b"],
    "image rm": ["image", "rm", "i:1"],
    "doctor": ["doctor"],
}


class Rude(BaseHTTPRequestHandler):
    """Answers every request with an error, or with rows, whose texts a terminal would obey."""

    def reply(self):
        status, body = self.server.answer
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = reply

    def log_message(self, *_):
        pass


def row(number):
    moment = "2026-11-24T14:00:00Z"
    return {
        "id": f"x{RUDE}{number}",
        "name": "x",
        "labels": [RUDE],
        "dockerImage": RUDE,
        "status": "RUNNING",
        "createdAt": moment,
        "updatedAt": moment,
    } | {"cpuCores": 1, "memoryGB": 1, "diskSizeGB": 5, "diskMountPath": "/", "timeoutMinutes": 60, "gpuCount": 0}


ANSWERS = {
    "400": (400, {"detail": RUDE}),
    "403": (403, {"error": RUDE, "message": RUDE}),
    "404": (404, {"detail": RUDE}),
    "422": (422, {"errors": [{"param": RUDE, "details": RUDE}]}),
    "422 of FastAPI": (422, {"detail": [{"loc": ["body", RUDE], "msg": RUDE, "type": RUDE}]}),
    "rows": (200, {"sandboxes": [row(1), row(2)], "total": 2, "page": 1, "perPage": 100, "hasNext": False}),
    "something else": (200, {"detail": RUDE, RUDE: RUDE}),
}


@pytest.fixture
def platform(clean_home, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Rude)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PRIME_API_KEY", "key-of-this-test")
    monkeypatch.setenv("PRIME_API_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.chdir(clean_home)
    (clean_home / "README.md").write_text("text\n")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def is_plain(text):
    # Tabs are our own, between the values of a line.
    return all(clean(line) == line for line in text.replace("\t", " ").split("\n"))


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_what_a_terminal_obeys(platform, command, answer, capsys):
    platform.answer = ANSWERS[answer]
    code = main(COMMANDS[command])
    said = capsys.readouterr()
    assert is_plain(said.out + said.err), (said.out, said.err)
    assert "\nsandtui: all is well" not in said.err, "the platform can't speak for us"
    listing = command.startswith(("ls", "ports ls", "checkpoint ls")) and answer == "rows"
    # An object without rows has none.
    listing = listing or (command in ("volume ls", "image ls", "network ls") and ANSWERS[answer][0] == 200)
    # Whatever a platform answers to a deletion with 200, it has deleted.
    deleted = command in ("checkpoint rm", "volume rm", "image rm") and ANSWERS[answer][0] == 200
    assert code != 0 or command == "doctor" or listing or deleted


def test_the_errors_of_the_client_are_plain_in_scripts(platform):
    platform.answer = ANSWERS["400"]
    with SandboxClient() as client, pytest.raises(APIError) as caught:
        client.get("x")
    for text in (str(caught.value), caught.value.message, caught.value.explanation):
        assert "\n" not in text and is_plain(text)
    assert is_plain("".join(traceback.format_exception_only(caught.value)))
    platform.answer = ANSWERS["422"]
    with SandboxClient() as client, pytest.raises(RequestRejectedError) as refused:
        client.get("x")
    assert all("\n" not in f"{name}{text}" and is_plain(f"{name}{text}") for name, text in refused.value.fields.items())


@given(st.text())
def test_any_text_makes_a_plain_error(text):
    assert clean(str(SandboxClientError(text))) == str(SandboxClientError(text))
