import asyncio
import json
import os
import string
import subprocess
import sys
import types

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, ServerError, StorageFullError
from sandtui.client.errors import not_running_error
from sandtui.client.port import Outcome
from sandtui.clock import SystemClock
from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet, shell_line
from sandtui.fleet.creation.form import DEFAULTS, read_form
from sandtui.fleet.creation.launch import Launch, Step, clean_up, may_exist
from sandtui.fleet.creation.launch_plan import plan_launch
from tests.client.fakes import body_of, token_reply
from tests.probes import session_of


def plan(**values):
    return plan_launch({**DEFAULTS, **values}, "0badcafe")


class TestPlan:
    def test_one_sandbox_gets_no_label(self):
        (request,) = plan().requests
        assert (request.name, request.labels) == ("sandbox", [])
        assert request.idempotency_key.startswith("0badcafe-")

    def test_a_count_and_a_pattern(self):
        made = plan(name="batch-{i:03}", count="3", start="7", environment_vars="N={i}").requests
        assert [request.name for request in made] == ["batch-007", "batch-008", "batch-009"]
        assert [request.environment_vars["N"] for request in made] == ["7", "8", "9"]
        assert {tuple(request.labels) for request in made} == {("launch=0badcafe",)}
        assert len({request.idempotency_key for request in made}) == 3

    def test_a_name_without_a_number_gets_one(self):
        assert [request.name for request in plan(count="2").requests] == ["sandbox-1", "sandbox-2"]

    def test_a_matrix_makes_one_request_for_each_combination(self):
        made = plan(name="m{memory_gb}-{SEED}-{i}", matrix="memory_gb=1,2 SEED=a,b", count="2").requests
        assert [request.name for request in made][:3] == ["m1-a-1", "m1-a-2", "m1-b-3"]
        assert len(made) == 8
        assert {(request.memory_gb, request.environment_vars["SEED"]) for request in made} == {
            (1, "a"),
            (1, "b"),
            (2, "a"),
            (2, "b"),
        }

    def test_totals_are_those_of_all_requests(self):
        totals = plan(count="4", cpu_cores="2", memory_gb="3", disk_size_gb="5")
        assert (totals.cores, totals.memory_gb, totals.disk_gb) == (8, 12, 20)

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"count": "0"}, "count"),
            ({"count": "1001"}, "count"),
            ({"count": "500", "matrix": "A=1,2,3"}, "count"),
            ({"start": "x"}, "start"),
            ({"matrix": "memory_gb"}, "matrix"),
            ({"matrix": "secrets=1"}, "matrix"),
            ({"matrix": "a-b=1"}, "matrix"),
            ({"matrix": "memory_gb=1,999"}, "memory_gb"),
            ({"memory_gb": "x", "count": "0"}, "memory_gb"),
        ],
    )
    def test_what_is_wrong_is_reported_at_its_field(self, values, field):
        wrong = plan(**values)
        assert not wrong.requests
        assert field in wrong.problems

    @given(st.text(max_size=40))
    def test_any_pattern_is_filled_or_left_as_it_is(self, text):
        outcome = plan(name=text, start_command=text, environment_vars="")
        assert bool(outcome.requests) != bool(outcome.problems)

    @given(st.text(alphabet=string.ascii_letters + " -_.", min_size=1, max_size=20))
    def test_a_text_without_braces_is_left_alone(self, text):
        if text.strip():
            assert plan(name=text).requests[0].name == text.strip()


class Platform:
    """Makes sandboxes; ``fail`` answers instead for some."""

    def __init__(self):
        self.made: dict[str, dict[str, object]] = {}
        self.creates: list[str] = []
        self.fail = lambda body: None
        self.status = lambda sandbox: "RUNNING"
        self.error: dict[str, object] = {}

    def __call__(self, request):
        path, method = request.url.path, request.method
        if path == "/api/v1/sandbox" and method == "POST":
            body = body_of(request)
            self.creates.append(body["name"])
            answer = self.fail(body)
            if answer is not None:
                return answer
            key = body["idempotency_key"]
            sandbox = {"id": f"sbx_{key}", "name": body["name"], "status": "PENDING", "labels": body["labels"]}
            self.made.setdefault(key, sandbox)
            return httpx.Response(201, json=self.made[key])
        if path.endswith("status:batchGet"):
            rows = [
                {"sandbox_id": each, "status": self.status(each)} | self.error
                for each in body_of(request)["sandbox_ids"]
            ]
            return httpx.Response(200, json={"statuses": rows, "errors": []})
        if path.endswith("/auth"):
            return httpx.Response(200, json={**token_reply(), "job_id": path.split("/")[4]})
        if path.endswith("/exec"):
            return httpx.Response(200, json={"stdout": "", "stderr": "", "exit_code": 0})
        if path == "/api/v1/sandbox" and method == "DELETE":
            (label,) = body_of(request)["labels"]
            gone = [each["id"] for each in self.made.values() if label in each["labels"]]
            self.made = {key: each for key, each in self.made.items() if each["id"] not in gone}
            return httpx.Response(200, json={"succeeded": gone, "failed": [], "message": ""})
        if method == "DELETE":
            sandbox_id = path.rsplit("/", 1)[1]
            self.made = {key: each for key, each in self.made.items() if each["id"] != sandbox_id}
            return httpx.Response(200, json={"success": True, "message": ""})
        return httpx.Response(404, json={"detail": "no"})


