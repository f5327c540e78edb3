"""The tree of sandboxes and checkpoints, and what differs between two of them."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import mark_actions, sandbox_actions

ACTIONS = (
    *sandbox_actions("checkpoints", "open_sandbox", "shell", "logs", "files", "exec", many="marked or current"),
    Action("checkpoints.take", ("n",), "take", "Take a checkpoint of the sandbox (marked or current)", 15, True),
    Action("checkpoints.restore", ("N",), "restore", "Create a sandbox from this checkpoint, in the form", 22, True),
    Action("checkpoints.fork", ("F",), "fork", "Fork the sandbox, or create many from this checkpoint", 18, True),
    Action("checkpoints.compare", ("equals_sign",), "compare", "Compare the two marked, or this with its parent", 20),
    Action("checkpoints.delete", ("D",), "delete", "Delete checkpoints or sandboxes (marked or current)", 30, True),
    *mark_actions("checkpoints"),
    Action("checkpoints.fold", ("Z",), "fold all", "Fold or unfold all (← and → for one)", 46),
    Action("checkpoints.active", ("a",), "all", "Toggle sandboxes without checkpoints", 35),
    Action("checkpoints.filter", ("slash",), "filter", "Filter: name, id, state, label", 45),
    Action("checkpoints.copy", ("y",), "copy id", "Copy id", 50),
    Action("checkpoints.reload", ("r",), "refresh", "List all checkpoints again", 55),
    Action("checkpoints.back", ("escape", "q"), "back", "Clear filter, then marks, then back", 14),
    Action("compare.open", ("enter",), "lines", "Show the lines that differ", 10),
    Action("compare.pane", ("tab",), "pane", "Next pane", 12),
    Action("compare.cancel", ("K",), "stop", "Stop comparing", 14),
    Action("compare.go", ("tilde",), "path", "Compare another path", 20),
    Action("compare.filter", ("slash",), "filter", "Filter by path", 25),
    Action("compare.wrap", ("w",), "wrap", "Toggle line wrap", 40),
    Action("compare.copy", ("y",), "copy path", "Copy path", 45),
    Action("compare.reload", ("r",), "refresh", "Compare again", 50),
    Action("compare.back", ("escape", "q"), "back", "Back to the paths, clear filter, then back", 16),
)
