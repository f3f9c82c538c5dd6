"""The short forms of chaos.py, chaos_mailboxes.py and chaos_index.py: services die by SIGKILL, and nothing acknowledged is lost."""
import chaos
import chaos_index
import chaos_mailboxes


def test_killed_services_lose_and_double_nothing(make_mailrail):
    mailrail = make_mailrail(usual=False, **chaos.OPTIONS)
    chaos.run(chaos.make_system(mailrail), rounds=40, senders=20, readers=5, seed=20)
    found = mailrail.command("verifydata")
    assert "0 findings" in found.stdout + found.stderr


def test_killed_services_leave_mailboxes_whole(make_mailrail):
    """The same with everything that changes mailboxes, and imports: chaos_mailboxes.py."""
    mailrail = make_mailrail(usual=False, **chaos.OPTIONS)
    chaos_mailboxes.run(chaos.make_system(mailrail), rounds=40, senders=12, readers=6, seed=21)
    found = mailrail.command("verifydata")
    assert "0 findings" in found.stdout + found.stderr


def test_a_killed_store_leaves_searches_right(make_mailrail):
    mailrail = make_mailrail(**chaos_index.OPTIONS)
    chaos_index.run(mailrail, rounds=12, seed=22)
    found = mailrail.command("verifydata")
    assert "0 findings" in found.stdout + found.stderr
