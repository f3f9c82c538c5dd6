"""The short form of chaos.py: services die by SIGKILL under load, and nothing acknowledged is lost."""
import chaos


def test_killed_services_lose_and_double_nothing(make_mailrail):
    mailrail = make_mailrail(usual=False, **chaos.OPTIONS)
    chaos.run(chaos.make_system(mailrail), rounds=40, senders=20, readers=5, seed=20)
    found = mailrail.command("verifydata")
    assert "0 findings" in found.stdout + found.stderr
