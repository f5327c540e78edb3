"""The console of a sandbox and its output."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("console.interrupt", ("ctrl+c",), "interrupt", "Stop the command that is running.", 20),
    Action("console.clear", ("ctrl+l",), "clear view", "Empty the view.", 40),
    Action("console.back", ("escape",), "back", "From typing to the output, then back.", 30),
    Action("output.type", ("i",), "type", "Back to the command line.", 10),
    Action("output.follow", ("f",), "follow", "Stay at the end as output comes.", 20),
    Action("output.copy", ("y",), "copy line", "Copy the line under the cursor.", 40),
)
