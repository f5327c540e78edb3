"""Logs of one or several sandboxes."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("log.reload", ("r",), "reload", "Reload the log", 45),
    Action("log.follow", ("t",), "follow", "Toggle follow", 20),
    Action("log.search", ("slash",), "search", "Search", 15),
    Action("log.next_hit", ("n",), "next match", "Next match"),
    Action("log.previous_hit", ("N",), "previous match", "Previous match"),
    Action("log.filter", ("ampersand",), "filter", "Filter lines", 18),
    Action("log.wrap", ("w",), "wrap", "Toggle line wrap", 35),
    Action("log.stamps", ("c",), "timestamps", "Toggle timestamps", 36),
    Action("log.next_log", ("tab",), "next log", "Next log", 25),
    Action("log.previous_log", ("shift+tab",), "previous log", "Previous log"),
    Action("log.single", ("enter",), "zoom", "Zoom this log", 38),
    Action("log.save", ("W",), "save", "Save to a file", 40),
    Action("log.copy", ("y",), "copy line", "Copy selection or current line", 50),
    Action("log.back", ("escape", "q"), "back", "Back", 10),
)
