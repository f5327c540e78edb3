"""The background jobs of the fleet and their logs."""

from sandtui.fleet.actions.action import Action

ACTIONS = (
    Action("jobs.open", ("enter",), "log", "Go to the log of the job.", 10),
    Action("jobs.new", ("n",), "new job", "Start a job in the marked sandboxes, or in this one.", 20, dangerous=True),
    Action("jobs.stop", ("K",), "stop", "Stop the job and all that it started.", 25, dangerous=True),
    Action("jobs.again", ("u",), "run again", "Start the same command there again.", 30, dangerous=True),
    Action("jobs.then", ("T",), "then", "Say what happens when the job is done.", 35, dangerous=True),
    Action("jobs.exec", ("x",), "exec here", "Run commands in the job's sandbox.", 60, dangerous=True),
    Action("jobs.stream", ("E",), "stderr", "Show the other stream: stdout or stderr.", 40),
    Action("jobs.follow", ("f",), "follow", "Go to the end of the log and stay there.", 45),
    Action("jobs.wrap", ("w",), "wrap", "Cut long lines of the log to the window, or not.", 70),
    Action("jobs.save", ("S",), "save", "Write the log to a file: what is read, or the whole.", 50),
    Action("jobs.copy", ("y",), "copy id", "Copy the job's id.", 80),
    Action("jobs.filter", ("slash",), "filter", "Narrow the list by words, state and #label.", 55),
    Action("jobs.sort", ("o",), "sort", "Sort by the next column."),
    Action("jobs.reverse", ("O",), "reverse", "Turn the order round."),
    Action("jobs.look", ("r",), "look", "Ask every running sandbox for its jobs now."),
    Action("jobs.announce", ("B",), "notify", "Choose how the end of a job is told."),
    Action("jobs.forget", ("C",), "forget gone", "Forget jobs that are over and whose sandbox is gone."),
    Action("jobs.back", ("escape", "q"), "back", "Undo one step: filter, then back.", 15),
    Action("job_log.search", ("slash",), "search", "Look for a text in what is read of the log.", 10),
    Action("job_log.next_hit", ("n",), "next hit", "Go to the next line that holds it.", 15),
    Action("job_log.previous_hit", ("N",), "hit before", "Go to the line before that holds it."),
    Action("job_log.copy", ("y",), "copy line", "Copy the line under the cursor.", 50),
    Action("job_log.back", ("escape",), "to the list", "Back to the list of jobs.", 5),
)
