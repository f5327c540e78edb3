"""What works on every screen."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("app.help", ("question_mark", "f1"), "help", "Show the keys that work here.", 1, command="help"),
    Action("app.manual", ("f3",), "manual", "Open the manual at the page of this screen.", command="manual"),
    Action("app.command", ("colon",), "cmd", "Type a command by its name.", 90),
    Action("app.command_palette", ("ctrl+p",), "palette", "Find an action by a part of its name."),
    Action("app.refresh", ("r",), "refresh", "Ask the platform now.", command="refresh"),
    Action("app.messages", ("t",), "activity", "Show what was done and what went wrong.", command="activity"),
    Action("app.fleet", ("1",), "fleet", "Go to the fleet.", command="fleet"),
    Action("app.previous", ("minus",), "screen before", "Go to the screen before this one, and back.", command="back"),
    Action("app.launches", ("l",), "launches", "Show the board of the latest launch.", command="launches"),
    Action("app.context", ("at",), "context", "Work with another platform, team or account.", command="context"),
    Action("app.suspend", ("ctrl+z",), "suspend", "Stop sandtui until `fg` in your shell.", command="suspend"),
    Action("app.quit", ("ctrl+q",), "quit", "Leave sandtui; sandboxes go on.", command="q"),
)
