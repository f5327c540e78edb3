"""Every action there is, once: bindings, palette, ``:`` commands, key hints and help are made from this list.

Grammar of the keys (tui.md 3.1): lower case looks, a capital changes, ``:`` names, ``/`` narrows, Escape
undoes one step, space marks, ``?`` explains.
"""

from __future__ import annotations

from dataclasses import dataclass

GLOBAL = "app"

FORBIDDEN_KEYS = frozenset(
    {
        *(f"ctrl+{letter}" for letter in "imhabdzwku"),
        "ctrl+left_square_bracket",
        "ctrl+space",
        "ctrl+at",
    }
)
"""Keys that terminals, multiplexers or text fields need (tui.md 3.4)."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a user can do.

    ``id`` is ``scope.name``: the scope is the screen, or ``app``. ``keys`` are in Textual's spelling.
    ``title`` has three words at most; ``help`` is a sentence. ``hint`` orders the key footer: the
    smaller, the longer it stays when the line gets narrow; 0 keeps it out. ``dangerous`` actions
    change something outside: they are confirmed, or gone in read-only mode. ``command`` is the name
    under ``:``.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    hint: int = 0
    dangerous: bool = False
    command: str = ""

    @property
    def scope(self) -> str:
        """The screen it belongs to."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name inside its scope."""
        return self.id.partition(".")[2]


