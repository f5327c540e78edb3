"""Recording and playing shells and consoles in the asciicast format, version 2."""

from sandtui.fleet.recordings.player import Player
from sandtui.fleet.recordings.recorder import Recorder, Tape

__all__ = ["Player", "Recorder", "Tape"]
