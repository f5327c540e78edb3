"""The official SDK's clients of image registries; the sandbox clients have the same two methods."""

from __future__ import annotations

from sandtui.client.api_client import APIClient, AsyncAPIClient
from sandtui.client.blocking import blocking
from sandtui.client.flows.access import Access


class Templates(Access):
    """The flows about images, over the session of an API client."""

    async def aclose(self) -> None:
        """Close all connections, including those of the API client that was passed in."""
        await self._session.port.aclose()


class TemplateClient:
    """Images and registry credentials."""

    def __init__(self, api_client: APIClient | None = None) -> None:
        self.client = api_client or APIClient()
        self._flows = Templates(self.client.session)

    list_registry_credentials = blocking(Access.list_registry_credentials)
    check_docker_image = blocking(Access.check_docker_image)
    close = blocking(Templates.aclose)


class AsyncTemplateClient(Templates):
    """The asynchronous version of :class:`TemplateClient`."""

    def __init__(self, api_client: AsyncAPIClient | None = None) -> None:
        self.client = api_client or AsyncAPIClient()
        super().__init__(self.client.session)
