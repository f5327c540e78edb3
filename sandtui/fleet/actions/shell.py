"""Shells, and their recordings."""

from sandtui.fleet.actions.action import Action

DETACH_KEY = "ctrl+right_square_bracket"
"""The only key that a shell does not get, unless pressed twice. Every terminal has it, few programs use it."""

ACTIONS = (
    Action("terminal.out", (DETACH_KEY,), "detach", "Detach", 10),
    Action("terminal.again", ("enter",), "reconnect", "Reconnect", 20),
    Action("shell.back", ("escape", "q"), "back", "Back (shells keep running)", 10),
    Action("shell.type", ("i", "enter"), "attach", "Attach", 15),
    Action("shell.send_key", (DETACH_KEY,), "send ctrl+]", "Attach and send ctrl+] to the shell"),
    Action("shell.next_tab", ("right_square_bracket", "tab"), "next tab", "Next tab", 30),
    Action("shell.previous_tab", ("left_square_bracket", "shift+tab"), "previous tab", "Previous tab"),
    Action("shell.new_tab", ("plus",), "new tab", "New shell in this sandbox", 50, dangerous=True),
    Action("shell.close_tab", ("K",), "end shell", "End the shell and close its tab", 45, dangerous=True),
    Action("shell.again", ("U",), "reconnect", "Reconnect", 20, dangerous=True),
    Action("shell.search", ("slash",), "search", "Search scrollback", 35),
    Action("shell.next_hit", ("n",), "next match", "Next match"),
    Action("shell.previous_hit", ("N",), "previous match", "Previous match"),
    Action("shell.range", ("V",), "range", "Start or cancel a line range"),
    Action("shell.copy", ("y",), "copy", "Copy range or current line", 40),
    Action("shell.allow_copy", ("A",), "allow copy", "Let the program copy to the clipboard", 18),
    Action("shell.record", ("W",), "record", "Start or stop recording", 42),
    Action("shell.recordings", ("R",), "recordings", "Recordings"),
    Action("recordings.play", ("enter",), "play", "Play", 10),
    Action("recordings.delete", ("D",), "delete", "Delete the recording", 30, dangerous=True),
    Action("recordings.copy", ("y",), "copy path", "Copy path", 40),
    Action("recordings.reload", ("r",), "refresh", "Reload the list"),
    Action("recordings.back", ("escape", "q"), "back", "Back", 20),
    Action("player.pause", ("space",), "pause", "Pause or resume", 10),
    Action("player.back_5", ("left",), "-5 s", "Back 5 s", 20),
    Action("player.forward_5", ("right",), "+5 s", "Forward 5 s", 21),
    Action("player.back_60", ("left_curly_bracket",), "-1 min", "Back 1 min"),
    Action("player.forward_60", ("right_curly_bracket",), "+1 min", "Forward 1 min"),
    Action("player.slower", ("less_than_sign",), "slower", "Halve the speed", 31),
    Action("player.faster", ("greater_than_sign",), "faster", "Double the speed", 30),
    Action("player.start", ("g", "home"), "start", "Go to the start", 40),
    Action("player.end", ("G", "end"), "end", "Go to the end", 41),
    Action("player.leave", ("escape", "q"), "back", "Back to recordings", 15),
)
