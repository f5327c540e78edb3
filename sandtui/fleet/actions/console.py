"""The console of a sandbox and its output."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("console.interrupt", ("ctrl+c",), "interrupt", "Stop the command that is running.", 20),
    Action("console.history", ("ctrl+r",), "history", "Search the commands that were run, here or anywhere.", 25),
    Action(
        "console.job", ("ctrl+g",), "as job", "Run in the background what is typed, or the last one anew.", 45, True
    ),
    Action("console.timeout", ("ctrl+t",), "timeout", "Change the seconds a command may take: 60, 300, 900.", 50),
    Action("console.clear", ("ctrl+l",), "clear view", "Empty the view.", 55),
    Action("console.back", ("escape",), "back", "From typing to the output, then back.", 16),
    Action("output.type", ("i",), "type", "Back to the command line.", 10),
    Action("output.fold", ("enter",), "fold", "Show of this command its line only, or all again.", 14),
    Action("output.fold_all", ("z",), "fold all", "Fold the output of all commands, or open it.", 42),
    Action("output.search", ("slash",), "search", "Look for a text in the output.", 22),
    Action("output.next_hit", ("n",), "next hit", "Go to the next line that holds it."),
    Action("output.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("output.follow", ("f",), "follow", "Stay at the end as output comes.", 24),
    Action("output.wrap", ("w",), "wrap", "Cut long lines to the window, or not.", 40),
    Action("output.rerun", ("u",), "again", "Run the command under the cursor again.", 35, dangerous=True),
    Action("output.copy", ("y",), "copy line", "Copy what is selected, or the line under the cursor.", 41),
    Action("output.copy_output", ("Y",), "copy output", "Copy all that the command under the cursor printed.", 43),
    Action("output.save", ("S",), "save", "Write all that is kept here to a file.", 44),
)
