"""The synchronous client: the same flows over a blocking port."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sandtui.client.api_client import APIClient
from sandtui.client.async_client import AsyncSandboxClient
from sandtui.client.blocking import blocking, blocking_iterator, same
from sandtui.client.config import Config
from sandtui.client.flows.images import ImageOperations
from sandtui.client.flows.operations import Operations
from sandtui.client.flows.volumes import VolumeOperations
from sandtui.client.live import LiveChannels, LiveSide, live_connection, live_process
from sandtui.client.port import run_blocking
from sandtui.client.session import Session
from sandtui.client.tokens import default_cache_dir


class SandboxVolumes:
    """Operations on volumes, in the caller's thread; see :class:`~sandtui.client.flows.volumes.VolumeOperations`."""

    def __init__(self, session: Session) -> None:
        self._flows = VolumeOperations(session)

    create = blocking(VolumeOperations.create)
    list = blocking(VolumeOperations.list)
    get = blocking(VolumeOperations.get)
    delete = blocking(VolumeOperations.delete)
    publish = blocking(VolumeOperations.publish)


class SandboxImages:
    """Operations on images, in the caller's thread; see :class:`~sandtui.client.flows.images.ImageOperations`."""

    def __init__(self, session: Session) -> None:
        self._flows = ImageOperations(session)

    list = blocking(ImageOperations.list)
    transfer_image = blocking(ImageOperations.transfer_image)
    initiate_build = blocking(ImageOperations.initiate_build)
    build = blocking(ImageOperations.build)
    start_build = blocking(ImageOperations.start_build)
    get_build_status = blocking(ImageOperations.get_build_status)
    wait_for_build = blocking(ImageOperations.wait_for_build)
    cancel_build = blocking(ImageOperations.cancel_build)
    update = blocking(ImageOperations.update)
    delete = blocking(ImageOperations.delete)


class SandboxClient:
    """Every operation of the platform, in the caller's thread. Thread-safe.

    Example:
        client = SandboxClient(APIClient())
        sandbox = client.create(CreateSandboxRequest(name="demo", docker_image="python:3.11-slim"))
        client.wait_for_creation(sandbox.id)

    ``api_client`` holds address, key and connections; by default it is created from the environment. Several clients
    may share one: ``close`` closes the connections for all of them. Gateway tokens are stored in ``token_folder``
    between runs; with ``keep_tokens=False`` they stay in memory.
    """

    def __init__(
        self, api_client: APIClient | None = None, *, token_folder: Path | None = None, keep_tokens: bool = True
    ) -> None:
        self.client = api_client or APIClient()
        folder = (token_folder or default_cache_dir()) if keep_tokens else None
        session = Session.open(self.client.config, self.client.port, folder)
        session.require_auth, session.user_agent = self.client.session.require_auth, self.client.session.user_agent

        def asynchronous() -> AsyncSandboxClient:
            client = AsyncSandboxClient(config=self.config, token_folder=token_folder, keep_tokens=keep_tokens)
            # The observer of this client also gets the requests of the live side, whenever it is set.
            client.observe(lambda report: None if session.observer is None else session.observer(report))
            return client

        self._live = LiveSide(asynchronous)
        session.channels = LiveChannels(self._live)
        self._flows = Operations(session)
        self.images = SandboxImages(session)
        self.volumes = SandboxVolumes(session)

    create = blocking(Operations.create)
    get = blocking(Operations.get)
    list = blocking(Operations.list)
    delete = blocking(Operations.delete)
    bulk_delete = blocking(Operations.bulk_delete)
    wait_for_creation = blocking(Operations.wait_for_creation)
    bulk_wait_for_creation = blocking(Operations.bulk_wait_for_creation)
    get_sandbox_statuses = blocking(Operations.get_sandbox_statuses)
    get_error_context = blocking(Operations.get_error_context)
    get_logs = blocking(Operations.get_logs)

    create_many = blocking_iterator(Operations.create_many)
    execute_many = blocking_iterator(Operations.execute_many)
    delete_many = blocking_iterator(Operations.delete_many)
    wait_many = blocking_iterator(Operations.wait_many)

    execute_command = blocking(Operations.execute_command)
    stream_command = blocking_iterator(Operations.stream_command)
    open_process = live_process(AsyncSandboxClient.open_process)

    upload_file = blocking(Operations.upload_file)
    upload_bytes = blocking(Operations.upload_bytes)
    download_file = blocking(Operations.download_file)
    read_file = blocking(Operations.read_file)

    start_background_job = blocking(Operations.start_background_job)
    get_background_job = blocking(Operations.get_background_job)
    get_background_jobs = blocking(Operations.get_background_jobs)
    get_background_job_status = blocking(Operations.get_background_job_status)
    get_background_job_statuses = blocking(Operations.get_background_job_statuses)
    run_background_job = blocking(Operations.run_background_job)
    batch_job_statuses = blocking(Operations.batch_job_statuses)

    expose = blocking(Operations.expose)
    unexpose = blocking(Operations.unexpose)
    list_exposed_ports = blocking(Operations.list_exposed_ports)
    list_all_exposed_ports = blocking(Operations.list_all_exposed_ports)

    checkpoint = blocking(Operations.checkpoint)
    get_checkpoint = blocking(Operations.get_checkpoint)
    get_checkpoints = blocking(Operations.get_checkpoints)
    list_checkpoints = blocking(Operations.list_checkpoints)
    wait_for_checkpoint = blocking(Operations.wait_for_checkpoint)
    delete_checkpoint = blocking(Operations.delete_checkpoint)
    delete_sandbox_checkpoints = blocking(Operations.delete_sandbox_checkpoints)
    fork = blocking(Operations.fork)

    create_lan_network = blocking(Operations.create_lan_network)
    list_lan_networks = blocking(Operations.list_lan_networks)
    get_lan_network = blocking(Operations.get_lan_network)
    delete_lan_network = blocking(Operations.delete_lan_network)
    set_lan_rules = blocking(Operations.set_lan_rules)
    add_lan_member = blocking(Operations.add_lan_member)
    remove_lan_member = blocking(Operations.remove_lan_member)

    create_ssh_session = blocking(Operations.create_ssh_session)
    authorize_ssh_key = blocking(Operations.authorize_ssh_key)
    close_ssh_session = blocking(Operations.close_ssh_session)
    connect_ssh = live_connection(AsyncSandboxClient.connect_ssh)
    get_wallet = blocking(Operations.get_wallet)
    get_network = blocking(Operations.get_network)
    set_network = blocking(Operations.set_network)
    list_registry_credentials = blocking(Operations.list_registry_credentials)
    check_docker_image = blocking(Operations.check_docker_image)

    lease = same(Operations.lease)
    observe = same(Operations.observe)
    is_vm = blocking(Operations.is_vm)
    clear_auth_cache = blocking(Operations.clear_auth_cache)

    def close(self) -> None:
        """Close every connection."""
        try:
            self._live.close()
        finally:
            run_blocking(self._flows.aclose())

    @property
    def config(self) -> Config:
        """The address and identity in use."""
        return self.client.config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
