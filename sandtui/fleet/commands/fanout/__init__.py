"""One command on many sandboxes: run, group identical results, show differences, save."""

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.grouping import ResultGroup, group, odd_first
from sandtui.fleet.commands.fanout.run import AT_ONCE, FanOut, Target

__all__ = ["AT_ONCE", "Answer", "FanOut", "ResultGroup", "Target", "group", "odd_first"]