class MemoryJournal:
    """Keeps the journal in lists, and what the platform had seen when it was begun."""

    def __init__(self, platform):
        self.platform = platform
        self.begun: list[int] = []
        self.notes: dict[int, tuple[str, str | None]] = {}
        self.finished: list[str] = []

    def begin(self, launch_id, context, requests):
        self.begun.append(len(self.platform.creates))

    def note(self, launch_id, place, step, sandbox_id):
        self.notes[place] = (step, sandbox_id)

    write = note

    def finish(self, launch_id):
        self.finished.append(launch_id)


@pytest.fixture
async def world():
    platform = Platform()
    config = Config(api_key="k", base_url="http://platform.test")
    client = AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False)
    session_of(client).retry.attempts = 1
    session_of(client).vm = _AlwaysContainer()
    yield platform, client, MemoryJournal(platform)
    await client.aclose()


class _AlwaysContainer(dict):
    def __contains__(self, key):
        return True

    def __missing__(self, key):
        return False


def launch_of(world, **values):
    _, client, journal = world
    return Launch(plan(**values), client, SystemClock(), journal, "test")


async def test_a_launch_comes_to_its_end(world):
    platform, _, journal = world
    launch = launch_of(world, count="30")
    await launch.run()
    assert launch.counts == {Step.READY: 30}
    assert not launch.running
    assert journal.begun == [0], "it was written down before anything was sent"
    assert journal.finished == ["0badcafe"]
    assert all(step == "ready" and sandbox_id for step, sandbox_id in journal.notes.values())
    assert len(platform.creates) == 30
    for item in launch.items:
        assert item.queued <= item.began <= item.created <= item.ended
    assert len({item.queued for item in launch.items}) == 1, "all wait from the same moment on"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (402, {"detail": "no balance"}, "Top up"),
        (401, {"detail": "bad key"}, "PRIME_API_KEY"),
        (422, {"errors": [{"param": "name", "details": "taken"}]}, "name: taken"),
        (429, {"detail": "slow down"}, "Wait and try again"),
        (500, {"detail": "broken"}, "problem"),
    ],
)
async def test_a_refusal_is_reported_with_a_message_and_can_be_tried_again(world, status, body, words):
    platform, _, _ = world
    platform.fail = lambda sent: httpx.Response(status, json=body) if sent["name"] == "sandbox-2" else None
    launch = launch_of(world, count="3")
    await launch.run()
    assert launch.counts == {Step.READY: 2, Step.FAILED: 1}
    assert words in launch.items[1].problem
    platform.fail = lambda sent: None
    assert launch.retry_failed() == 1
    await launch.run()
    assert launch.counts == {Step.READY: 3}
    assert len(platform.made) == 3


async def test_what_ends_while_it_starts_is_a_failure_with_its_reason(world):
    platform, _, _ = world
    platform.status = lambda sandbox: "ERROR" if sandbox.endswith(first) else "RUNNING"
    launch = launch_of(world, count="3")
    first = launch.items[0].request.idempotency_key
    await launch.run()
    assert launch.counts == {Step.READY: 2, Step.FAILED: 1}
    assert "not running (ERROR)" in launch.items[0].problem


async def test_an_image_that_cannot_be_pulled_is_reported_with_a_message(world):
    platform, _, _ = world
    platform.error = {"error_type": "IMAGE_PULL_FAILED", "error_message": "manifest unknown"}
    platform.status = lambda sandbox: "ERROR"
    launch = launch_of(world, count="2")
    await launch.run()
    assert launch.counts == {Step.FAILED: 2}
    assert "manifest unknown" in launch.items[0].problem
    assert "Check the image's name" in launch.items[0].problem


async def test_a_time_out_while_creating_is_reported_and_may_have_made_one(world):
    platform, _, journal = world

    def late(sent):
        platform.made[sent["idempotency_key"]] = {"id": "sbx_late", "name": "x", "status": "PENDING", "labels": []}
        raise httpx.ReadTimeout("too late")

    platform.fail = late
    launch = launch_of(world)
    await launch.run()
    (item,) = launch.items
    assert item.step is Step.FAILED
    assert "no response to POST /sandbox within 30 s. Try again" in item.problem
    assert item.unsure
    assert journal.finished == [], "the next run offers to go on or to clean up"
    assert journal.notes[0] == ("creating", None)
    platform.fail = lambda sent: None
    assert await launch.delete_made() == 1, "its key finds it"
    assert platform.made == {}
    assert journal.finished == ["0badcafe"]


