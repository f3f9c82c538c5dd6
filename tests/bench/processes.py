"""CPU time of a server: of all that the processes with given ids have started."""
import os
import pathlib
import time

QUIET_SHARE = 0.04  # of one core: who takes less has nothing to do


def descendants(roots):
    """Fields of /proc/PID/stat from the state on."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2:].split()
            children.setdefault(int(fields[1]), []).append((int(entry), fields))
    todo, found = list(roots), []
    while todo:
        for pid, fields in children.get(todo.pop(), []):
            found.append(fields)
            todo.append(pid)
    return found


def cpu_s(roots):
    return sum(int(fields[11]) + int(fields[12]) for fields in descendants(roots)) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(roots, quiet_s, max_s):
    """Until they have had nothing to do for quiet_s; at most max_s."""
    end = time.monotonic() + max_s
    before = cpu_s(roots)
    while time.monotonic() < end:
        time.sleep(quiet_s)
        now = cpu_s(roots)
        if now - before <= QUIET_SHARE * quiet_s:
            return
        before = now
