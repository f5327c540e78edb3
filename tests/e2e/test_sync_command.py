"""``sandtui sync`` as a script uses it."""

import subprocess

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient
from tests.e2e.test_create_command import SANDTUI
from tests.e2e.test_dashboard import environment


def test_patterns_come_from_standard_input(platform_process, tmp_path):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    remote = {"PRIME_API_KEY": platform_process.api_key, "PRIME_API_BASE_URL": platform_process.base_url}
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept.txt").write_text("kept\n")
    (source / "left.log").write_text("left\n")
    with SandboxClient(APIClient(config=config)) as client:
        made = client.create(CreateSandboxRequest(name="sync-stdin", docker_image="python:3.11-slim"))
        client.wait_for_creation(made.id)
        command = [*SANDTUI, "sync", "--ignore-from", "-", str(source), "sync-stdin:/tmp/there"]
        done = subprocess.run(
            command, env=environment(tmp_path, **remote), input="*.log\n", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert client.execute_command(made.id, "ls /tmp/there").stdout == "kept.txt\n"
        client.delete(made.id)
