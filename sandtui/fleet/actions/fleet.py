"""The list of sandboxes, bulk actions, and the details of a sandbox."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import sandbox_actions

ACTIONS = (
    Action("fleet.open", ("enter",), "open", "Open details", 10, command="open"),
    Action("fleet.mark", ("space",), "mark", "Toggle mark", 22),
    Action("fleet.range", ("V",), "range", "Start or finish a range selection"),
    Action("fleet.mark_all", ("asterisk",), "mark all", "Mark all visible"),
    Action("fleet.invert", ("I",), "invert", "Invert marks"),
    Action("fleet.unmark", ("u",), "clear marks", "Clear marks"),
    Action("fleet.exec", ("x",), "exec", "Run a command (marked or current)", 18, True, "exec"),
    Action("fleet.fan_outs", ("X",), "last run", "Show the last multi-sandbox run"),
    Action("fleet.shell", ("s",), "shell", "Open a shell (marked or current)", 12, True, "shell"),
    Action(
        "fleet.whole_shell", ("S",), "full-screen shell", "Open a shell full screen (suspends sandtui)", dangerous=True
    ),
    Action("fleet.recordings", ("R",), "recordings", "Recordings", command="recordings"),
    Action("fleet.files", ("f",), "files", "Browse and copy files", 13, command="files"),
    Action("fleet.ports", ("p",), "ports", "Exposed ports", 65, command="ports"),
    Action("fleet.egress", ("e",), "egress", "Change egress lists (marked or current)", 0, True, "egress"),
    Action("fleet.jobs", ("b",), "jobs", "Jobs", 62, command="jobs"),
    Action("fleet.logs", ("L", "l"), "logs", "View logs (marked or current)", 14, command="logs"),
    Action("fleet.new", ("n",), "new", "Create sandboxes", 25, dangerous=True, command="new"),
    Action("fleet.clone", ("N",), "clone", "Clone this sandbox", 70, dangerous=True, command="clone"),
    Action("fleet.fork", ("F",), "fork", "Fork: new sandboxes with its files (marked or current)", 72, True, "fork"),
    Action("fleet.delete", ("D",), "delete", "Delete (marked or current)", 28, True, "delete"),
    Action("fleet.reap", ("K",), "end orphans", "Delete orphaned sandboxes", 0, True, "reap"),
    Action("fleet.many", ("m",), "bulk", "Bulk actions on marked or filtered", 45, command="bulk"),
    Action(
        "fleet.measure", ("percent_sign",), "measure", "Measure CPU and memory (marked or filtered)", 0, True, "measure"
    ),
    Action("fleet.filter", ("slash",), "filter", "Filter", 15, command="filter"),
    Action("fleet.sort", ("o",), "sort", "Sort by next column"),
    Action("fleet.reverse", ("O",), "reverse", "Reverse sort order"),
    Action("fleet.views", ("v",), "views", "Open or save a view", 55, command="views"),
    Action("fleet.failed", ("exclamation_mark",), "failed", "Show failed sandboxes, newest first", command="failed"),
    Action("fleet.group", ("z",), "group", "Group by…"),
    Action("fleet.fold", ("Z",), "fold", "Collapse or expand all groups"),
    Action("fleet.columns", ("c",), "columns", "Configure columns", command="columns"),
    Action("fleet.active", ("a",), "ended", "Toggle ended sandboxes"),
    Action("fleet.inspector", ("d",), "details", "Toggle the details panel"),
    Action("fleet.map", ("number_sign",), "map", "Show the fleet as a map, one cell per sandbox", command="map"),
    Action("fleet.next_measure", ("right_square_bracket",), "next measure", "Map: next measure (status, age, CPU…)"),
    Action("fleet.previous_measure", ("left_square_bracket",), "previous measure", "Map: previous measure"),
    Action("fleet.copy", ("y",), "copy id", "Copy sandbox id", 80),
    Action("fleet.copy_more", ("Y",), "copy…", "Copy…"),
    Action("fleet.web", ("B",), "web console", "Open in the web console", command="web"),
    Action("fleet.back", ("escape",), "back", "Clear filter, then marks"),
    Action("fleet.quit", ("q",), "quit", "Quit (asks if something of yours still runs)", 95),
    Action("bulk.cancel", ("K",), "cancel", "Cancel the remaining items", 10),
    Action("bulk.retry", ("U",), "retry", "Retry failed", 20, dangerous=True),
    Action("bulk.mark", ("asterisk",), "mark failed", "Mark failed sandboxes", 30),
    *sandbox_actions("bulk"),
    Action("bulk.close", ("escape", "q"), "close", "Close (continues in the background)", 40),
    Action("detail.exec", ("x",), "exec", "Run commands in this sandbox", 18, dangerous=True),
    Action("detail.shell", ("s",), "shell", "Open a shell", 12, dangerous=True),
    Action(
        "detail.whole_shell", ("S",), "full-screen shell", "Open a shell full screen (suspends sandtui)", dangerous=True
    ),
    Action("detail.logs", ("L", "l"), "logs", "View logs", 14),
    Action("detail.files", ("f",), "files", "Browse and copy files", 13),
    Action("detail.ports", ("p",), "ports", "Exposed ports"),
    Action("detail.egress", ("e",), "egress", "Change egress lists", dangerous=True),
    Action("detail.jobs", ("b",), "jobs", "Jobs of this sandbox", 33),
    Action(
        "detail.measure", ("percent_sign",), "measure", "Live CPU and memory (runs a command in the sandbox)", 35, True
    ),
    Action("detail.clone", ("N",), "clone", "Clone this sandbox", 50, dangerous=True),
    Action("detail.fork", ("F",), "fork", "Fork: new sandboxes with its files", 52, dangerous=True),
    Action("detail.delete", ("D",), "delete", "Delete this sandbox", 40, dangerous=True),
    Action("detail.copy", ("y",), "copy id", "Copy sandbox id", 60),
    Action("detail.copy_more", ("Y",), "copy…", "Copy…", 65),
    Action("detail.web", ("B",), "web console", "Open in the web console"),
    Action("detail.back", ("escape", "q"), "back", "Back", 10),
)
