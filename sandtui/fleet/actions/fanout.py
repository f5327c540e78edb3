"""One command on many sandboxes: typing it, and reading what they said."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("fanout.interrupt", ("ctrl+c",), "interrupt", "Ask no more sandboxes and stop what runs.", 20),
    Action("fanout.history", ("ctrl+r",), "history", "Search the commands that were run.", 25),
    Action("fanout.timeout", ("ctrl+t",), "timeout", "Change the seconds that each may take: 60, 300, 900.", 50),
    Action("fanout.job", ("ctrl+g",), "as job", "Start it in the background of each instead.", 40, dangerous=True),
    Action("fanout.back", ("escape",), "back", "From typing to the results, then back; what runs goes on.", 16),
    Action("results.fold", ("enter",), "fold", "Show more of an answer, less, or an earlier run.", 15),
    Action("results.group", ("z",), "group", "Fold equal answers together, or show each sandbox alone.", 35),
    Action("results.failures", ("exclamation_mark",), "failures", "Show what failed only, or all.", 25),
    Action("results.retry", ("u",), "again", "Run it again where it failed.", 22, dangerous=True),
    Action("results.mark", ("M",), "mark failed", "Mark those that failed, for the next action.", 38),
    Action("results.cancel", ("K",), "stop", "Ask no more sandboxes and stop what runs.", 12),
    Action("results.save", ("S",), "save", "Write all that was said to a folder or JSON lines.", 37),
    Action("results.search", ("slash",), "search", "Look for a text in the answers.", 45),
    Action("results.next_hit", ("n",), "next hit", "Go to the next line that holds it."),
    Action("results.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("results.wrap", ("w",), "wrap", "Cut long lines to the window, or not.", 48),
    Action("results.live", ("L",), "live", "Have containers answer line by line too, over SSH: slower, 16 at a time."),
    Action("results.targets", ("e",), "sandboxes", "Choose the sandboxes anew, by the filter's language.", 47),
    Action("results.marked", ("E",), "marked", "Take the sandboxes that are marked in the fleet."),
    Action("results.copy", ("y",), "copy line", "Copy the line under the cursor, or what is selected.", 55),
    Action("results.copy_answer", ("Y",), "copy answer", "Copy the whole answer under the cursor."),
    Action("results.type", ("i",), "type", "Back to the command line.", 10),
)
