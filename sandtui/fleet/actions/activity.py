"""What was done and what went wrong."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("activity.search", ("slash",), "search", "Show the lines that hold some words.", 20),
    Action("activity.open", ("enter",), "requests", "Show the line in full, and the requests behind it.", 15),
    Action("activity.copy", ("y",), "copy line", "Copy the line under the cursor.", 30),
    Action("activity.copy_curl", ("Y",), "copy curl", "Copy the request behind it as a curl command.", 35),
    Action("activity.back", ("escape", "q", "t"), "back", "Back to where you came from.", 10),
)
