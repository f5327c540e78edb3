"""Volumes through both clients, on a real platform."""

import inspect

import pytest

from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    ConflictError,
    CreateSandboxRequest,
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    SandboxClient,
    VolumeMount,
)


@pytest.fixture
def volumes(client):
    """Return the volumes of a client, of which nothing is left afterwards."""
    try:
        client.volumes.list()
    except NotOfferedError as refusal:
        pytest.skip(str(refusal))
    yield client.volumes
    client.bulk_delete(labels=["volumes"])
    for volume in client.volumes.list().volumes:
        client.volumes.delete(volume.name)


def box(client, *, read_only: bool = False) -> str:
    mounts = [VolumeMount(name="data", mount_path="/vol", read_only=read_only)]
    request = CreateSandboxRequest(name="box", docker_image="python:3.11-slim", labels=["volumes"], volumes=mounts)
    made = client.create(request)
    client.wait_for_creation(made.id)
    return made.id


def test_from_the_creation_to_the_deletion(client, volumes) -> None:
    created = volumes.create("data")
    with pytest.raises(ConflictError):
        volumes.create("data")
    first, second = box(client), box(client)
    client.upload_bytes(first, "/vol/note", b"hello", "note")
    version = volumes.publish(first, "data")
    assert version.state == "DURABLE"
    assert volumes.get("data").head_checkpoint_id == version.id
    with pytest.raises(ConflictError):
        volumes.publish(second, "data")
    with pytest.raises(NotFoundError):
        volumes.publish(second, "other")
    reader = box(client, read_only=True)
    assert client.read_file(reader, "/vol/note").content == "hello"
    with pytest.raises(APIError, match="read-only"):
        volumes.publish(reader, "data")
    begun = volumes.publish(second, "data", force=True, wait=False)
    assert client.wait_for_checkpoint(begun.id).id == begun.id
    with pytest.raises(ConflictError):
        volumes.delete("data")
    client.bulk_delete(labels=["volumes"])
    listed = volumes.list()
    assert [(volume.id, listed.total) for volume in listed.volumes] == [(created.id, 1)]
    volumes.delete("data")
    with pytest.raises(NotFoundError):
        volumes.get("data")


def test_what_is_not_sent(client) -> None:
    for name in ("", "..", "a\0b"):
        with pytest.raises(InvalidRequestError):
            client.volumes.get(name)
    with pytest.raises(InvalidRequestError):
        client.volumes.create(" ")
    with pytest.raises(InvalidRequestError):
        client.volumes.list(page=0)


def test_both_clients_have_the_same(client) -> None:
    ours, theirs = type(client.volumes), AsyncSandboxClient.volumes.fget
    assert theirs is not None
    assert isinstance(client, SandboxClient)
    for name in ("create", "list", "get", "delete", "publish"):
        assert inspect.getdoc(getattr(ours, name))
