"""The create form, and the progress of a launch."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import mark_actions, sandbox_actions

ACTIONS = (
    Action("create.submit", ("ctrl+s", "ctrl+enter"), "create", "Create the sandboxes", 10, dangerous=True),
    Action("create.next_problem", ("ctrl+n",), "next error", "Go to next error", 20),
    Action("create.next_section", ("pagedown",), "next section", "Go to the next section", 26),
    Action("create.previous_section", ("pageup",), "previous section", "Go to the previous section"),
    Action("create.fold", ("ctrl+f",), "fold", "Fold or unfold this section", 27),
    Action("create.to_secrets", ("ctrl+r",), "to secrets", "Move variables that look secret to the secrets", 29),
    Action("create.presets", ("ctrl+o",), "presets", "Load or save a preset", 15),
    Action("create.code", ("ctrl+g",), "export", "Export as Python, curl, preset or shell", 25),
    Action("create.edit", ("ctrl+t",), "edit as TOML", "Edit as TOML in $EDITOR", 28),
    Action("create.back", ("escape",), "close", "Close (draft is kept, without secrets)", 22),
    Action("launch.cancel", ("K",), "stop", "Stop launching (keep what exists)", 10, dangerous=True),
    Action("launch.retry", ("U",), "retry failed", "Retry failed", 20, dangerous=True),
    *sandbox_actions("launch", "open_sandbox", "shell", "logs", "files", "exec", "fork", many="marked or current"),
    Action("launch.delete", ("D",), "delete", "Delete (marked or current; the launch if all are marked)", 30, True),
    *mark_actions("launch"),
    Action("launch.filter", ("slash",), "filter", "Filter: name, id, step, reason", 45),
    Action("launch.code", ("ctrl+g",), "export", "Export as Python or curl", 50),
    Action("launch.copy", ("y",), "copy ids", "Copy ids", 40),
    Action("launch.back", ("escape", "q"), "back", "Clear filter, then marks, then back (launching continues)", 5),
)
