"""The console of a sandbox, and its output."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("console.interrupt", ("ctrl+c",), "interrupt", "Interrupt the running command", 20),
    Action("console.history", ("ctrl+r",), "history", "Search command history", 25),
    Action("console.job", ("ctrl+g",), "as job", "Run as background job", 45, True),
    Action("console.user", ("ctrl+o",), "as user", "Run as another user", 52),
    Action("console.timeout", ("ctrl+t",), "timeout", "Cycle timeout: 60, 300, 900 s", 50),
    Action("console.clear", ("ctrl+l",), "clear", "Clear the screen", 55),
    Action("console.back", ("escape",), "back", "Focus output, then back", 16),
    Action("output.type", ("i",), "prompt", "Focus the prompt", 10),
    Action("output.fold", ("enter",), "fold", "Fold or unfold", 14),
    Action("output.fold_all", ("Z",), "fold all", "Fold or unfold all", 42),
    Action("output.search", ("slash",), "search", "Search", 22),
    Action("output.next_hit", ("n",), "next match", "Next match"),
    Action("output.previous_hit", ("N",), "previous match", "Previous match"),
    Action("output.follow", ("t",), "follow", "Toggle follow", 24),
    Action("output.wrap", ("w",), "wrap", "Toggle line wrap", 40),
    Action("output.rerun", ("U",), "rerun", "Run this command again", 35, dangerous=True),
    Action("output.copy", ("y",), "copy line", "Copy selection or current line", 41),
    Action("output.copy_output", ("Y",), "copy output", "Copy this command's output", 43),
    Action("output.save", ("W",), "save", "Save output to a file", 44),
)
