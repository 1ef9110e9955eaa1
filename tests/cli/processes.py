"""What the tests of the command start: the command itself, with or without a terminal, and
simulated pools whose plugins say what a test wants.
"""

import collections
import json
import os
import pty
import select
import subprocess
import sys
import time

from tests.plugin.conftest import PROJECT
from tests.xapi.conftest import PASSWORD, Server
from xsraid import __version__

__all__ = ["ARRAY", "PASSWORD", "PROJECT", "SimulatedPool", "Xsraid", "wait_for_call"]
LIMIT_S = 30
# What a plugin of a test's may reply of an array.
ARRAY = {
    "device": "/dev/md0",
    "level": "raid1",
    "size_bytes": 1 << 40,
    "health": "optimal",
    "redundancy_left": 1,
    "members": [],
    "configured": True,
}
Result = collections.namedtuple("Result", "status out err")
# A plugin that answers by a file of replies {function: reply or [code, ...]}; "sleep" waits until
# it is killed.
PLUGIN = """
import json, re, sys, time, xmlrpc.client
(call, arguments), function = xmlrpc.client.loads(sys.argv[1])
answer = json.load(open(%r)).get(function, ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", function])
open(%r, "a").write(json.dumps([function, arguments]) + chr(10))
if answer == "sleep":
    time.sleep(60)
if isinstance(answer, list):
    value = {"Status": "Failure", "ErrorDescription": answer}
else:
    value = {"Status": "Success", "Value": json.dumps(answer, separators=(", ", ": "))}
output = xmlrpc.client.dumps((value,), methodresponse=True)
"""


class Xsraid:
    """Starts the command. prefix: what it is started with, such as nsenter; options: that stand
    before all others; python: its interpreter.
    """

    def __init__(self, prefix=(), options=(), python=sys.executable):
        self.argv = [*prefix, python, "-m", "xsraid_cli"]
        self.options = list(options)
        self.environment = dict(
            os.environ, PYTHONPATH=PROJECT, COLUMNS="80", TERM="xterm", PYTHONWARNINGS="error"
        )
        self.environment.pop("NO_COLOR", None)

    def __call__(self, *words, password=None, more=None):
        """Run it in pipes and return a Result of text. password: for the file descriptor that
        --password-fd is given; more: environment.
        """
        started = self.start(*words, password=password, more=more)
        out, err = started.communicate(timeout=LIMIT_S)
        return Result(started.returncode, out, err)

    def start(self, *words, password=None, more=None, before=(), **settings):
        options, descriptors = self.options, ()
        if password is not None:
            reader, writer = os.pipe()
            os.write(writer, password.encode() + b"\n")
            os.close(writer)
            options, descriptors = [*options, "--password-fd", str(reader)], (reader,)
        pipes = dict(
            {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
            **settings,
        )
        environment = dict(self.environment, **more or {})
        process = subprocess.Popen(
            [*before, *self.argv, *options, *words],
            text=True,
            env=environment,
            pass_fds=descriptors,
            **pipes,
        )
        for descriptor in descriptors:
            os.close(descriptor)
        return process

    def on_terminal(self, *words, typed=(), password=None, more=None, until=None):
        """Run it on a pseudo-terminal of 80 columns and return a Result whose `out` is all that the
        terminal got.

        typed: pairs of what must have been shown and what is then typed; until: text after which
        Ctrl-C is typed.
        """
        terminal, own = pty.openpty()
        subprocess.run(["stty", "cols", "80", "rows", "24"], stdin=own, check=True)
        process = self.start(
            *words,
            password=password,
            more=more,
            before=("setsid", "--ctty"),
            stdin=own,
            stdout=own,
            stderr=own,
        )
        os.close(own)
        shown = converse(terminal, [*typed, *([(until, "\x03")] if until else [])])
        os.close(terminal)
        return Result(process.wait(LIMIT_S), shown.replace("\r\n", "\n"), "")


def converse(terminal, typed):
    """Return all that a terminal shows until its program ends; answer what it asks."""
    shown, seen, deadline = b"", 0, time.monotonic() + LIMIT_S
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says EIO once nobody has the other end open
            piece = b""
        if not piece:
            assert not typed, "never shown: %s\n%s" % (typed[0][0], shown.decode())
            return shown.decode()
        shown += piece
        if typed and typed[0][0].encode() in shown[seen:]:
            seen = len(shown)
            os.write(terminal, typed.pop(0)[1].encode())
    raise AssertionError("still running: %s" % shown.decode())


class SimulatedPool:
    """A simulated XAPI with a plugin of the test's, behind TLS. folder: for its files."""

    def __init__(self, folder, *more, version="8.3.0"):
        self.server = Server(str(folder), *more, version=version)
        self.answers = {"version": {"version": __version__, "python": "3.6.8"}}
        self.folder = folder

    def answer(self, **answers):
        """Install the plugin, answering functions with a reply, [a failure's code, ...] or
        "sleep".
        """
        self.server.write("answers", json.dumps(dict(self.answers, **answers)))
        self.server.plugin(
            "xsraid", "output", before=PLUGIN % (self.folder + "/answers", self.folder + "/calls")
        )

    def calls(self):
        """Return [function, arguments] of all calls of the plugin."""
        return [json.loads(line) for line in self.server.read("calls").splitlines()]

    def session_count(self):
        return session_count(self.server.session())


def session_count(session):
    """Return how many sessions a simulated XAPI has, apart from this one, which ends."""
    try:
        return len(getattr(session.xenapi.event, "from")(["session"], "", 0.0)["events"]) - 1
    finally:
        session.xenapi.session.logout()


def wait_for_call(called):
    """Wait until the plugin of a SimulatedPool, or of a host of many, has been called."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if called.calls():
                return
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    raise AssertionError("the plugin was never called")
