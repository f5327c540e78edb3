"""Traces: which requests belong to what was done, what is kept of them, and that no secret is."""

import asyncio
import json
import shlex

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sandtui.client import RequestReport
from sandtui.clock import ManualClock
from sandtui.fleet.activity.requests import (
    KEPT,
    LATEST,
    LONGEST_BODY,
    RequestBook,
    Trace,
    curl_line,
    dump_requests,
    load_requests,
    redacted_request,
)
from sandtui.fleet.activity.trace import current_trace, following
from sandtui.fleet.commands.line.redaction import HIDDEN
from tests.fleet.factory import NOW

KEY = "sk-canary-1234567890"


def report(status=200, url="http://p.test/api/v1/sandbox", **values):
    values.setdefault("secrets", (KEY,))
    return RequestReport(values.pop("method", "GET"), url, values.pop("query", ()), status, 0.0123, 1, **values)


def book():
    return RequestBook(ManualClock(NOW))


async def test_tasks_belong_to_what_started_them():
    one, other, ours = Trace(), Trace(), book()

    async def work(count):
        await asyncio.sleep(0)
        for _ in range(count):
            ours(report())

    with following(one):
        first = asyncio.create_task(work(2))
        with following(other):
            second = asyncio.create_task(work(3))
        assert current_trace() is one
    assert current_trace() is None
    await asyncio.gather(first, second, work(1))
    assert (one.total, other.total) == (2, 3)
    assert len(ours.latest()) == 6


def test_only_what_an_entry_refers_to_is_kept_and_only_when_it_changed():
    ours, trace = book(), Trace()
    with following(trace):
        ours(report())
        assert ours.take_changed() == []
        ours.want(trace)
        assert ours.take_changed() == [trace]
        assert ours.take_changed() == []
        ours(report(500))
    assert ours.take_changed() == [trace]
    assert (trace.total, trace.failed) == (2, 1)


def test_the_first_and_the_failed_stay_however_many_there_are():
    ours, trace = book(), Trace()
    with following(trace):
        for number in range(500):
            ours(report(503 if number % 100 == 99 else 200, request_id=str(number)))
    assert (trace.total, trace.failed) == (500, 5)
    assert [request.request_id for request in trace.requests if request.failed] == ["99", "199", "299", "399", "499"]
    assert len(trace.requests) == KEPT + 5
    with following(trace):
        for _ in range(1000):
            ours(report(None))
    assert len(trace.requests) == 2 * KEPT
    assert len(ours.latest()) == LATEST


def test_trouble_that_nobody_caused_has_its_request():
    ours = book()
    assert ours.latest_failure().requests == []
    ours(report(502, request_id="bad"))
    ours(report())
    assert [request.request_id for request in ours.latest_failure().requests] == ["bad"]


def test_a_request_is_a_curl_line_with_the_key_as_a_variable():
    body = json.dumps({"name": "it's", "secrets": {"A": "x"}, "environment_vars": {"B": None}}).encode()
    told = redacted_request(report(method="POST", query=(("team_id", "a b"),), body=body), NOW)
    line = curl_line(told)
    assert shlex.split(line) == [
        *("curl", "-sS", "-X", "POST", "http://p.test/api/v1/sandbox?team_id=a%20b"),
        *("-H", "Authorization: Bearer $PRIME_API_KEY", "-H", "Content-Type: application/json"),
        *("-d", f'{{"name": "it\'s", "secrets": {{"A": "{HIDDEN}"}}, "environment_vars": {{"B": null}}}}'),
    ]
    assert '"Authorization: Bearer $PRIME_API_KEY"' in line, "the shell must fill the variable in"
    by_token = curl_line(redacted_request(report(by_token=True), NOW))
    assert shlex.split(by_token)[3:] == ["-H", "Authorization: Bearer $SANDBOX_TOKEN"] or "$SANDBOX_TOKEN" in by_token


@pytest.mark.parametrize(
    "url", ["http://p.test/$(reboot)/`id`", "http://p.test/a'; rm -rf ~ #", 'http://p.test/"x"\n$PATH']
)
def test_a_hostile_address_stays_one_word(url):
    assert shlex.split(curl_line(redacted_request(report(url=url), NOW)))[2] == url


def test_what_is_kept_is_read_again():
    requests = [redacted_request(report(status), NOW) for status in (200, None)]
    assert load_requests(dump_requests(requests)) == requests
    for text in ("[1]", '[{"moment": 1}]', "{", '[{"moment": "2026-11-24T14:00:00+00:00", "else": 1}]'):
        with pytest.raises(ValueError, match=r"invalid request data|line 1"):
            load_requests(text)


def test_half_a_body_is_not_a_request():
    body = json.dumps({"x": "y" * LONGEST_BODY}).encode()
    assert redacted_request(report(body=body), NOW).body == ""
    assert redacted_request(report(body=b"\xff{"), NOW).body == ""
    assert redacted_request(report(body=b"[" * 5000), NOW).body == ""


secret = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=30).filter(
    lambda word: word not in HIDDEN and "\\" not in json.dumps(word)[1:-1]
)
json_text = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=20)


def everything_kept(word, text):
    body = {
        "command": text,
        "list": [text],
        text: 1,
        "secrets": {"SHORT": word},
        "env": [word],
        "nested": {"api_key": word, "deep": [{"Authorization": f"Bearer {word}"}]},
    }
    told = redacted_request(
        report(
            None,
            url=f"http://p.test/{text}",
            query=(("path", text), ("token", word)),
            problem=text,
            request_id=text,
            body=json.dumps(body).encode(),
            secrets=(word,),
        ),
        NOW,
    )
    return dump_requests([told]) + curl_line(told) + repr(told)


@given(secret, json_text, json_text)
@example("PRIME_API", "", "")
def test_no_secret_is_kept_wherever_it_stands(word, before, after):
    # A word that is part of what is always there can't be told from a secret that was kept.
    assume(word not in everything_kept("\u0300" * 8, "\u0300" * 8))
    everything = everything_kept(word, before + word + after)
    assert word not in everything
    assert json.dumps(word)[1:-1] not in everything


@given(st.dictionaries(st.sampled_from(["a", "PASSWORD", "api_token", "env", "secrets"]), secret, min_size=1))
def test_what_the_client_did_not_name_is_hidden_by_its_field(values):
    told = redacted_request(report(body=json.dumps(values).encode(), secrets=()), NOW)
    assert all(value not in told.body for name, value in values.items() if name != "a" and value != values.get("a"))
