"""A client for a part of the fleet, against a platform that has more."""

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.client.errors import InvalidRequestError, NotFoundError
from tests.conftest import PlatformProcess


async def test_part_of_the_fleet_is_all_there_is(platform_process: PlatformProcess) -> None:
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config) as owner:
        made = [
            await owner.create(
                CreateSandboxRequest(name=f"share-{n}", docker_image="python", labels=labels,
                                     environment_vars={"TOKEN": "hidden-value"})
            ) for n, labels in enumerate((["run=42", "rl"], ["run=43"]))
        ]  # fmt: skip
        inside, outside = (sandbox.id for sandbox in made)
        shared = Config(api_key=config.api_key, base_url=config.base_url, only_labels=("run=42",))
        try:
            async with AsyncSandboxClient(config=shared) as guest:
                with pytest.raises(InvalidRequestError, match="part of the fleet"):
                    await guest.get_logs(outside)
                assert [each.id for each in (await guest.list()).sandboxes] == [inside]
                assert (await guest.list(labels=["run=43"])).sandboxes == []
                seen = await guest.get(inside)
                assert "hidden-value" not in seen.model_dump_json() and list(seen.environment_vars or {}) == ["TOKEN"]
                with pytest.raises(NotFoundError):
                    await guest.get(outside)
                for refused in (
                    guest.get_logs(outside),
                    guest.execute_command(inside, "true"),
                    guest.read_file(inside, "/etc/passwd"),
                    guest.delete(inside),
                    guest.list_exposed_ports(inside),
                    guest.list_all_exposed_ports(),
                    guest.create(CreateSandboxRequest(name="x", docker_image="python", labels=["run=42"])),
                ):
                    with pytest.raises(InvalidRequestError):
                        await refused
                statuses = await guest.get_sandbox_statuses([inside, outside])
                assert [row.sandbox_id for row in statuses.statuses] == [inside]
        finally:
            for sandbox_id in (inside, outside):
                await owner.delete(sandbox_id)