ACTIONS: tuple[Action, ...] = (
    Action("app.help", ("question_mark", "f1"), "help", "Show the keys that work here.", 1, command="help"),
    Action("app.command", ("colon",), "cmd", "Type a command by its name.", 90),
    Action("app.refresh", ("r",), "refresh", "Ask the platform now.", command="refresh"),
    Action("app.messages", ("t",), "messages", "Show what happened and what went wrong.", command="messages"),
    Action("app.fleet", ("1",), "fleet", "Go to the fleet.", command="fleet"),
    Action("app.launches", ("l",), "launches", "Show the board of the latest launch.", command="launches"),
    Action("app.quit", ("ctrl+q",), "quit", "Leave sandtui; sandboxes go on.", command="q"),
    Action("fleet.open", ("enter",), "open", "Show everything about the sandbox.", 10, command="open"),
    Action("fleet.mark", ("space",), "mark", "Mark or unmark the sandbox.", 20),
    Action("fleet.range", ("V",), "range", "Begin a range here; the second time mark it."),
    Action("fleet.mark_all", ("asterisk",), "mark all", "Mark all that the filter shows."),
    Action("fleet.invert", ("I",), "invert marks", "Mark what is shown and not marked, unmark the rest."),
    Action("fleet.unmark", ("U",), "unmark all", "Take all marks away."),
    Action("fleet.exec", ("x",), "exec", "Run commands in the sandbox.", 30, dangerous=True, command="exec"),
    Action("fleet.shell", ("s",), "shell", "Hand the terminal to a shell there.", 55, dangerous=True, command="shell"),
    Action("fleet.ports", ("p", "6"), "ports", "Show the exposed ports.", 65, command="ports"),
    Action("fleet.logs", ("L",), "logs", "Read the sandbox's log.", 60, command="logs"),
    Action("fleet.new", ("n", "2"), "new", "Create a sandbox.", 40, dangerous=True, command="new"),
    Action("fleet.clone", ("N",), "clone", "Create one like this one.", 70, dangerous=True, command="clone"),
    Action("fleet.delete", ("D",), "delete", "Delete the marked sandboxes, or this one.", 50, True, "delete"),
    Action("fleet.many", ("m",), "many", "Do something to all marked, or to all that match.", 45, command="many"),
    Action("fleet.filter", ("slash",), "filter", "Narrow the list by text and labels.", 15, command="filter"),
    Action("fleet.sort", ("o",), "sort", "Sort by the next column."),
    Action("fleet.reverse", ("O",), "reverse", "Turn the order round."),
    Action("fleet.views", ("v",), "views", "Show a view by its letter, or save this one.", 55, command="views"),
    Action("fleet.group", ("z",), "group", "Group by label, image, status, team or user."),
    Action("fleet.fold", ("Z",), "fold groups", "Close all groups, or open them."),
    Action("fleet.columns", ("c",), "columns", "Choose, order and size the columns.", command="columns"),
    Action("fleet.active", ("a",), "active only", "Hide or show what has ended."),
    Action("fleet.inspector", ("i",), "inspector", "Hide or show the panel beside the list."),
    Action("fleet.copy", ("y",), "copy id", "Copy the sandbox's id.", 80),
    Action("fleet.copy_more", ("Y",), "copy more", "Choose what to copy, or copy again."),
    Action("fleet.back", ("escape",), "back", "Undo one step: filter, then marks."),
    Action("bulk.cancel", ("K",), "cancel", "Begin nothing more.", 10),
    Action("bulk.retry", ("u",), "again", "Do it again to those on which it failed.", 20, dangerous=True),
    Action("bulk.mark", ("M",), "mark failed", "Mark those on which it failed.", 30),
    Action("bulk.close", ("escape", "q"), "close", "Close; the work goes on.", 40),
    Action("detail.exec", ("x",), "exec", "Run commands in the sandbox.", 20, dangerous=True),
    Action("detail.shell", ("s",), "shell", "Hand the terminal to a shell there.", 25, dangerous=True),
    Action("detail.logs", ("L",), "logs", "Read the sandbox's log.", 30),
    Action("detail.ports", ("p",), "ports", "Show the exposed ports."),
    Action("detail.measure", ("m",), "measure", "Show what it uses, live; asks the sandbox itself.", 35, True),
    Action("detail.clone", ("N",), "clone", "Create one like this one.", 50, dangerous=True),
    Action("detail.delete", ("D",), "delete", "Delete this sandbox.", 40, dangerous=True),
    Action("detail.copy", ("y",), "copy id", "Copy the sandbox's id.", 60),
    Action("detail.copy_more", ("Y",), "copy more", "Choose what to copy, or copy again.", 65),
    Action("detail.back", ("escape", "q"), "back", "Back to where you came from.", 10),
    Action("create.submit", ("ctrl+s", "ctrl+j"), "create", "Create the sandbox.", 10, dangerous=True),
    Action("create.next_problem", ("ctrl+n",), "next problem", "Go to the next field that is wrong.", 20),
    Action("create.presets", ("ctrl+o",), "presets", "Choose a preset, or keep the form as one.", 15),
    Action("create.code", ("ctrl+g",), "as code", "Show the form as SDK script, curl, preset and shell line.", 25),
    Action("create.back", ("escape",), "leave", "Leave the form; what you typed is kept.", 30),
    Action("ports.open", ("enter",), "open", "Open the address in the browser.", 10),
    Action("ports.expose", ("n",), "expose", "Expose a port of the chosen sandbox.", 20, dangerous=True),
    Action("ports.unexpose", ("D",), "unexpose", "Take the exposure back.", 30, dangerous=True),
    Action("ports.probe", ("H", "r"), "probe", "Ask every address for an answer.", 40),
    Action("ports.copy", ("y",), "copy address", "Copy the address.", 50),
    Action("ports.back", ("escape", "q"), "back", "Back to where you came from.", 15),
    Action("launch.cancel", ("K",), "stop", "Send nothing more; what was made stays.", 10, dangerous=True),
    Action("launch.retry", ("u",), "retry failed", "Make the failed ones again.", 20, dangerous=True),
    Action("launch.delete", ("D",), "delete all", "Delete all that this launch made.", 30, dangerous=True),
    Action("launch.copy", ("y",), "copy ids", "Copy the ids of what was made.", 40),
    Action("launch.back", ("escape", "q"), "back", "Back to the fleet; the launch goes on.", 5),
    Action("console.interrupt", ("ctrl+c",), "interrupt", "Stop the command that is running.", 20),
    Action("console.clear", ("ctrl+l",), "clear view", "Empty the view.", 40),
    Action("console.back", ("escape",), "back", "From typing to the output, then back.", 30),
    Action("output.type", ("i",), "type", "Back to the command line.", 10),
    Action("output.follow", ("f",), "follow", "Stay at the end as output comes.", 20),
    Action("output.copy", ("y",), "copy line", "Copy the line under the cursor.", 40),
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

BY_ID = {action.id: action for action in ACTIONS}


def in_scope(scope: str) -> list[Action]:
    """Return the actions of a scope, in the order of the list."""
    return [action for action in ACTIONS if action.scope == scope]
