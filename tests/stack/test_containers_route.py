"""The full route in containers: two Mailrails and a Postfix send each other letters, which they find by
signed DNS and carry under TLS; once with the images of this tree, and once with some of them replaced
by those of the commit before."""
import re
import tempfile

import pytest

import far
from conftest import PASSWORD, wait_until
from containers import make_containers  # noqa: F401
from engine import engine, images, previous_images  # noqa: F401
from test_far_delivery import make_message, without_trace
from world import SMTP_PORT, make_world  # noqa: F401

MAILRAIL, SECOND, POSTFIX = 10, 20, 40
ZONES = {"example.org": f"@ MX 10 mail\nmail A {{{MAILRAIL}}}\n",
         "second.example": f"@ MX 10 mail\nmail A {{{SECOND}}}\n",
         "far.example": f"@ MX 10 mx2\nmx2 A {{{POSTFIX}}}\n"}
SIZES = (0, 70000)


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(ZONES)


@pytest.fixture(scope="module")
def postfix(world):
    with tempfile.TemporaryDirectory(prefix="mr-") as directory:
        server = world.inside(lambda: far.Postfix(directory, SMTP_PORT, ["far.example"],
                                                  world.address(POSTFIX), world.address(53)))
        yield server
        server.stop()


def submit(system, sender, recipient, number, size):
    message = make_message(recipient, number, size)
    with far.Submission(system.submission_port, sender, PASSWORD) as client:
        client.send(sender, [recipient], message.replace(b"ann@example.org", sender.encode()), " BODY=8BITMIME")
    return message.replace(b"ann@example.org", sender.encode())


def received_by(system, user, message):
    """Copies of a message in the INBOX, with what servers put in front."""
    with system.imap(user) as imap:
        count = int(imap.select("INBOX", readonly=True)[1][0])
        texts = [imap.fetch(str(n), "BODY.PEEK[]")[1][0][1].replace(b"\r\n", b"\n") for n in range(1, count + 1)]
    return [text for text in texts if without_trace(text) == message.replace(b"\r\n", b"\n")]


def in_maildir(postfix, message):
    return [text for text in postfix.messages() if without_trace(text) == message.replace(b"\r\n", b"\n")]


def one_under_tls(find, what):
    copies = wait_until(find, 60, what)
    assert len(copies) == 1
    # The hop between the servers is the last of those that the receiver wrote.
    assert re.search(rb"^Received: (?:.|\n\s)*?with (?:UTF8SMTPS|ESMTPS)\b", copies[0], re.M), copies[0][:2000]


def route(mailrail, second, postfix, world, serial):
    """Letters in all directions, each once, byte for byte, under TLS."""
    for size in SIZES:
        letter = submit(mailrail, "ann@example.org", "someone@far.example", serial, size)
        one_under_tls(lambda: in_maildir(postfix, letter), "the letter to Postfix")
        letter = submit(mailrail, "ann@example.org", "carl@second.example", serial + 1, size)
        one_under_tls(lambda: received_by(second, "carl@second.example", letter), "the letter to the second")
        letter = submit(second, "carl@second.example", "ann@example.org", serial + 2, size)
        one_under_tls(lambda: received_by(mailrail, "ann@example.org", letter), "the letter from the second")
        letter = make_message("ann@example.org", serial + 3, size).replace(b"Ann <ann@example.org>", b"<x@far.example>")
        world.inside(lambda: postfix.send("x@far.example", "ann@example.org", letter))
        one_under_tls(lambda: received_by(mailrail, "ann@example.org", letter), "the letter from Postfix")
        serial += 4
    wait_until(lambda: not mailrail.list("queue", "list"), 20, "an empty queue")


def make_pair(make_containers, world, versions=(None, None)):
    mailrail = make_containers(world=world, address=world.address(MAILRAIL), version=versions[0])
    second = make_containers(world=world, address=world.address(SECOND), version=versions[1],
                             hostname="mail.second.example", usual=False)
    second.add_account("carl", "carl@second.example")
    return mailrail, second


def test_letters_in_all_directions(make_containers, world, postfix):
    mailrail, second = make_pair(make_containers, world)
    lookup = mailrail.command("dns", "lookup", "MX", "far.example")
    assert "authentic (DNSSEC)" in lookup.stderr, lookup.stderr
    route(mailrail, second, postfix, world, 100)


def test_services_of_two_versions_work_together(make_containers, world, postfix, images, previous_images):
    """Either may be ahead: here an older store has newer clients, there a newer store has older ones."""
    mailrail, second = make_pair(make_containers, world, ({None: images, "store": previous_images},
                                                          {None: previous_images, "store": images}))
    route(mailrail, second, postfix, world, 200)
