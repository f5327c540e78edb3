"""The log of a sandbox."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("log.reload", ("r",), "reload", "Fetch the log again.", 20),
    Action("log.follow", ("f",), "follow", "Stay at the end.", 30),
    Action("log.search", ("slash",), "search", "Look for a text.", 15),
    Action("log.next_hit", ("n",), "next hit", "Go to the next line that holds it."),
    Action("log.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("log.wrap", ("w",), "wrap", "Cut long lines to the window, or not.", 35),
    Action("log.save", ("S",), "save", "Write what was fetched to a file.", 40),
    Action("log.copy", ("y",), "copy line", "Copy the line under the cursor.", 50),
    Action("log.back", ("escape", "q"), "back", "Back to where you came from.", 10),
)
