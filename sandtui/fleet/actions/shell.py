"""Shells in sandboxes, and the recordings of them."""

from sandtui.fleet.actions.action import Action

LEAVE_KEY = "ctrl+right_square_bracket"
"""The one key that a shell does not get; pressed twice it gets it once. Every terminal has it, few programs use it."""

ACTIONS = (
    Action("terminal.out", (LEAVE_KEY,), "leaves the shell", "Give the keys back to sandtui; the shell goes on.", 10),
    Action("terminal.again", ("enter",), "connect again", "Open the shell again that has ended or was lost.", 20),
    Action("shell.back", ("escape", "q"), "dashboard", "Back to where you came from; shells go on.", 10),
    Action("shell.type", ("i", "enter"), "type", "Give the keys to the shell again.", 15),
    Action("shell.send_key", (LEAVE_KEY,), "send ctrl+]", "Send this key to the shell, and type on."),
    Action("shell.next_tab", ("right_square_bracket", "tab"), "next tab", "Show the next shell.", 30),
    Action("shell.previous_tab", ("left_square_bracket", "shift+tab"), "tab before", "Show the shell before."),
    Action("shell.new_tab", ("T",), "new tab", "Open one more shell in this sandbox.", 50, dangerous=True),
    Action("shell.close_tab", ("K",), "end shell", "End this shell and close its tab.", 45, dangerous=True),
    Action("shell.again", ("u",), "open again", "Open the shell again that has ended or was lost.", 20, dangerous=True),
    Action("shell.search", ("slash",), "search", "Look for a text in what scrolled by.", 35),
    Action("shell.next_hit", ("n",), "next hit", "Go to the next line that holds it."),
    Action("shell.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("shell.range", ("V",), "range", "Begin a range of lines here, or forget it."),
    Action("shell.copy", ("y",), "copy", "Copy the range, or the line under the cursor.", 40),
    Action("shell.allow_copy", ("A",), "allow copy", "Put into your clipboard what the program asked to.", 18),
    Action("shell.record", ("R",), "record", "Begin to record what the shell shows, or end it.", 42),
    Action("shell.recordings", ("P",), "recordings", "Show and play what was recorded."),
    Action("recordings.play", ("enter",), "play", "Play the recording.", 10),
    Action("recordings.delete", ("D",), "delete", "Delete the recording's file.", 30, dangerous=True),
    Action("recordings.copy", ("y",), "copy path", "Copy the path of the file.", 40),
    Action("recordings.back", ("escape", "q"), "back", "Back to where you came from.", 20),
    Action("player.pause", ("space",), "pause", "Hold it, or go on.", 10),
    Action("player.back_5", ("left", "h"), "5 s back", "Go back five seconds.", 20),
    Action("player.forward_5", ("right", "l"), "5 s on", "Go on five seconds.", 21),
    Action("player.back_60", ("left_curly_bracket",), "minute back", "Go back a minute."),
    Action("player.forward_60", ("right_curly_bracket",), "minute on", "Go on a minute."),
    Action("player.slower", ("minus", "left_square_bracket"), "slower", "Play at half the speed.", 31),
    Action("player.faster", ("plus", "right_square_bracket"), "faster", "Play at twice the speed.", 30),
    Action("player.start", ("g", "home"), "start", "Go to the beginning.", 40),
    Action("player.end", ("G", "end"), "end", "Go to the end.", 41),
    Action("player.leave", ("escape", "q"), "back", "Back to the recordings.", 15),
)
