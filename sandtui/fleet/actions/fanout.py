"""One command in several sandboxes: the prompt, and the results."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import sandbox_actions

ACTIONS = (
    Action("fanout.interrupt", ("ctrl+c",), "stop", "Stop", 20),
    Action("fanout.history", ("ctrl+r",), "history", "Search command history", 25),
    Action("fanout.user", ("ctrl+o",), "as user", "Run as another user", 52),
    Action("fanout.timeout", ("ctrl+t",), "timeout", "Cycle timeout: 60, 300, 900 s", 50),
    Action("fanout.job", ("ctrl+g",), "as job", "Run as background jobs", 40, dangerous=True),
    Action("fanout.back", ("escape",), "back", "Focus results, then back (runs continue)", 16),
    Action("results.open", ("enter",), "open", "Open the sandbox, or expand or collapse a group", 15),
    *sandbox_actions("results", "shell", "logs", "files", "exec", "fork", "delete", many="all of a group"),
    Action("results.fold_all", ("Z",), "fold all", "Collapse or expand all (← and → for one)", 46),
    Action("results.group", ("z",), "group", "Toggle grouping of identical output", 35),
    Action("results.failures", ("exclamation_mark",), "failures", "Toggle failures only", 25),
    Action("results.retry", ("U",), "retry failed", "Retry failed", 22, dangerous=True),
    Action("results.mark", ("asterisk",), "mark failed", "Mark failed sandboxes", 38),
    Action("results.cancel", ("K",), "stop", "Stop", 12),
    Action("results.save", ("W",), "save", "Save results to a folder or .jsonl", 37),
    Action("results.search", ("slash",), "search", "Search", 45),
    Action("results.next_hit", ("n",), "next match", "Next match"),
    Action("results.previous_hit", ("N",), "previous match", "Previous match"),
    Action("results.wrap", ("w",), "wrap", "Toggle line wrap", 48),
    Action("results.live", ("t",), "live", "Toggle live output over SSH (slower, 16 at a time)"),
    Action("results.targets", ("e",), "targets", "Change target sandboxes", 47),
    Action("results.marked", ("equals_sign",), "marked", "Target the marked sandboxes"),
    Action("results.copy", ("y",), "copy line", "Copy selection or current line", 55),
    Action("results.copy_answer", ("Y",), "copy output", "Copy this sandbox's output"),
    Action("results.type", ("i",), "prompt", "Focus the prompt", 10),
)
