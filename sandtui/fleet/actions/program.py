"""Global actions."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("app.help", ("question_mark", "f1"), "help", "Show keyboard shortcuts", 1, command="help"),
    Action("app.manual", ("f3",), "manual", "Open the manual page for this screen", command="manual"),
    Action("app.command", ("colon",), "cmd", "Run a command by name", 90),
    Action("app.command_palette", ("ctrl+p",), "palette", "Search all actions"),
    Action("app.refresh", ("r",), "refresh", "Refresh now", command="refresh"),
    Action("app.fleet", ("1",), "fleet", "Go to sandboxes", command="fleet"),
    Action("app.jobs", ("2",), "jobs", "Go to the jobs of the fleet"),
    Action("app.files", ("3",), "files", "Go to files"),
    Action("app.ports", ("4",), "ports", "Go to the ports of the fleet"),
    Action("app.messages", ("5",), "activity", "Go to the activity log", command="activity"),
    Action("app.launches", ("6",), "launches", "Go to the last launch", command="launches"),
    Action("app.checkpoints", ("7",), "checkpoints", "Go to the checkpoints", command="checkpoints"),
    Action("app.volumes", ("8",), "volumes", "Go to the volumes", command="volumes"),
    Action(
        "app.previous", ("minus",), "previous screen", "Toggle between this and the previous screen", command="back"
    ),
    Action("app.context", ("at",), "context", "Switch context", command="context"),
    Action("app.suspend", ("ctrl+z",), "suspend", "Suspend to the shell (fg to resume)", command="suspend"),
    Action("app.quit", ("ctrl+q",), "quit", "Quit (sandboxes keep running)", command="q"),
)
