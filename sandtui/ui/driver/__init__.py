"""The terminal driver: Textual's, with a reader that survives any bytes and a writer that never blocks the loop."""

from sandtui.ui.driver.driver import InputEnded, TerminalDriver
from sandtui.ui.driver.input import AltKey, CommittedText

__all__ = ["AltKey", "CommittedText", "InputEnded", "TerminalDriver"]
