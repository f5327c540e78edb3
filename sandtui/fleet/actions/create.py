"""The create form and the board of a launch."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("create.submit", ("ctrl+s", "ctrl+enter"), "create", "Create the sandbox.", 10, dangerous=True),
    Action("create.next_problem", ("ctrl+n",), "next problem", "Go to the next field that is wrong.", 20),
    Action("create.presets", ("ctrl+o",), "presets", "Choose a preset, or keep the form as one.", 15),
    Action("create.code", ("ctrl+g",), "as code", "Show the form as SDK script, curl, preset and shell line.", 25),
    Action("create.edit", ("ctrl+t",), "edit as TOML", "Edit the form as a TOML file in $EDITOR.", 28),
    Action("create.back", ("escape",), "leave", "Leave the form; what you typed is kept, but no secrets.", 22),
    Action("launch.cancel", ("K",), "stop", "Send nothing more; what was made stays.", 10, dangerous=True),
    Action("launch.retry", ("u",), "retry failed", "Make the failed ones again.", 20, dangerous=True),
    Action("launch.delete", ("D",), "delete all", "Delete all that this launch made.", 30, dangerous=True),
    Action("launch.code", ("ctrl+g",), "as code", "Show the launch as SDK script and curl lines.", 50),
    Action("launch.copy", ("y",), "copy ids", "Copy the ids of what was made.", 40),
    Action("launch.back", ("escape", "q"), "back", "Back to the fleet; the launch goes on.", 5),
)
