"""Exposed ports and port forwards."""

from sandtui.fleet.actions.action import Action
from sandtui.fleet.actions.rows import sandbox_actions

ACTIONS = (
    *sandbox_actions("ports", "open_sandbox", "shell", "logs", "files", "exec", "fork"),
    Action("ports.browse", ("B",), "browser", "Open in the browser", 12),
    Action("ports.expose", ("n",), "expose", "Expose a port (marked or current)", 20, dangerous=True),
    Action("ports.forward", ("N",), "forward", "Forward a port over SSH", 25, True),
    Action("ports.unexpose", ("D",), "unexpose", "Unexpose the port, or stop the forward", 30, dangerous=True),
    Action("ports.probe", ("r",), "check", "Check health", 40),
    Action("ports.copy", ("y",), "copy URL", "Copy URL", 50),
    Action("ports.copy_more", ("Y",), "copy as…", "Copy as curl, host:port or shell command", 55),
    Action("ports.qr", ("Q",), "QR code", "Show the URL as a QR code", 60),
    Action("ports.back", ("escape", "q"), "back", "Back", 15),
)
