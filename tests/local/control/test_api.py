"""The control plane, on the simulated driver with a clock that only the test moves."""

import asyncio
from typing import Any

import pytest

from sandtui.client.models import BatchStatusReply, BulkDeleteReply, GatewayToken, Sandbox, SandboxPage
from sandtui.clock import ManualClock
from sandtui.local.settings import USER_ID
from tests.local.support import Api, Start, serving_in_process


async def settle(api: Api, sandbox_id: str, *statuses: str) -> dict[str, Any]:
    return await api.until(sandbox_id, *statuses)


async def test_a_sandbox_comes_up_step_by_step(simulated: Api, clock: ManualClock) -> None:
    created = await simulated.create(labels=["a", "b"], environment_vars={"X": "1"}, secrets={"KEY": "hidden"})
    assert created["status"] == "PENDING"
    assert created["startedAt"] is None
    assert Sandbox.model_validate(created).labels == ["a", "b"]
    clock.advance(seconds=1)
    await settle(simulated, created["id"], "PROVISIONING")
    clock.advance(seconds=2)
    running = await settle(simulated, created["id"], "RUNNING")
    assert running["startedAt"] == "2026-01-01T12:00:03.000000Z"
    assert running["createdAt"] == "2026-01-01T12:00:00.000000Z"


async def test_secrets_come_back_masked_and_variables_plain(simulated: Api) -> None:
    created = await simulated.create(environment_vars={"X": "1"}, secrets={"KEY": "hidden-value"})
    reply = await simulated.call("GET", f"/sandbox/{created['id']}")
    assert reply.json()["secrets"] == {"KEY": "***"}
    assert reply.json()["environmentVars"] == {"X": "1"}
    listed = await simulated.call("GET", "/sandbox")
    logs = await simulated.call("GET", f"/sandbox/{created['id']}/logs")
    assert "hidden-value" not in reply.text + listed.text + logs.text
    assert "hidden-value" not in repr(simulated.platform.registry.get(created["id"]))


@pytest.mark.parametrize("key", [None, "wrong", "", "Bearer"])
async def test_a_wrong_key_is_401(simulated: Api, key: str | None) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    reply = await simulated.http.get("/api/v1/sandbox", headers=headers)
    assert reply.status_code == 401
    assert "API key" in reply.json()["detail"]


