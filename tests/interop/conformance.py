"""Every method of an official SDK against the platform, with both of its clients and both kinds of sandboxes.

Prints one JSON line for each method: its name and ``yes``, ``501`` (the platform says in words that it doesn't have
it), ``absent`` (this version has no such method) or ``no`` with the reason. Run by the interpreter of the SDK's own
environment; imports nothing of sandtui.
"""

import asyncio
import inspect
import json
import os
import pathlib
import socket
import sys
import tempfile
import time
import traceback
import urllib.request
import uuid

import prime_sandboxes
from prime_sandboxes import APIClient, APIError, AsyncSandboxClient, CreateSandboxRequest, SandboxClient

RUN = f"run-{uuid.uuid4().hex[:8]}"
FIELDS = set(CreateSandboxRequest.model_fields)
HAS_CONTAINERS = hasattr(SandboxClient, "expose")
KINDS = [kind for kind, there in (("container", HAS_CONTAINERS), ("vm", "vm" in FIELDS or not HAS_CONTAINERS)) if there]
CASES = []
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl test"


def case(*methods, kinds=("container", "vm"), only=None):
    """Say which methods a function tries; all of them must be there for it to run."""

    def add(function):
        CASES.append((methods, kinds, only, function))
        return function

    return add


class Client:
    """One of the two clients, called the same way."""

    def __init__(self, which, kind):
        self.which, self.kind = which, kind
        self.loop = asyncio.new_event_loop()
        self.inner = SandboxClient(APIClient()) if which == "sync" else self.loop.run_until_complete(self._make())
        self.box = None

    async def _make(self):
        return AsyncSandboxClient()

    def __getattr__(self, name):
        method = self.inner
        for part in name.split("__"):
            method = getattr(method, part)

        def call(*arguments, **named):
            result = method(*arguments, **named)
            return self.loop.run_until_complete(result) if inspect.isawaitable(result) else result

        return call

    def request(self, name, **more):
        values = {
            "name": name,
            "docker_image": "python:3.11-slim",
            "labels": [RUN, name],
            "timeout_minutes": 30,
            **more,
        }
        if "vm" in FIELDS:
            values["vm"] = self.kind == "vm"
        return CreateSandboxRequest(**values)

    def close(self):
        if self.which == "async":
            if self.box:
                self.delete(self.box.id)
            if hasattr(self.inner, "aclose"):
                self.loop.run_until_complete(self.inner.aclose())
        elif self.box:
            self.delete(self.box.id)
        self.loop.close()


@case("create", "get", "wait_for_creation")
def create(client):
    client.box = client.create(
        client.request("conformance", environment_vars={"FROM": "sandbox"}, secrets={"S": "hidden"})
    )
    client.wait_for_creation(client.box.id)
    found = client.get(client.box.id)
    assert (found.status, found.name, found.environment_vars) == ("RUNNING", "conformance", {"FROM": "sandbox"}), found
    assert "hidden" not in found.model_dump_json()


@case("list")
def list_(client):
    listed = client.list(labels=[RUN, "conformance"], exclude_terminated=True)
    assert client.box.id in [sandbox.id for sandbox in listed.sandboxes], listed
    assert client.list(labels=["no-such-label"]).total == 0


@case("get_logs")
def get_logs(client):
    assert "driver" in client.get_logs(client.box.id)


@case("get_sandbox_statuses")
def statuses(client):
    (row,) = client.get_sandbox_statuses([client.box.id]).statuses
    assert (row.sandbox_id, row.status) == (client.box.id, "RUNNING")


@case("execute_command")
def execute(client):
    result = client.execute_command(
        client.box.id, "echo $FROM $A; pwd; echo oops >&2; exit 7", working_dir="/tmp", env={"A": "b c"}
    )
    assert (result.stdout, result.stderr, result.exit_code) == ("sandbox b c\n/tmp\n", "oops\n", 7), result
    if "user" in inspect.signature(client.inner.execute_command).parameters and (
        client.kind == "container" or not HAS_CONTAINERS
    ):
        assert client.execute_command(client.box.id, "whoami", user="nobody").stdout == "nobody\n"
    try:
        client.execute_command(client.box.id, "sleep 30", timeout=1)
    except prime_sandboxes.CommandTimeoutError:
        return
    raise AssertionError("a command outlived its timeout")


