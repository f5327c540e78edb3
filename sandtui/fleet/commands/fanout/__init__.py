"""One command on many sandboxes: run, fold what is the same, show what differs, keep it all."""

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.grouping import Group, group
from sandtui.fleet.commands.fanout.run import AT_ONCE, FanOut, Target

__all__ = ["AT_ONCE", "Answer", "FanOut", "Group", "Target", "group"]