async def test_an_unknown_sandbox_is_404(simulated: Api) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/logs"), ("POST", "/auth"), ("GET", "/error-context")):
        reply = await simulated.call(method, f"/sandbox/sbx_none{path}")
        assert (reply.status_code, reply.json()) == (404, {"detail": "Sandbox not found"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"docker_image": ""}, "docker_image"),
        ({"cpu_cores": 0}, "cpu_cores"),
        ({"memory_gb": "lots"}, "memory_gb"),
        ({"timeout_minutes": 0}, "timeout_minutes"),
        ({"timeout_minutes": 1441}, "timeout_minutes"),
        ({"timeout_minutes": -1}, "timeout_minutes"),
        ({"timeout_minutes": 5, "idle_timeout_minutes": 6}, "idle_timeout_minutes"),
        ({"gpu_count": 1}, "gpu_type"),
        ({"network_allowlist": [], "network_denylist": []}, "network_allowlist"),
        ({"environment_vars": {"A=B": "x"}}, "environment_vars.A=B.[key]"),
        ({"environment_vars": {"A": "x\0y"}}, "environment_vars.A"),
        ({"labels": "a"}, "labels"),
        ({"labels": [1]}, "labels.0"),
        ({"idempotency_key": ""}, "idempotency_key"),
    ],
)
async def test_a_bad_create_names_the_field(simulated: Api, fields: dict[str, Any], param: str) -> None:
    body = {"name": "box", "docker_image": "python:3.11-slim", **fields}
    reply = await simulated.call("POST", "/sandbox", json=body)
    assert reply.status_code == 422
    assert param in [row["param"] for row in reply.json()["errors"]]
    assert len(simulated.platform.registry) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name": NaN}', b"[" * 100_000, b"\xff\xfe", b'"x"'])
async def test_nonsense_is_refused_with_a_message(simulated: Api, body: bytes) -> None:
    reply = await simulated.call("POST", "/sandbox", content=body)
    assert reply.status_code == 422
    assert reply.json().keys() <= {"detail", "errors"}


async def test_a_huge_body_is_413(simulated: Api) -> None:
    reply = await simulated.call("POST", "/sandbox", content=b" " * (9 * 1024 * 1024))
    assert reply.status_code == 413
    assert "limit" in reply.json()["detail"]


async def test_a_repeated_create_is_the_same_sandbox(simulated: Api) -> None:
    first = await simulated.create(idempotency_key="k1")
    again, other = await asyncio.gather(simulated.create(idempotency_key="k1"), simulated.create())
    assert again["id"] == first["id"] != other["id"]
    assert len(simulated.platform.registry) == 2


async def test_a_create_brings_a_working_gateway_token(simulated: Api, clock: ManualClock) -> None:
    created = await simulated.create()
    token = GatewayToken.model_validate(created["gatewayAuth"])
    assert (token.job_id, token.gateway_url) == (created["id"], simulated.platform.base_url)
    clock.advance(seconds=1)
    await settle(simulated, created["id"], "PROVISIONING")
    clock.advance(seconds=2)
    await settle(simulated, created["id"], "RUNNING")
    reply = await simulated.gateway("POST", created["id"], "exec", token=token.token, json={"command": "echo hi"})
    assert reply.json() == {"stdout": "hi\n", "stderr": "", "exit_code": 0}


async def test_lists_are_newest_first_filtered_and_paged(simulated: Api, clock: ManualClock) -> None:
    ids = []
    for number in range(5):
        clock.advance(seconds=0.001)
        labels = ["all", "odd" if number % 2 else "even"]
        ids.append((await simulated.create(name=f"n{number}", labels=labels, team_id=f"t{number % 2}"))["id"])
    await simulated.call("DELETE", f"/sandbox/{ids[4]}")

    async def listed(**query: Any) -> list[str]:
        reply = await simulated.call("GET", "/sandbox", params=query)
        return [sandbox.id for sandbox in SandboxPage.model_validate(reply.json()).sandboxes]

    assert await listed() == ids[::-1]
    assert await listed(labels=["all", "odd"]) == [ids[3], ids[1]]
    assert await listed(labels=["odd", "even"]) == []
    assert await listed(is_active="true") == ids[3::-1]
    assert await listed(is_active="false") == ids[::-1]
    assert await listed(status="TERMINATED") == [ids[4]]
    assert await listed(team_id="t1") == [ids[3], ids[1]]
    assert await listed(user_id="nobody") == []
    page = (await simulated.call("GET", "/sandbox", params={"page": 2, "per_page": 2})).json()
    assert [row["id"] for row in page["sandboxes"]] == [ids[2], ids[1]]
    assert (page["total"], page["page"], page["per_page"], page["perPage"]) == (5, 2, 2, 2)
    assert (page["has_next"], page["hasNext"]) == (True, True)
    last = (await simulated.call("GET", "/sandbox", params={"page": 3, "perPage": 2})).json()
    assert (len(last["sandboxes"]), last["has_next"]) == (1, False)


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=1001", "per_page=-1", "is_active=maybe", "page=²"])
async def test_a_bad_query_is_422(simulated: Api, query: str) -> None:
    reply = await simulated.call("GET", f"/sandbox?{query}")
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["param"] == query.partition("=")[0]


async def test_delete_ends_and_keeps_the_record(simulated: Api) -> None:
    created = await simulated.create()
    reply = await simulated.call("DELETE", f"/sandbox/{created['id']}")
    assert (reply.status_code, reply.json()["success"]) == (200, True)
    after = await simulated.sandbox(created["id"])
    assert (after["status"], after["terminatedAt"] is not None) == ("TERMINATED", True)
    again = await simulated.call("DELETE", f"/sandbox/{created['id']}")
    assert (again.status_code, again.json()["success"]) == (200, True)
    assert await simulated.sandbox(created["id"]) == after


async def test_bulk_delete_by_ids_and_by_labels(simulated: Api) -> None:
    ids = [(await simulated.create(labels=["x", f"n{number}"]))["id"] for number in range(3)]
    reply = await simulated.call("DELETE", "/sandbox", json={"sandbox_ids": [ids[0], "sbx_none"], "all_users": False})
    result = BulkDeleteReply.model_validate(reply.json())
    assert result.succeeded == [ids[0]]
    assert result.failed == [{"sandbox_id": "sbx_none", "error": "Sandbox not found"}]
    reply = await simulated.call("DELETE", "/sandbox", json={"labels": ["x", "n1"]})
    assert reply.json()["succeeded"] == [ids[1]]
    assert (await simulated.sandbox(ids[2]))["status"] != "TERMINATED"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all_users": False},
        {"user_id": "", "team_id": ""},
        {"team_id": "", "all_users": False},
        {"user_id": None},
        {"sandbox_ids": ["a"], "labels": ["b"]},
        {"sandbox_ids": ["a"], "labels": ["b"], "all_users": True},
        {"sandbox_ids": [], "all_users": True},
        {"labels": [], "user_id": USER_ID},
        {"all_users": "everyone"},
    ],
)
async def test_bulk_delete_that_names_nothing_deletes_nothing(simulated: Api, body: dict[str, Any]) -> None:
    created = await simulated.create()
    reply = await simulated.call("DELETE", "/sandbox", json=body)
    assert reply.status_code == 422
    assert (await simulated.sandbox(created["id"]))["status"] == "PENDING"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"all_users": True}, {"mine", "team", "labelled", "vm"}),
        ({"user_id": USER_ID}, {"mine", "team", "labelled", "vm"}),
        ({"user_id": USER_ID, "all_users": False}, {"mine", "team", "labelled", "vm"}),
        ({"user_id": USER_ID, "team_id": ""}, {"mine", "team", "labelled", "vm"}),
        ({"team_id": "t1"}, {"team"}),
        ({"team_id": "t1", "all_users": True}, {"team"}),
        ({"team_id": "t1", "user_id": USER_ID}, {"team"}),
        ({"user_id": USER_ID, "labels": ["x"]}, {"labelled"}),
        ({"user_id": "usr_other", "labels": ["x"]}, set()),
        ({"user_id": "usr_other"}, set()),
        ({"user_id": "usr_other", "all_users": True}, set()),
        ({"team_id": "t2"}, set()),
        ({"team_id": "t2", "all_users": True}, set()),
        ({"team_id": "t1", "user_id": "usr_other"}, set()),
    ],
)
async def test_bulk_delete_by_scope(start: Start, body: dict[str, Any], wanted: set[str]) -> None:
    async with serving_in_process((await start(driver="simulated")).platform) as api:
        fields: dict[str, dict[str, Any]] = {"mine": {}, "team": {"team_id": "t1"}, "labelled": {"labels": ["x"]}}
        ids = {name: (await api.create(**more))["id"] for name, more in {**fields, "vm": {"vm": True}}.items()}
        ended = (await api.create())["id"]
        await api.call("DELETE", f"/sandbox/{ended}")
        reply = await api.call("DELETE", "/sandbox", json=body)
        assert reply.status_code == 200, reply.text
        result = BulkDeleteReply.model_validate(reply.json())
        assert (set(result.succeeded), result.failed) == ({ids[name] for name in wanted}, [])
        for name, sandbox_id in ids.items():
            assert ((await api.sandbox(sandbox_id))["status"] == "TERMINATED") == (name in wanted), name


