"""Thunderbird without a window, told what to do over Marionette, the protocol that WebDriver's drivers speak to it.

    with Thunderbird() as thunderbird:              # a new profile, which is removed in the end
        thunderbird.call("trust", certificate)      # a function of thunderbird.js, and its arguments
        thunderbird.call("messages", "ann/Inbox")
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from conftest import free_ports, wait_until

PROGRAM = "/usr/lib/thunderbird/thunderbird"  # what Debian's script in /usr/bin runs
FUNCTIONS = pathlib.Path(__file__).with_suffix(".js").read_text()

# It asks nobody for news, updates or statistics, and shows no page, no question, and no hint.
QUIET = {
    "app.donation.eoy.version.viewed": 999,
    "browser.region.network.url": "",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 999,
    "mail.shell.checkDefaultClient": False,
    "mailnews.confirm.moveFoldersToTrash": False,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "offline.download.download_messages": 2,  # never, and so it does not ask
    "offline.send.unsent_messages": 2,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.unified": False,
}

# What the test wants otherwise than the defaults: nothing happens that it has not asked for.
OURS = {
    "mail.biff.play_sound": False,
    "mail.biff.show_alert": False,
    "mail.server.default.autosync_offline_stores": False,  # bodies are fetched when they are read
    "mail.server.default.check_all_folders_for_new": False,
    "mail.server.default.use_condstore": True,
    "mailnews.database.global.indexer.enabled": False,     # which reads messages too
    "network.dns.disableIPv6": True,
}


class Thunderbird:
    def __init__(self, **preferences):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mr-"))
        self.log_path = self.home / "imap"
        [self.port] = free_ports(1)
        (self.home / "profile").mkdir()
        self.write_preferences({**QUIET, **OURS, "marionette.port": self.port, **preferences})
        self.process = self.socket = None
        self.commands = 0

    def write_preferences(self, preferences):
        (self.home / "profile" / "user.js").write_text(
            "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()))

    def start(self):
        """A process group of its own: what it starts ends with it."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.home),
                       "XDG_RUNTIME_DIR": str(self.home), "LANG": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1",
                       "MOZ_LOG": "sync,timestamp,IMAP:4", "MOZ_LOG_FILE": str(self.log_path)}
        with open(self.home / "output", "wb") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "--headless", "--no-remote", "-profile", self.home / "profile",
                 "--marionette", "--remote-allow-system-access"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True)
        self.socket = wait_until(self.connect, 120, "Thunderbird's port")
        self.file = self.socket.makefile("rb")
        self.receive()  # it says what it speaks
        self.command("WebDriver:NewSession")
        self.command("WebDriver:SetTimeouts", script=120000)
        self.command("Marionette:SetContext", value="chrome")

    def connect(self):
        assert self.process.poll() is None, (self.home / "output").read_text(errors="replace")[-3000:]
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.port), timeout=180)

    def receive(self):
        """A packet: its length, a colon, and JSON."""
        length = b""
        while not length.endswith(b":"):
            byte = self.file.read(1)
            assert byte, "Thunderbird has closed the connection"
            length += byte
        return json.loads(self.file.read(int(length[:-1])))

    def command(self, name, **parameters):
        self.commands += 1
        packet = json.dumps([0, self.commands, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(packet), packet))
        _, number, error, result = self.receive()
        assert number == self.commands
        assert not error, f"{name}: {error['message']}\n{error.get('stacktrace')}"
        return result

    def call(self, function, *arguments):
        """The value of a function of thunderbird.js, once its promise is kept."""
        return self.command("WebDriver:ExecuteScript", args=[function, list(arguments)], sandbox="system",
                            script=f"{FUNCTIONS}\nreturn FUNCTIONS[arguments[0]](...arguments[1]);")["value"]

    def log(self):
        """What it and the server have said, one line for each, with what surrounds them."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("imap*.moz_log")))

    def stop(self):
        """Ends it as a user would; nothing of it stays, whatever it does."""
        if not self.process:
            return
        try:
            if self.socket:
                self.command("Marionette:Quit", flags=["eForceQuit"])
                assert self.process.wait(60) == 0, "Thunderbird failed"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.socket:
                self.file.close()
                self.socket.close()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.socket = None
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