async def test_what_never_answers_is_reported_with_how_long_it_was_waited_for(world):
    _, client, _ = world

    async def wait_many(ids):
        for each in ids:
            yield Outcome(each, None, not_running_error(each, "PENDING", None, "it did not reach RUNNING in 60 s"))

    client.wait_many = wait_many
    launch = launch_of(world, count="2")
    await launch.run()
    assert launch.counts == {Step.FAILED: 2}
    assert "did not reach RUNNING in 60 s" in launch.items[0].problem


async def test_cancelling_leaves_what_was_made_and_forgets_nothing(world):
    platform, client, journal = world
    platform.status = lambda sandbox: "PENDING"
    launch = launch_of(world, count="20")
    task = asyncio.ensure_future(launch.run())
    while len(platform.made) < 20:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert journal.finished == [], "the next run hears of it"
    assert await launch.delete_made() == 20
    assert platform.made == {}
    assert journal.finished == ["0badcafe"]
    assert client


async def test_a_launch_of_an_earlier_run_continues_without_making_any_twice(world):
    platform, client, journal = world
    first = launch_of(world, count="4")
    await client.create(first.items[0].request)
    await client.create(first.items[1].request)
    again = Launch(plan(count="4"), client, SystemClock(), journal, "test")
    for item, old in zip(again.items, first.items, strict=True):
        item.request = old.request
    again.resume([("ready", "sbx_a"), ("creating", None), ("queued", None), ("starting", "sbx_x")])
    await again.run()
    assert again.counts == {Step.READY: 4}
    assert len(platform.made) == 4


async def test_clean_up_finds_even_what_was_never_heard_of(world):
    platform, client, _ = world
    launch = launch_of(world, count="3")
    for item in launch.items:
        await client.create(item.request)
    assert await clean_up(client, "0badcafe", []) == 3
    assert platform.made == {}


def test_the_form_as_code():
    values = {**DEFAULTS, "name": "it's", "memory_gb": "4", "secrets": "KEY=hunter2", "network": "blocked"}
    request = read_form(values).request
    snippet, curl = sdk_snippet([request]), curl_lines([request], "http://x.test")
    shell = shell_line(values, DEFAULTS)
    assert all("hunter2" not in text for text in (snippet, curl, shell))
    compile(snippet, "snippet", "exec")
    assert "memory_gb=4.0" in snippet
    assert "network_access=False" in snippet
    assert "os.environ['KEY']" in snippet
    assert "$KEY" in curl
    assert "--set memory_gb=4" in shell


@pytest.mark.parametrize("secrets", ["", "KEY=hunter2"])
def test_the_curl_lines_send_what_the_form_says(secrets):
    values = {"start_command": "echo \"$HOME\" 'a\\n' `id` !x", "secrets": secrets, "matrix": "SEED=1,2"}
    requests = plan(**values).requests
    script = "curl() { printf '%s\\0' \"${@: -1}\"; }\n" + curl_lines(requests, "http://x.test")
    environment = {"PATH": os.environ["PATH"], "KEY": "from-env"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    bodies = [json.loads(text) for text in done.stdout.split("\0")[:-1]]
    assert [body["environment_vars"] for body in bodies] == [{"SEED": "1"}, {"SEED": "2"}]
    assert all(body["start_command"] == values["start_command"] for body in bodies)
    assert all(body.get("secrets") == ({"KEY": "from-env"} if secrets else None) for body in bodies)


@pytest.mark.parametrize("count", ["1", "3"])
def test_the_script_makes_what_the_form_says(monkeypatch, count):
    requests = plan(count=count, memory_gb="4", environment_vars="N={i}", secrets="KEY=hunter2").requests
    made = []

    class Client:
        def __init__(self, api):
            pass

        def create(self, request):
            made.append(request)
            return types.SimpleNamespace(id=f"sbx_{len(made)}")

        def wait_for_creation(self, sandbox_id):
            assert sandbox_id == "sbx_1"

        def bulk_wait_for_creation(self, ids):
            assert ids == ["sbx_1", "sbx_2", "sbx_3"]

    sdk = types.SimpleNamespace(SandboxClient=Client, APIClient=object, CreateSandboxRequest=CreateSandboxRequest)
    monkeypatch.setitem(sys.modules, "prime_sandboxes", sdk)
    monkeypatch.setenv("KEY", "from-env")
    exec(compile(sdk_snippet(requests), "snippet", "exec"), {})
    assert [request.name for request in made] == [request.name for request in requests]
    assert [request.environment_vars for request in made] == [request.environment_vars for request in requests]
    assert all(request.memory_gb == 4 and request.secrets["KEY"].get_secret_value() == "from-env" for request in made)


def test_what_found_no_space_was_not_made() -> None:
    assert not may_exist(StorageFullError("HTTP 507: full", status_code=507))
    assert may_exist(ServerError("HTTP 500: failed", status_code=500))