async def test_a_scope_narrows_ids(simulated: Api) -> None:
    ids = [(await simulated.create(team_id=team))["id"] for team in ("t1", "t2")]
    reply = await simulated.call("DELETE", "/sandbox", json={"sandbox_ids": ids, "team_id": "t2"})
    assert reply.json()["succeeded"] == [ids[1]]
    assert reply.json()["failed"] == [{"sandbox_id": ids[0], "error": "Sandbox not found"}]
    assert (await simulated.sandbox(ids[0]))["status"] == "PENDING"


async def test_batch_status_keeps_the_order_and_reports_the_unknown(simulated: Api) -> None:
    ids = [(await simulated.create())["id"] for _ in range(3)]
    asked = [ids[2], "sbx_none", ids[0]]
    reply = await simulated.call("POST", "/sandbox/status:batchGet", json={"sandbox_ids": asked})
    rows = BatchStatusReply.model_validate(reply.json())
    assert [row.sandbox_id for row in rows.statuses] == [ids[2], ids[0]]
    assert [(row.sandbox_id, row.code) for row in rows.errors] == [("sbx_none", "NOT_FOUND")]
    for bad in ([], ["a"] * 2, [str(number) for number in range(101)]):
        reply = await simulated.call("POST", "/sandbox/status:batchGet", json={"sandbox_ids": bad})
        assert reply.status_code == 422