@case("open_process", only="async", kinds=("vm",))
def open_process(client):
    async def run():
        process = await client.inner.open_process(client.box.id, "while read line; do echo got $line; done; exit 5")
        await process.write_stdin(b"one\n")
        seen = b""
        async for chunk in process.stdout:
            seen += chunk if isinstance(chunk, bytes) else chunk.encode()
            if b"got one\n" in seen:
                break
        await process.terminate()
        code = await process.wait()
        await process.aclose()
        assert seen == b"got one\n" and code in (143, -15), (seen, code)

    client.loop.run_until_complete(asyncio.wait_for(run(), 30))


@case("start_background_job", "get_background_job")
def jobs(client):
    job = client.start_background_job(client.box.id, "echo out; echo err >&2; exit 3")
    deadline = time.monotonic() + 30
    while not (status := client.get_background_job(client.box.id, job)).completed:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    assert (status.exit_code, status.stdout.strip(), status.stderr.strip()) == (3, "out", "err"), status


def ended_job(client):
    job = client.start_background_job(client.box.id, "echo out; exit 4")
    deadline = time.monotonic() + 30
    while not client.get_background_job(client.box.id, job).completed:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job


@case("get_background_job_status")
def job_status(client):
    status = client.get_background_job_status(client.box.id, ended_job(client))
    assert (status.completed, status.exit_code) == (True, 4), status


@case("get_background_job_statuses")
def job_statuses(client):
    jobs = [ended_job(client), client.start_background_job(client.box.id, "sleep 60")]
    rows = client.get_background_job_statuses(jobs)
    rows = getattr(rows, "statuses", rows)
    assert [(row.completed, row.exit_code) for row in rows] == [(True, 4), (False, None)], rows


@case("get_background_jobs")
def several_jobs(client):
    rows = client.get_background_jobs([ended_job(client)])
    rows = getattr(rows, "jobs", rows)
    assert [(row.exit_code, row.stdout.strip()) for row in rows] == [(4, "out")], rows


@case("run_background_job")
def run_job(client):
    status = client.run_background_job(client.box.id, "echo done; exit 6", timeout=60, poll_interval=1)
    assert (status.completed, status.exit_code) == (True, 6), status


@case("upload_file", "download_file")
def files(client):
    content = bytes(range(256)) * 4096
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "data.bin"), pathlib.Path(folder, "back.bin")
        source.write_bytes(content)
        reply = client.upload_file(client.box.id, "/workspace/new dir/data+1.bin", str(source))
        assert reply.success and reply.size == len(content), reply
        client.download_file(client.box.id, "/workspace/new dir/data+1.bin", str(target))
        assert target.read_bytes() == content


@case("upload_bytes")
def upload_bytes(client):
    assert client.upload_bytes(client.box.id, "/tmp/bytes", b"some bytes", "bytes").size == 10
    assert client.execute_command(client.box.id, "cat /tmp/bytes").stdout == "some bytes"


@case("read_file")
def read_file(client):
    client.execute_command(client.box.id, "printf 0123456789 > /tmp/text")
    assert client.read_file(client.box.id, "/tmp/text").content == "0123456789"
    if "offset" in inspect.signature(client.inner.read_file).parameters:
        window = client.read_file(client.box.id, "/tmp/text", offset=-4, length=2)
        assert (window.content, window.offset, window.total_size, window.truncated) == ("67", 6, 10, True), window
    try:
        client.read_file(client.box.id, "/no/such/file")
    except APIError as error:
        assert "404" in str(error) or "not found" in str(error).lower() or "NotFound" in type(error).__name__, error
        return
    raise AssertionError("a file was read that is not there")


