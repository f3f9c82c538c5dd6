"""The short form of sessions.py: random commands of many sessions on shared mailboxes, judged by a model."""
import sessions


def test_what_sessions_are_told_is_true(make_mailrail):
    mailrail = make_mailrail(**sessions.OPTIONS)
    world = sessions.run(mailrail, 30, seed=20, count=12, rest=10)
    assert world.commands > 100 and world.delivered > 0, "there was hardly any load"
    found = mailrail.command("verifydata")
    assert "0 findings" in found.stdout + found.stderr
