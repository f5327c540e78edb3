"""The exposed ports."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("ports.open", ("enter",), "open", "Open the address in the browser.", 10),
    Action(
        "ports.expose", ("n",), "expose", "Expose a port of the marked sandboxes, or of this one.", 20, dangerous=True
    ),
    Action("ports.forward", ("F",), "forward", "Forward a port through SSH: to this machine, or into it.", 25, True),
    Action("ports.unexpose", ("D",), "take back", "Take the exposure back, or close the forward.", 30, dangerous=True),
    Action("ports.probe", ("H", "r"), "probe", "Ask every address for an answer.", 40),
    Action("ports.copy", ("y",), "copy address", "Copy the address.", 50),
    Action("ports.copy_more", ("Y",), "copy as", "Copy it as curl line, host and port, or shell command.", 55),
    Action("ports.qr", ("Q",), "QR code", "Show the address as a QR code.", 60),
    Action("ports.back", ("escape", "q"), "back", "Back to where you came from.", 15),
)