@case("clear_auth_cache")
def clear(client):
    client.clear_auth_cache()
    assert client.execute_command(client.box.id, "echo again").stdout == "again\n"


@case("expose", "list_exposed_ports", "list_all_exposed_ports", "unexpose", kinds=("container",))
def ports(client):
    port = free_port()
    client.execute_command(client.box.id, f"cd /tmp; nohup python3 -m http.server {port} > /dev/null 2>&1 &")
    exposed = client.expose(client.box.id, port, name="web")
    assert exposed.port == port and exposed.url.startswith("http"), exposed
    deadline = time.monotonic() + 15
    while True:
        try:
            assert b"Directory listing" in urllib.request.urlopen(exposed.url, timeout=5).read()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    raw = client.expose(client.box.id, port, protocol="TCP")
    host, _, number = raw.external_endpoint.rpartition(":")
    socket.create_connection((host, int(number)), 5).close()
    ids = {exposed.exposure_id, raw.exposure_id}
    assert {row.exposure_id for row in client.list_exposed_ports(client.box.id).exposures} == ids
    assert ids <= {row.exposure_id for row in client.list_all_exposed_ports().exposures}
    for one in ids:
        client.unexpose(client.box.id, one)
    assert client.list_exposed_ports(client.box.id).exposures == []
    try:
        client.expose(client.box.id, 8080)
    except APIError as error:
        assert "422" in str(error), error
        return
    raise AssertionError("a forbidden port was exposed")


def free_port():
    while True:
        with socket.socket() as probe:
            port = 3000 + int.from_bytes(os.urandom(2), "big") % 5000
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@case("create_ssh_session", "close_ssh_session", kinds=("container", "vm"))
def ssh(client):
    if HAS_CONTAINERS and client.kind == "vm":
        return  # these versions refuse it themselves
    arguments = [KEY] if "public_key" in inspect.signature(client.inner.create_ssh_session).parameters else []
    session = client.create_ssh_session(client.box.id, *arguments, ttl_seconds=60)
    with socket.create_connection((session.host, session.port), 5) as sock:
        if arguments:
            sock.sendall(f"PRIME-SSH-SESSION {session.session_id}\n".encode())
        else:
            sock.sendall(b"SSH-2.0-probe\r\n")
        assert sock.recv(100).startswith(b"SSH-2.0-")
    client.close_ssh_session(client.box.id, session.session_id)


@case("is_vm")
def is_vm(client):
    assert client.is_vm(client.box.id) is (client.kind == "vm")


@case("get_network", "set_network", kinds=("vm",))
def network(client):
    policy = client.set_network(client.box.id, allow=["example.com"])
    policy = getattr(policy, "policy", policy)
    assert policy.allowlist == ["example.com"], policy
    found = client.get_network(client.box.id)
    assert getattr(found, "policy", found).allowlist == ["example.com"], found
    blocked = client.set_network(client.box.id, deny=["*"])
    assert getattr(blocked, "policy", blocked).allowlist == [], blocked
    client.set_network(client.box.id, allow=["*"])


@case("bulk_wait_for_creation", "bulk_delete", "delete")
def bulk(client):
    made = [client.create(client.request("bulk")) for _ in range(3)]
    ids = [sandbox.id for sandbox in made]
    assert client.bulk_wait_for_creation(ids) == dict.fromkeys(ids, "RUNNING")
    assert client.bulk_delete(sandbox_ids=ids[:1]).succeeded == ids[:1]
    assert set(client.bulk_delete(labels=[RUN, "bulk"]).succeeded) == set(ids[1:])
    if "all_users" in inspect.signature(client.inner.bulk_delete).parameters:
        scoped(client)
    one = client.create(client.request("one"))
    client.delete(one.id)
    assert client.get(one.id).status == "TERMINATED"
    try:
        client.execute_command(one.id, "true")
    except Exception as error:
        assert not isinstance(error, (AssertionError, TypeError, KeyError)), error
        return
    raise AssertionError("a command ran in a deleted sandbox")