async def test_start_commands_come_in_the_shape_of_their_generation(simulated: Api) -> None:
    container = await simulated.create(start_command="python serve.py")
    assert container["startCommand"] == "python serve.py"
    assert (await simulated.create())["startCommand"] == "tail -f /dev/null"
    machine = await simulated.create(vm=True, start_command={"executable": "sh", "args": ["-c", "x"]})
    assert machine["startCommand"] == {"executable": "sh", "args": ["-c", "x"]}
    assert (await simulated.create(vm=True))["startCommand"] is None
    assert (await simulated.create(vm=True, start_command="text"))["startCommand"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/secrets/"),
        ("DELETE", "/secrets/sec_1"),
        ("PATCH", "/user/slug"),
        ("GET", "/teams/t1/members"),
        ("GET", "/pods"),
        ("POST", "/environmentshub/resolve"),
    ],
)
async def test_what_is_not_offered_says_so(simulated: Api, method: str, path: str) -> None:
    reply = await simulated.call(method, path)
    assert reply.status_code == 501
    assert reply.json()["detail"].endswith("not offered by the local platform.")
    assert (await simulated.http.request(method, f"/api/v1{path}")).status_code == 401


async def test_the_account_is_the_one_local_user(simulated: Api) -> None:
    me = (await simulated.call("GET", "/user/whoami", params={"teamId": "t1"})).json()["data"]
    assert me["id"] == (await simulated.create())["userId"] == USER_ID
    teams = (await simulated.call("GET", "/user/teams", params={"offset": 0, "limit": 100})).json()
    assert (teams["data"], teams["total_count"]) == ([], 0)
    for path in ("/secrets/", "/secrets"):
        assert (await simulated.call("GET", path, params={"teamId": "t1"})).json()["data"] == []
        assert (await simulated.http.get(f"/api/v1{path}")).status_code == 401
    assert (await simulated.http.get("/api/v1/user/whoami")).status_code == 401


async def test_unknown_paths_and_methods_answer_json(simulated: Api) -> None:
    assert (await simulated.call("GET", "/nothing")).json() == {"detail": "Not Found"}
    assert (await simulated.call("PUT", "/sandbox")).status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:80"}, 403),
        ({"host": ""}, 403),
        ({"host": "[::1"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "localhost:99"}, 200),
        ({"host": "[::1]:99"}, 200),
        ({"host": "127.0.0.1:99", "origin": "http://127.0.0.1:99"}, 200),
    ],
)
async def test_requests_from_web_pages_are_refused(simulated: Api, headers: dict[str, str], status: int) -> None:
    reply = await simulated.http.get("/api/v1/sandbox", headers={**simulated.key, **headers})
    assert reply.status_code == status


