"""What was done and what went wrong."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("activity.search", ("slash",), "search", "Show the lines that hold some words.", 20),
    Action("activity.copy", ("y",), "copy line", "Copy the line under the cursor.", 30),
    Action("activity.back", ("escape", "q", "t"), "back", "Back to where you came from.", 10),
)
