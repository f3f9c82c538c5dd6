"""Threads that are woken for nothing are most of what a call costs (docs/decisions/0034)."""
import pathlib

ANN, BOB = "ann@example.org", "bob@example.org"
CALLS = 300


def sleeps(pid, thread):
    """How often threads of that name have gone to sleep."""
    count = None
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        if status["Name"].strip() == thread:
            count = (count or 0) + int(status["voluntary_ctxt_switches"])
    return count


def test_a_call_wakes_nng_s_thread_once_on_each_side(mailrail):
    """For what came; not for what was sent, nor to wait for a lock. Each recipient of our own is a
    call from submission to store."""
    pids = [mailrail.pid_of(service) for service in ("submission", "store")]
    with mailrail.submission() as smtp:
        smtp.mail(ANN)
        assert smtp.rcpt(BOB)[0] == 250
        before = [sleeps(pid, "nng:task") for pid in pids]
        for _ in range(CALLS):
            smtp.rset()
            smtp.mail(ANN)
            assert smtp.rcpt(BOB)[0] == 250
        after = [sleeps(pid, "nng:task") for pid in pids]
    each = [(b - a) / CALLS for a, b in zip(before, after)]
    assert min(each) > 0.5, f"the thread has another name, or nobody was called: {each}"
    assert max(each) < 1.6, f"for a call, in submission and store: {each}"