@pytest.mark.parametrize("text", ["[red]x[/", "\x1b]0;owned\x07", "\u202egnp", "a/../../b", "'; DROP TABLE", "é" * 100])
async def test_hostile_text_is_stored_and_returned_literally(simulated: Api, text: str) -> None:
    created = await simulated.create(name=text, labels=[text], environment_vars={"A": text})
    found = await simulated.sandbox(created["id"])
    assert (found["name"], found["labels"], found["environmentVars"]) == (text, [text], {"A": text})


async def test_half_characters_can_be_sent_back(simulated: Api) -> None:
    body = b'{"name": "n", "docker_image": "i", "advanced_configs": {"k": "\\ud800"}}'
    reply = await simulated.call("POST", "/sandbox", content=body)
    assert reply.status_code == 201
    assert reply.json()["advancedConfigs"] == {"k": "\ud800"}


async def test_the_made_up_fleet_is_always_the_same(start: Start, state_dir: Any) -> None:
    texts = []
    for name in ("one", "two"):
        api = await start(state=state_dir / name, clock=ManualClock(), fleet=300, seed=7)
        texts.append((await api.call("GET", "/sandbox?per_page=300")).content)
    assert texts[0] == texts[1]
    other = await start(state=state_dir / "three", clock=ManualClock(), fleet=300, seed=8)
    assert (await other.call("GET", "/sandbox?per_page=300")).content != texts[0]
    rows = [
        Sandbox.model_validate(row) for row in (await other.call("GET", "/sandbox?per_page=300")).json()["sandboxes"]
    ]
    assert {row.status for row in rows} == {
        "PENDING", "PROVISIONING", "RUNNING", "PAUSED", "ERROR", "TERMINATED", "TIMEOUT",
    }  # fmt: skip
    assert {"OOM_KILLED", "IMAGE_PULL_FAILED", "TIMEOUT"} <= {row.error_type for row in rows}
    assert all(row.created_at <= other.platform.clock.now() for row in rows)


OBJECT, STRING = {"executable": "sh", "args": ["-c", "x"]}, "python serve.py"
READ_BY = [
    ("prime-sandboxes/0.1.0 python/3.11.7", [STRING]),
    ("prime-sandboxes/0.2.14 python/3.11.7", [STRING]),
    ("prime-sandboxes/0.2.34 python/3.11.7", [STRING]),
    ("prime-sandboxes/0.2.35 python/3.11.7", [STRING, OBJECT]),
    ("prime-sandboxes/0.3.2 python/3.11.7", [STRING, OBJECT]),
    ("prime-sandboxes/0.4.0 python/3.11.7", [OBJECT]),
    ("prime-sandboxes/0.10.0 python/3.11.7", [OBJECT]),
    ("prime-sandboxes/1.0.0", [OBJECT]),
    ("prime-cli/0.5.60 python/3.11.7", []),
    ("prime-sandboxes/unknown", []),
    ("sandtui/0.1.0 python/3.11.7", [STRING, OBJECT]),
    ("curl/8.0", [STRING, OBJECT]),
]


@pytest.mark.parametrize(("agent", "read"), READ_BY)
@pytest.mark.parametrize("maker", ["prime-sandboxes/0.2.14", "prime-sandboxes/0.5.1", "sandtui/0.1.0"])
async def test_each_generation_reads_the_sandboxes_of_every_other(simulated, agent, read, maker):
    simulated.http.headers["User-Agent"] = maker
    made = [
        await simulated.create(start_command=STRING),
        await simulated.create(vm=True, start_command=OBJECT),
        await simulated.create(vm=True),
    ]
    simulated.http.headers["User-Agent"] = agent
    again = [await simulated.create(start_command=STRING), await simulated.create(vm=True, start_command=OBJECT)]
    rows = (await simulated.call("GET", "/sandbox", params={"per_page": 100})).json()["sandboxes"]
    rows += [await simulated.sandbox(row["id"]) for row in made]
    told = [row["startCommand"] for row in (*rows, *again) if row["startCommand"] is not None]
    assert all(command in read for command in told)
    assert all(command in told for command in read)
