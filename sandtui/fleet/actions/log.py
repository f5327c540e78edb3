"""The logs of one sandbox or several."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("log.reload", ("r",), "reload", "Fetch the log again.", 45),
    Action("log.follow", ("f",), "follow", "Stay at the end, or pause.", 20),
    Action("log.search", ("slash",), "search", "Look for a text.", 15),
    Action("log.next_hit", ("n",), "next hit", "Go to the next line that holds it."),
    Action("log.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("log.filter", ("ampersand",), "filter", "Show only the lines that hold a text, or all again.", 18),
    Action("log.wrap", ("w",), "wrap", "Cut long lines to the window, or not.", 35),
    Action("log.stamps", ("T",), "times", "Hide the times at the beginning of lines, or show them.", 36),
    Action("log.next_log", ("tab",), "next log", "Go to the log beside.", 25),
    Action("log.previous_log", ("shift+tab",), "log before", "Go to the log before."),
    Action("log.single", ("o",), "one or all", "Show this log alone, or those beside it too.", 38),
    Action("log.save", ("S",), "save", "Write what is shown to a file.", 40),
    Action("log.copy", ("y",), "copy line", "Copy what is selected, or the line under the cursor.", 50),
    Action("log.back", ("escape", "q"), "back", "Back to where you came from.", 10),
)
