"""The least of a shell: runs one program in the foreground of its terminal, and wakes it when it stops itself.

Without a shell ``ctrl+z`` does nothing: the kernel ignores it in a process that no other of its session could wake.
Started with ``python -I -S``; the first argument is the file to report to.
"""

import json
import os
import signal
import sys
import termios
import time


def main() -> None:
    report, command = sys.argv[1], sys.argv[2:]
    before = termios.tcgetattr(0)
    # Taking the terminal back happens from the background.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for number in (signal.SIGTTOU, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)

    def tell(**what: object) -> None:
        with open(report, "a") as stream:  # noqa: PTH123
            stream.write(json.dumps(what) + "\n")

    tell(pid=child)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            tell(code=os.waitstatus_to_exitcode(status))
            return
        theirs = termios.tcgetattr(0)
        tell(stopped=True, restored=theirs == before)
        os.tcsetpgrp(0, os.getpgrp())
        time.sleep(0.2)
        os.tcsetpgrp(0, child)
        os.killpg(child, signal.SIGCONT)


main()
