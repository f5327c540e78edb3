"""The exposed ports."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("ports.open", ("enter",), "open", "Open the address in the browser.", 10),
    Action("ports.expose", ("n",), "expose", "Expose a port of the chosen sandbox.", 20, dangerous=True),
    Action("ports.unexpose", ("D",), "unexpose", "Take the exposure back.", 30, dangerous=True),
    Action("ports.probe", ("H", "r"), "probe", "Ask every address for an answer.", 40),
    Action("ports.copy", ("y",), "copy address", "Copy the address.", 50),
    Action("ports.back", ("escape", "q"), "back", "Back to where you came from.", 15),
)
