"""The clients, pointed at the real local platform by the environment."""

import pytest

from sandtui.client import APIClient, CreateSandboxRequest, SandboxClient


@pytest.fixture
def configured(platform_process, monkeypatch):
    """Point the environment at the platform, as `sandtui local env` does."""
    monkeypatch.setenv("PRIME_API_KEY", platform_process.api_key)
    monkeypatch.setenv("PRIME_API_BASE_URL", platform_process.base_url)
    return platform_process


@pytest.fixture
def client(configured):
    with SandboxClient(APIClient()) as client:
        yield client


@pytest.fixture
def sandbox(client):
    made = client.create(CreateSandboxRequest(name="guide", docker_image="python:3.11-slim"))
    client.wait_for_creation(made.id)
    yield made
    client.delete(made.id)
