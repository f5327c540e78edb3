"""The file browser: two panes, the queue of transfers, the preview."""

from sandtui.ui.screens.files.screen import FilesScreen

__all__ = ["FilesScreen"]
