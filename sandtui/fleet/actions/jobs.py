"""Background jobs, and their logs."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import mark_actions, sandbox_actions

ACTIONS = (
    *sandbox_actions("jobs", many="marked or current"),
    Action("jobs.log", ("tab",), "log", "Focus the log", 12),
    Action("jobs.new", ("n",), "new job", "New job", 20, dangerous=True),
    Action("jobs.stop", ("K",), "kill", "Kill with child processes (marked or current)", 25, dangerous=True),
    Action("jobs.again", ("U",), "rerun", "Run again (marked or current)", 30, dangerous=True),
    Action("jobs.then", ("T",), "on success", "When done: download, delete (marked or current)", 35, dangerous=True),
    *mark_actions("jobs"),
    Action("jobs.stream", ("E",), "stderr", "Toggle stdout/stderr", 40),
    Action("jobs.follow", ("t",), "follow", "Toggle follow", 45),
    Action("jobs.wrap", ("w",), "wrap", "Toggle line wrap", 70),
    Action("jobs.save", ("W",), "save", "Save log to a file", 50),
    Action("jobs.copy", ("y",), "copy id", "Copy job id", 80),
    Action("jobs.filter", ("slash",), "filter", "Filter: text, state, #label", 55),
    Action("jobs.sort", ("o",), "sort", "Sort by next column"),
    Action("jobs.reverse", ("O",), "reverse", "Reverse sort order"),
    Action("jobs.look", ("r",), "rescan", "Rescan all sandboxes for jobs"),
    Action("jobs.announce", ("A",), "notify", "Notifications"),
    Action("jobs.forget", ("H",), "clean up", "Remove finished jobs of deleted sandboxes"),
    Action("jobs.back", ("escape", "q"), "back", "Clear filter, then marks, then back", 15),
    Action("job_log.search", ("slash",), "search", "Search", 10),
    Action("job_log.next_hit", ("n",), "next match", "Next match", 15),
    Action("job_log.previous_hit", ("N",), "previous match", "Previous match"),
    Action("job_log.copy", ("y",), "copy line", "Copy current line", 50),
    Action("job_log.back", ("escape", "tab"), "job list", "Focus the job list", 5),
)