def scoped(client):
    """Delete by scope alone; a team of this run, since other tests share the platform and its user."""
    team = f"team-{client.which}-{client.kind}-{RUN}"
    ids = {client.create(client.request("scoped", team_id=team)).id for _ in range(2)}
    user = client.get(min(ids)).user_id
    assert client.bulk_delete(user_id="usr_nobody").succeeded == []
    assert client.bulk_delete(team_id="team-nobody", all_users=True).succeeded == []
    assert set(client.bulk_delete(team_id=team, user_id=user).succeeded) == ids
    one = client.create(client.request("scoped", team_id=team)).id
    assert client.bulk_delete(team_id=team, all_users=True).succeeded == [one]


def template_case(method, check):
    @case(f"TemplateClient.{method}", kinds=("container",))
    def tried(client):
        names = {"sync": "TemplateClient", "async": "AsyncTemplateClient"}
        cls = getattr(prime_sandboxes, names[client.which])
        inner = cls(APIClient()) if client.which == "sync" else client.loop.run_until_complete(make(cls))
        result = getattr(inner, method)(*check[0])
        result = client.loop.run_until_complete(result) if inspect.isawaitable(result) else result
        assert check[1](result), result


async def make(cls):
    return cls()


template_case("list_registry_credentials", ((), lambda found: found == [] or getattr(found, "credentials", None) == []))
template_case("check_docker_image", (("python:3.11-slim",), lambda found: found.accessible is True))


@case(
    "checkpoint", "list_checkpoints", "get_checkpoint", "get_checkpoints", "delete_checkpoint",
    "delete_sandbox_checkpoints", "wait_for_checkpoint",
    kinds=("vm",),
)  # fmt: skip
def checkpoints(client):
    box = client.box.id
    client.execute_command(box, "echo kept > /root/kept")
    begun = client.checkpoint(box)
    assert begun.sandbox_id == box, begun
    durable = client.wait_for_checkpoint(begun.id)
    assert (durable.id, durable.state) == (begun.id, "DURABLE"), durable
    assert [one.id for one in client.list_checkpoints(box)] == [begun.id]
    assert client.list_checkpoints(box, "other") == []
    assert client.get_checkpoint(begun.id) == durable
    batch = client.get_checkpoints([begun.id, "unknown"])
    assert [one.id for one in batch.checkpoints] == [begun.id], batch
    assert [(error.checkpoint_id, error.code) for error in batch.errors] == [("unknown", "NOT_FOUND")], batch
    copy = client.create(CreateSandboxRequest(name="restored", checkpoint_id=begun.id, labels=[RUN]))
    client.wait_for_creation(copy.id)
    assert client.execute_command(copy.id, "cat /root/kept").stdout == "kept\n"
    assert client.get(copy.id).docker_image == client.get(box).docker_image
    client.delete(copy.id)
    kept = client.delete_sandbox_checkpoints(box)
    assert [(error.checkpoint_id, error.code) for error in kept.errors] == [(begun.id, "CONFLICT")], kept
    newer = client.wait_for_checkpoint(client.checkpoint(box).id)
    assert (newer.parent_id, newer.depth) == (begun.id, durable.depth + 1), newer
    client.delete_checkpoint(begun.id)
    try:
        client.get_checkpoint(begun.id)
    except APIError as error:
        assert "HTTP 404" in str(error), error
    else:
        raise AssertionError("it is still there")


