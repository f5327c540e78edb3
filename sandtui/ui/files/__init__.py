"""The file browser: two panes, the queue of transfers, the preview."""

from sandtui.ui.files.screen import FilesScreen

__all__ = ["FilesScreen"]
