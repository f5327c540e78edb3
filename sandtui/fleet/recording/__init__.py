"""Recordings of shells and consoles in the asciicast format, version 2: making them and playing them."""

from sandtui.fleet.recording.player import Player
from sandtui.fleet.recording.recorder import Recorder, Tape

__all__ = ["Player", "Recorder", "Tape"]
