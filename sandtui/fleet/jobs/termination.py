"""Killing a job with its child processes: TERM first, then KILL to what is left."""

from __future__ import annotations

from sandtui.client import APIError, AsyncSandboxClient
from sandtui.fleet.jobs.job import JobKey

GRACE = 5
"""Seconds between TERM and KILL."""

# The job's own shell is spared at first: it sees its command end and writes the exit code, as anyone waiting for the
# job expects. Child processes are found by parent, process group and session, all of them below that shell; the
# group and session of the launcher itself are never touched. Processes that got TERM are remembered: their parent may
# be gone on the next scan. A job whose shell had to be killed gets the exit code that a shell would report.
_SCRIPT = r"""
LC_ALL=C; J=/tmp/job_ID; W='echo \$? > *'$J'\.exit'
root() { r=; [ -f $J.launch/pid ] && r=$(head -c 12 $J.launch/pid)
case "$r" in *[!0-9]*) r=;; esac
[ -n "$r" ] && grep -q "$W" /proc/$r/cmdline 2>/dev/null && return
[ -n "$r" ] && [ ! -d /proc/self ] && kill -0 "$r" 2>/dev/null && return
r=; for f in $(grep -l "$W" /proc/[0-9]*/cmdline 2>/dev/null | head -n 20); do
p=${f#/proc/}; p=${p%/cmdline}; [ "$p" = $$ ] && continue
set -- $(sed 's/.*) //' /proc/$p/stat 2>/dev/null); [ -n "$2" ] || continue
grep -q "$W" /proc/$2/cmdline 2>/dev/null && [ "$2" != $$ ] || { r=$p; return; }; done; }
all() { found=; tree=" $r "; again=1
t=$(cat /proc/[0-9]*/stat 2>/dev/null |
sed -n 's/^\([0-9]*\) (.*) \([A-Za-z]\) \([0-9]*\) \([0-9]*\) \([0-9]*\) .*/\1 \2 \3 \4 \5/p')
while [ $again = 1 ]; do again=0; set -- $t
while [ $# -ge 5 ]; do p=$1 z=$2 parent=$3 group=$4 session=$5; shift 5
case "$tree" in *" $p "*) continue;; esac
[ $z != Z ] && [ $p != $$ ] || continue
case "$sent" in *" $p "*) ;; *) case "$tree" in *" $parent "*) ;;
*) [ $group = $r ] || [ $session = $r ] || continue;; esac;; esac
tree="$tree$p "; found="$found $p"; again=1; done; done; }
[ -s $J.exit ] && { echo over; exit; }
root; [ -n "$r" ] || { echo gone; exit; }
code=143; sent=" "
if [ -d /proc/self ]; then n=0
while [ $n -lt GRACE0 ]; do all; [ -n "$found" ] || break
for p in $found; do case "$sent" in *" $p "*) ;; *) kill -TERM $p 2>/dev/null; sent="$sent$p ";; esac; done
sleep 0.1 2>/dev/null || { sleep 1; n=$((n+9)); }; n=$((n+1)); done
all; for p in $found; do kill -KILL $p 2>/dev/null; code=137; done
n=0; while [ $n -lt 10 ] && kill -0 $r 2>/dev/null && [ ! -s $J.exit ]; do
sleep 0.1 2>/dev/null || sleep 1; n=$((n+1)); done
[ -s $J.exit ] || { kill -KILL $r 2>/dev/null; sleep 0.1 2>/dev/null || sleep 1
grep -q "$W" /proc/$r/cmdline 2>/dev/null && { echo refused; exit; }; }
else kill -TERM -$r 2>/dev/null || kill -TERM $r; n=0
while [ $n -lt GRACE ] && kill -0 $r 2>/dev/null; do sleep 1; n=$((n+1)); done; fi
if [ ! -s $J.exit ]; then [ -d /proc/self ] || kill -KILL -$r 2>/dev/null || kill -KILL $r 2>/dev/null
echo $code > $J.exit.new && mv $J.exit.new $J.exit; fi
echo stopped
"""


def kill_command(job_id: str) -> str:
    """Return the shell script that kills a job and prints ``stopped``, ``over`` or ``gone``."""
    text = _SCRIPT.strip().replace("GRACE0", str(GRACE * 10)).replace("GRACE", str(GRACE))
    return text.replace("ID", job_id)


async def kill_job(client: AsyncSandboxClient, key: JobKey) -> str:
    """Kill a job; return ``stopped``, ``over`` when it had already ended, or ``gone`` when it has no process.

    Raises:
        SandboxClientError: the sandbox could not be reached, or gave no valid result.
    """
    response = await client.execute_command(key.sandbox_id, kill_command(key.job_id), timeout=GRACE + 30)
    outcome = response.stdout.strip().rsplit("\n", 1)[-1]
    if outcome == "refused":
        raise APIError(
            f"no permission: job {key.job_id} belongs to another user of the sandbox", sandbox_id=key.sandbox_id
        )
    if outcome not in {"stopped", "over", "gone"}:
        reason = response.stderr.strip()[-200:] or f"exit code {response.exit_code}"
        raise APIError(f"unknown result of killing job {key.job_id}: {reason}", sandbox_id=key.sandbox_id)
    return outcome
