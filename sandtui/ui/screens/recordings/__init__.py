"""What was recorded: the list of files, and playing one."""

from sandtui.ui.screens.recordings.browser import RecordingsScreen

__all__ = ["RecordingsScreen"]
