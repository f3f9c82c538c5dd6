#!/usr/bin/python3
"""Kills store at random moments while it keeps a text index, and proves that searches stay right.

An account has more messages than a block of the index takes. In each round messages come by APPEND and import, go by
EXPUNGE (and are erased a second later), or the index is switched off and on, or made anew; at a moment that chance
chooses store dies by SIGKILL: while the index is filled, merged into blocks, told to forget, or removed. Each message
says its number in words, so what a search must find is known without any index: it is compared after the rounds, and in
the end without an index, with a half one and with a whole one; `mailrail verifydata` finds nothing.

    tests/stack/chaos_index.py --rounds 300

MAILRAIL_BUILD names the build (default: build/sanitize). The short form is in tests/stack/test_chaos.py.
"""
import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time

import chaos
from conftest import PASSWORD, Mailrail, children_of, wait_until

USER = "ann@example.org"
MESSAGES = 2300  # a block, and some that wait
OPTIONS = {"imap": {"cleartext_auth": True}, "log_level": "info", "store": {"erase_after_s": 1},
           "launcher": {"restart_pause_max_ms": 500}}
# What is searched for, and which numbers of messages have it.
SEARCHES = {
    "FROM sender3@": lambda n: n % 7 == 3,
    "SUBJECT number77": lambda n: str(n).startswith("77"),
    "BODY odd": lambda n: n % 2 == 1,
    "BODY seldom": lambda n: n % 500 == 8,
    "NOT BODY seldom": lambda n: n % 500 != 8,
    "TEXT nowhere": lambda n: False,
    "OR BODY seldom FROM sender5@": lambda n: n % 500 == 8 or n % 7 == 5,
}


def letter(number):
    words = [f"word{number}", "odd" if number % 2 else "even", "seldom" if number % 500 == 8 else "often"]
    return (f"From: Sender <sender{number % 7}@far.example>\r\nTo: {USER}\r\nSubject: number{number}\r\n"
            f"Message-ID: <{number}@far.example>\r\n\r\n{' '.join(words)}\r\n").encode()


class Account:
    def __init__(self, mailrail, chance):
        self.mailrail, self.chance = mailrail, chance
        self.serial = 0

    def numbers(self, count):
        self.serial += count
        return range(self.serial - count, self.serial)

    def imap(self):
        imap = chaos.Imap(self.mailrail.imap_port, USER, PASSWORD)
        imap.command("SELECT INBOX")
        return imap

    # What comes and goes. Each may be cut short.

    def append(self):
        imap = self.imap()
        for number in self.numbers(self.chance.randrange(1, 20)):
            text = letter(number)
            imap.command(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))
        imap.close()

    def expunge(self):
        imap = self.imap()
        count = int(re.search(rb"(\d+)\)$", imap.command("STATUS INBOX (MESSAGES)")[0])[1])
        if count > MESSAGES - 200:
            first = self.chance.randrange(1, count - 40)
            imap.command(rf"STORE {first}:{first + self.chance.randrange(40)} +FLAGS.SILENT (\Deleted)")
            imap.command("EXPUNGE")
        imap.close()

    def import_some(self, count=50):
        with tempfile.NamedTemporaryFile(suffix=".mbox") as file:
            for number in self.numbers(count):
                file.write(b"From x Fri Jan  2 03:04:05 2026\n" + letter(number).replace(b"\r", b"") + b"\n")
            file.flush()
            return self.mailrail.command("import", "ann", file.name, "--mailbox", "INBOX", check=False)

    def switch(self):
        for action in self.chance.choice((("rebuild",), ("rebuild",), ("off", "on"))):
            self.mailrail.command("account", "textindex", "ann", action, check=False)

    def wait(self):
        time.sleep(self.chance.uniform(0, 2))

    # What must be true.

    def check(self, searches):
        imap = self.imap()
        lines = imap.command("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        numbers = {int(re.search(rb"UID (\d+)", line)[1]): int(re.search(rb"number(\d+)", line)[1]) for line in lines}
        assert len(set(numbers.values())) == len(numbers), "a message is there twice"
        for keys in searches:
            lines = imap.command(f"UID SEARCH {keys}")
            found = {int(uid) for line in lines if line.startswith(b"* SEARCH") for uid in line.split()[2:]}
            wanted = {uid for uid, number in numbers.items() if SEARCHES[keys](number)}
            assert found == wanted, f"{keys}: missed {sorted(wanted - found)[:5]}, and found {sorted(found - wanted)[:5]}"
        imap.close()
        return len(numbers)

    def index(self, *action):
        return self.mailrail.list("account", "textindex", "ann", *action)[0]

    def check_all(self):
        """With no index, while it is made, and with a whole one."""
        self.index("off")
        wait_until(lambda: self.index()["bytes"] == 0, 120, "an end of the index")
        self.check(SEARCHES)
        self.index("on")
        self.check(SEARCHES)
        wait_until(lambda: self.index()["indexed"] >= self.index()["messages"], 600, "a whole index")
        return self.check(SEARCHES)


def kill_store(mailrail):
    pid = children_of(mailrail.process.pid).get("store")
    if pid:
        os.kill(pid, signal.SIGKILL)


def play_round(account, chance):
    """False when store was away, as it may be."""
    try:
        chance.choice((account.append, account.expunge, account.expunge, account.import_some, account.switch,
                       account.wait))()
        return True
    except (OSError, ConnectionError, ValueError):
        return False


def run(mailrail, rounds, seed=1, progress=print):
    chance = random.Random(seed)
    account = Account(mailrail, chance)
    assert account.import_some(MESSAGES).returncode == 0
    done = 0
    for number in range(rounds):
        done += play_round(account, chance)
        time.sleep(chance.choice((0, chance.uniform(0, 0.3), chance.uniform(0, 4))))
        kill_store(mailrail)
        wait_until(mailrail.is_ready, 120, "readiness of all services")
        if number % 10 == 9:
            there = account.check(chance.sample(list(SEARCHES), 3))
            progress(f"round {number + 1}: {there} messages, {account.index()}")
    there = account.check_all()
    progress(f"{rounds} rounds, {done} of them whole: {there} messages of {account.serial}")
    assert done > 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    mailrail = Mailrail(**OPTIONS)
    print(f"in {mailrail.directory}", flush=True)
    mailrail.start()
    mailrail.add_usual()
    run(mailrail, a.rounds, a.seed, progress=lambda text: print(text, flush=True))
    print(mailrail.command("verifydata").stdout)
    mailrail.destroy()


if __name__ == "__main__":
    sys.exit(main())
