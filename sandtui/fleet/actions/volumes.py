"""The volumes."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import mark_actions

ACTIONS = (
    Action("volumes.new", ("n",), "new", "Create an empty volume", 10, dangerous=True),
    Action("volumes.publish", ("W",), "publish", "Make the copy of a sandbox the newest version", 15, dangerous=True),
    Action("volumes.delete", ("D",), "delete", "Delete volumes and their data (marked or current)", 20, True),
    *mark_actions("volumes"),
    Action("volumes.copy", ("y",), "copy name", "Copy name", 45),
    Action("volumes.reload", ("r",), "refresh", "List the volumes again", 50),
    Action("volumes.back", ("escape", "q"), "back", "Clear marks, then back", 12),
)
