"""The activity log."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import sandbox_actions

ACTIONS = (
    Action("activity.search", ("slash",), "filter", "Filter entries", 20),
    *sandbox_actions("activity"),
    Action("activity.details", ("d",), "details", "Show details and API requests", 15),
    Action("activity.copy", ("y",), "copy entry", "Copy this entry", 30),
    Action("activity.copy_curl", ("Y",), "copy curl", "Copy request as curl", 35),
    Action("activity.reload", ("r",), "refresh", "Reload the entries"),
    Action("activity.back", ("escape", "q"), "back", "Back", 10),
)