@case("volumes__create", "volumes__list", "volumes__get", "volumes__delete", "volumes__publish", kinds=("vm",))
def volumes(client):
    from prime_sandboxes import VolumeMount

    name = f"v-{uuid.uuid4().hex[:8]}"
    client.volumes__create(name)
    assert name in [volume.name for volume in client.volumes__list().volumes]

    def attached(**more):
        mounts = [VolumeMount(name=name, mount_path="/volume", **more)]
        box = client.create(client.request("attached", volumes=mounts))
        client.wait_for_creation(box.id)
        return box.id

    def refused_with(status, *arguments, **named):
        try:
            client.volumes__publish(*arguments, **named)
        except APIError as error:
            assert f"HTTP {status}" in str(error), error
        else:
            raise AssertionError("it was published")

    first, second = attached(), attached()
    client.execute_command(first, "echo one > /volume/file")
    version = client.volumes__publish(first, name)
    assert (version.state, client.volumes__get(name).head_checkpoint_id) == ("DURABLE", version.id), version
    refused_with(409, second, name)
    refused_with(404, second, "other")
    reader = attached(read_only=True)
    assert client.execute_command(reader, "cat /volume/file").stdout == "one\n"
    refused_with(400, reader, name)
    assert client.volumes__publish(second, name, force=True).state == "DURABLE"
    for box in (first, second, reader):
        client.delete(box)
    client.volumes__delete(name)


LAN = (
    "create_lan_network", "list_lan_networks", "get_lan_network", "delete_lan_network", "set_lan_rules",
    "add_lan_member", "remove_lan_member",
)  # fmt: skip


class NotOffered(Exception):
    """The platform says in words that it doesn't have it."""


@case(*LAN, kinds=("vm",))
def lan(client):
    from prime_sandboxes import LanRule

    name = f"n-{uuid.uuid4().hex[:8]}"
    rules = [LanRule(from_="tag:web", to="tag:db", ports=[6000, 5000]), LanRule(from_="internet", to="*", ports=[80])]
    try:
        network = client.create_lan_network(name, rules=rules)
    except APIError as error:
        # On a machine where packets of sandboxes are not carried.
        assert "501" in str(error) and "not offered" in str(error), error
        raise NotOffered from error
    boxes = {}
    for tag in ("web", "db"):
        boxes[tag] = client.create(client.request(tag, lan_network_id=network.id, lan_tags=[tag])).id
        client.wait_for_creation(boxes[tag])
    found = client.get_lan_network(network.id)
    assert {member.sandbox_id: member.tags for member in found.members} == {box: [tag] for tag, box in boxes.items()}
    assert found.synced and all(member.synced for member in found.members), found
    assert network.id in [each.id for each in client.list_lan_networks()]
    client.execute_command(boxes["db"], "cd /tmp; nohup python3 -m http.server 5000 >/dev/null 2>&1 &")
    url = f"http://{boxes['db']}.sandbox.internal:5000"
    get = f"python3 -c \"import urllib.request as u; print(u.urlopen('{url}', timeout=5).status)\""
    end = time.monotonic() + 30
    while client.execute_command(boxes["web"], get).stdout != "200\n":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert client.set_lan_rules(network.id, [LanRule(from_="tag:other", to="*")]).version > found.version
    assert client.execute_command(boxes["web"], get).exit_code != 0, "no rule lets it connect any more"
    assert client.add_lan_member(network.id, boxes["web"], ["other"]).tags == ["other"]
    assert client.execute_command(boxes["web"], get).stdout == "200\n"
    client.remove_lan_member(network.id, boxes["web"])
    assert client.execute_command(boxes["web"], get).exit_code != 0
    client.delete(boxes["db"])
    assert client.get_lan_network(network.id).members == []
    for rule in (LanRule(from_="10.0.0.0/8", to="*"), LanRule(from_="internet", to="*")):
        try:
            client.set_lan_rules(network.id, [rule])
        except APIError as error:
            assert "422" in str(error), error
        else:
            raise AssertionError(f"{rule} was stored")
    client.delete_lan_network(network.id)
    assert network.id not in [each.id for each in client.list_lan_networks()]
    client.delete(boxes["web"])


def images_of(client, method, *arguments, **named):
    """Call a method of the SDK's client of images."""
    names = {"sync": "ImageClient", "async": "AsyncImageClient"}
    cls = getattr(prime_sandboxes, names[client.which])
    inner = cls(APIClient()) if client.which == "sync" else client.loop.run_until_complete(make(cls))
    result = getattr(inner, method)(*arguments, **named)
    return client.loop.run_until_complete(result) if inspect.isawaitable(result) else result


