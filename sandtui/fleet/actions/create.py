"""The create form, and the progress of a launch."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("create.submit", ("ctrl+s", "ctrl+enter"), "create", "Create the sandboxes", 10, dangerous=True),
    Action("create.next_problem", ("ctrl+n",), "next error", "Go to next error", 20),
    Action("create.next_section", ("pagedown", "ctrl+pagedown"), "next section", "Go to the next section", 26),
    Action("create.previous_section", ("pageup", "ctrl+pageup"), "previous section", "Go to the previous section"),
    Action("create.fold", ("ctrl+f",), "fold", "Fold or unfold this section", 27),
    Action("create.to_secrets", ("ctrl+r",), "to secrets", "Move variables that look secret to the secrets", 29),
    Action("create.presets", ("ctrl+o",), "presets", "Load or save a preset", 15),
    Action("create.code", ("ctrl+g",), "export", "Export as Python, curl, preset or shell", 25),
    Action("create.edit", ("ctrl+t",), "edit as TOML", "Edit as TOML in $EDITOR", 28),
    Action("create.back", ("escape",), "close", "Close (draft is kept, without secrets)", 22),
    Action("launch.cancel", ("K",), "stop", "Stop launching (keep what exists)", 10, dangerous=True),
    Action("launch.retry", ("U",), "retry failed", "Retry failed", 20, dangerous=True),
    Action("launch.delete", ("D",), "delete all", "Delete all sandboxes of this launch", 30, dangerous=True),
    Action("launch.code", ("ctrl+g",), "export", "Export as Python or curl", 50),
    Action("launch.copy", ("y",), "copy ids", "Copy ids", 40),
    Action("launch.back", ("escape", "q"), "back", "Back (launching continues in the background)", 5),
)
