"""The debug log: private, bounded, and without secrets, whoever logs them."""

import json
import logging
import os
import stat

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, SandboxClientError
from sandtui.config import debug_log as module
from sandtui.config.debug_log import HEAD, LogError, debug_log, loggable_arguments
from sandtui.fleet.commands.line import redaction
from sandtui.fleet.commands.line.redaction import add_secrets
from tests.probes import session_of

LOG = logging.getLogger("sandtui.test")


@pytest.fixture(autouse=True)
def _no_names(monkeypatch):
    monkeypatch.setattr(redaction, "registered_secrets", set())
    monkeypatch.delenv("PRIME_API_KEY", raising=False)


def test_it_is_private_and_tells_who_what_and_when(tmp_path):
    path = tmp_path / "deep" / "debug.log"
    with debug_log(path, ["--local"]):
        LOG.debug("one %s", "thing")
        LOG.info("two\nlines \x1b[31mred")
    text = path.read_text()
    assert text.startswith(HEAD)
    assert "DEBUG   sandtui.test: one thing\n" in text
    assert [line.rpartition("sandtui.test: ")[2] for line in text.splitlines() if "INFO    sandtui.test" in line] == [
        "two",
        "lines ␛[31mred",
    ]
    assert ": --local; TERM=" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    LOG.debug("after the end")
    with debug_log(path):
        pass
    assert "after the end" not in path.read_text()
    assert path.read_text().count(HEAD) == 1


def test_it_stays_small_and_private(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZE", 2000)
    path = tmp_path / "debug.log"
    umask = os.umask(0)
    try:
        with debug_log(path):
            for number in range(300):
                LOG.debug("%d %s", number, "x" * 50)
    finally:
        os.umask(umask)
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["debug.log", "debug.log.1", "debug.log.2", "debug.log.3"]
    assert all(each.stat().st_size < 2500 and stat.S_IMODE(each.stat().st_mode) == 0o600 for each in files)
    assert all(each.read_text().startswith(HEAD) for each in files)
    assert " 299 x" in "".join(each.read_text() for each in files)


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(LogError, match="not a log of sandtui"), debug_log(notes):
        pass
    assert notes.read_text() == "mine"
    with pytest.raises(LogError, match="not a regular file"), debug_log(tmp_path):
        pass
    with pytest.raises(LogError, match="cannot write"), debug_log(notes / "below"):
        pass


def test_a_mistaken_call_is_reported_and_loses_nothing(tmp_path):
    path = tmp_path / "debug.log"
    with debug_log(path):
        LOG.debug("%d %d", 1)
        LOG.debug("goes on")
    assert "%d %d (TypeError)" in path.read_text()
    assert "goes on" in path.read_text()


def test_of_a_command_line_only_the_programs_part_is_reported():
    assert loggable_arguments(["--log=/x", "--local", "run", "--env", "TOKEN=canary"]) == ["--log", "--local", "run"]
    assert loggable_arguments([]) == []


# A secret is something that no line would hold by itself.
letters = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Zs", "Cc"])
word = st.text(letters, min_size=6, max_size=24).map("Zq7{}".format)
around = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, max_examples=60)
@given(word, around, around)
def test_no_registered_secret_reaches_it(tmp_path_factory, secret, before, after):
    path = tmp_path_factory.mktemp("log") / "debug.log"
    text = before + secret + after
    with debug_log(path):
        add_secrets(secret)
        LOG.info("%s", text)
        LOG.info(text.replace("%", "%%"))
        LOG.warning("so %r", {"value": secret})
        try:
            raise ValueError(text)
        except ValueError:
            LOG.exception("broke with %s", text)
    content = path.read_text()
    assert secret not in content
    assert "broke with" in content


@settings(deadline=None, max_examples=60)
@given(
    word.filter(lambda text: not set(text) & set("\"'\\;&|`$()<>@/:#,")),
    st.sampled_from(
        [
            "Authorization: Bearer {}",
            "authorization: {}",
            "PASSWORD={}",
            "export API_KEY='{}'; run",
            "run --token {} x",
            "run --token={}",
            "https://me:{}@host/x",
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        ]
    ),
)
def test_what_looks_like_a_secret_does_not_either(tmp_path_factory, secret, shape):
    path = tmp_path_factory.mktemp("log") / "debug.log"
    with debug_log(path):
        LOG.info("before: %s", shape.format(secret))
    assert secret not in path.read_text()
    assert "before" in path.read_text()


@settings(deadline=None, max_examples=25)
@given(word, word, word, word)
async def _client_secrets(tmp_path_factory, key, token, env, hidden):
    path = tmp_path_factory.mktemp("log") / "debug.log"

    def answer(request):
        echo = json.dumps([dict(request.headers), request.content.decode(errors="replace")])
        if request.url.path.endswith("/auth"):
            return httpx.Response(
                200,
                json={
                    "token": token,
                    "gateway_url": "http://gateway.test",
                    "user_ns": "ns",
                    "job_id": "sbx_1",
                    "expires_at": "2099-01-01T00:00:00Z",
                },
            )
        if request.url.path.endswith("/exec"):
            raise httpx.ReadError(f"broke: {echo}")
        return httpx.Response(422, json={"detail": echo}, headers={"x-request-id": key})

    key, token = ("".join(each for each in text if "!" <= each <= "~") + "padding" for text in (key, token))
    config = Config(api_key=key, base_url="http://platform.test")
    with debug_log(path):
        async with AsyncSandboxClient(
            config=config, transport=httpx.MockTransport(answer), keep_tokens=False
        ) as client:
            session_of(client).vm["sbx_1"] = False
            for call in (
                client.create(CreateSandboxRequest(name="n", docker_image="i", secrets={"S": env})),
                client.execute_command("sbx_1", f"run {hidden}", env={"E": env}),
            ):
                with pytest.raises(SandboxClientError):
                    await call
    content = path.read_text()
    assert "POST platform.test/api/v1/sandbox 422" in content
    assert "POST gateway.test/ns/sbx_1/exec no response" in content
    assert not [each for each in (key, env, hidden) if each in content]


test_no_key_token_header_or_variable_of_a_request_reaches_it = _client_secrets
