"""What was recorded: the list of files, and playing one."""

from sandtui.ui.recordings.screen import RecordingsScreen

__all__ = ["RecordingsScreen"]
