"""The actions that are the same in every list: marks, and what can be done with the sandbox of a row."""

from sandtui.fleet.actions.action import Action


def mark_actions(scope: str) -> tuple[Action, ...]:
    """Return the actions that mark rows."""
    return (
        Action(f"{scope}.mark", ("space",), "mark", "Toggle mark", 40),
        Action(f"{scope}.range", ("V",), "range", "Start or finish a range selection"),
        Action(f"{scope}.mark_all", ("asterisk",), "mark all", "Mark all visible"),
        Action(f"{scope}.invert", ("I",), "invert", "Invert marks"),
        Action(f"{scope}.unmark", ("u",), "clear marks", "Clear marks"),
    )


def sandbox_actions(scope: str, *names: str, many: str = "") -> tuple[Action, ...]:
    """Return the actions on the sandbox that a row names; ``many`` says for which others, as in "marked or current"."""
    which = f" ({many})" if many else " of this row"
    actions = (
        Action(f"{scope}.open_sandbox", ("enter",), "open", "Open the sandbox of this row", 10),
        Action(f"{scope}.shell", ("s",), "shell", f"Open a shell in the sandbox{which}", 11, dangerous=True),
        Action(f"{scope}.logs", ("L", "l"), "logs", f"View the logs of the sandbox{which}", 12),
        Action(f"{scope}.files", ("f",), "files", f"Browse the files of the sandbox{which}", 13),
        Action(f"{scope}.exec", ("x",), "exec", f"Run a command in the sandbox{which}", 56, dangerous=True),
        Action(f"{scope}.fork", ("F",), "fork", f"Fork the sandbox{which}", 57, dangerous=True),
        Action(f"{scope}.delete", ("D",), "delete", f"Delete the sandbox{which}", 58, dangerous=True),
    )
    return tuple(action for action in actions if not names or action.name in names)