@case("ImageClient.list")
def image_list(client):
    assert not images_of(client, "list", search="no such image").data


@case("ImageClient.get_build_status")
def image_state(client):
    try:
        images_of(client, "get_build_status", "unknown")
    except APIError as error:
        assert "HTTP 404" in str(error), error
    else:
        raise AssertionError("it knows a build that never was")


@case("ImageClient.initiate_build", "ImageClient.start_build")
def dockerfiles(client):
    request = prime_sandboxes.BuildImageRequest(image_name="built", image_tag="v1")
    try:
        begun = images_of(client, "initiate_build", request)
    except APIError as error:
        assert "501" in str(error) and "not offered" in str(error), error
        raise NotOffered from error
    assert begun.upload_url and begun.expires_in, begun


@case("ImageClient.transfer_image", "ImageClient.update_images")
def copies(client):
    from prime_sandboxes import ImageUpdateItem, ImageUpdatePatch, ImageUpdateSource, UpdateImagesRequest

    name = f"copy-{client.which}-{uuid.uuid4().hex[:8]}"
    begun = images_of(client, "transfer_image", "ghcr.io/org/tools:v1", image_name=name, image_tag="v1")
    assert begun.build_ids == [begun.build_id], begun
    end = time.monotonic() + 30
    while (found := images_of(client, "get_build_status", begun.build_id))["status"] not in ("COMPLETED", "FAILED"):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    assert found["status"] == "COMPLETED", found
    if hasattr(prime_sandboxes.ImageClient, "list"):
        (row,) = images_of(client, "list", search=name).data
        assert (row.image_name, row.image_tag, row.status.value) == (name, "v1", "COMPLETED"), row
    change = ImageUpdateItem(
        source=ImageUpdateSource(reference=begun.full_image_path),
        set=ImageUpdatePatch(tag="v2", visibility=prime_sandboxes.ImageVisibility.PUBLIC),
    )
    done = images_of(client, "update_images", UpdateImagesRequest(updates=[change]))
    assert done.success and done.results[0].after.tag == "v2", done
    box = client.create(client.request(name, docker_image=begun.full_image_path.replace(":v1", ":v2")))
    client.wait_for_creation(box.id)
    assert client.execute_command(box.id, "echo here").stdout == "here\n"
    client.delete(box.id)
    both = images_of(client, "transfer_image", "ghcr.io/org/two:v1,ghcr.io/org/two:v1")
    # Older versions have no build there, but say whether there is one.
    assert [bool(getattr(one, "success", False) or getattr(one, "build", None)) for one in both.results] == [
        True,
        False,
    ]
    assert "duplicate" in both.results[1].error, both


def has(client, method):
    owner, dot, name = method.partition(".")
    if dot:
        return hasattr(getattr(prime_sandboxes, owner, None), name)
    target = client.inner
    for part in method.split("__"):
        target = getattr(target, part, None)
    return target is not None


def main():
    results = {}
    for which in ("sync", "async"):
        for kind in KINDS:
            client = Client(which, kind)
            try:
                for methods, kinds, only, function in CASES:
                    there = all(has(client, method) for method in methods) and only in (None, which) and kind in kinds
                    outcome, reason = "absent", ""
                    if there:
                        try:
                            function(client)
                            outcome = "yes"
                        except NotOffered:
                            outcome = "501"
                        except BaseException:
                            outcome, reason = "no", f"{which}, {kind}: {traceback.format_exc(limit=-5)}"
                    for method in methods:
                        known = results.get(method, ("absent", ""))
                        if known[0] == "absent" or outcome == "no":
                            results[method] = (outcome, reason)
            finally:
                client.close()
    for method, (outcome, reason) in results.items():
        print(json.dumps({"method": method.replace("__", "."), "outcome": outcome, "reason": reason}), flush=True)
    return any(outcome == "no" for outcome, _ in results.values())


if __name__ == "__main__":
    sys.exit(main())
