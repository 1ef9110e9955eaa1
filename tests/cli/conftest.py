"""The command as people start it: as a process of its own, with or without a terminal, against the simulated XAPI.

`dom0` runs it in the dom0 of a machine with the real plugin; `simulated` makes pools whose plugins say what a test wants.
"""

import collections
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

import tls
from plugin.conftest import PROJECT, Machine, Sysfs, running_machine  # noqa: F401 - a fixture
from xapi.conftest import PASSWORD, Server, reply

LIMIT_S = 30
Result = collections.namedtuple("Result", "status out err")
# A plugin that answers by a file of replies {function: reply or [code, ...]}; "sleep" waits until it is killed.
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
    """Starts the command. prefix: what it is started with, such as nsenter; options: that stand before all others."""

    def __init__(self, prefix=(), options=()):
        self.argv = [*prefix, sys.executable, "-m", "xsraid_cli"]
        self.options = list(options)
        self.environment = dict(os.environ, PYTHONPATH=PROJECT, COLUMNS="80", TERM="xterm", PYTHONWARNINGS="error")
        self.environment.pop("NO_COLOR", None)

    def __call__(self, *words, password=None, more=None):
        """Run it in pipes and return a Result of text. password: for the file descriptor that --password-fd is given; more: environment."""
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
        pipes = dict({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}, **settings)
        environment = dict(self.environment, **more or {})
        process = subprocess.Popen([*before, *self.argv, *options, *words], text=True, env=environment, pass_fds=descriptors, **pipes)
        for descriptor in descriptors:
            os.close(descriptor)
        return process

    def on_terminal(self, *words, typed=(), password=None, more=None, until=None):
        """Run it on a pseudo-terminal of 80 columns and return a Result whose `out` is all that the terminal got.

        typed: pairs of what must have been shown and what is then typed; until: text after which Ctrl-C is typed.
        """
        terminal, own = pty.openpty()
        subprocess.run(["stty", "cols", "80", "rows", "24"], stdin=own, check=True)
        process = self.start(*words, password=password, more=more, before=("setsid", "--ctty"), stdin=own, stdout=own, stderr=own)
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


@pytest.fixture
def machine(running_machine):  # noqa: F811
    for name in ("etc/mdadm.conf", "run/mdadm.log"):
        if os.path.exists(running_machine.path(name)):
            os.unlink(running_machine.path(name))
    for name in os.listdir(running_machine.path("block")):
        shutil.rmtree(running_machine.path("block/" + name))
    return running_machine


@pytest.fixture
def sysfs(machine):
    built = Sysfs(machine)
    for at, name in enumerate(("sda", "sdb", "sdc")):
        built.disk(name, "8:%d" % (16 * at), "Z1Z%d" % at)
    return built


@pytest.fixture
def dom0(machine):
    """The command in the machine's dom0."""
    spaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
    return Xsraid(["nsenter", "--target", str(machine.process.pid), *spaces, "--wd=/", "--"])


class SimulatedPool:
    """A simulated XAPI with a plugin of the test's, behind TLS. folder: for its files."""

    def __init__(self, folder, *more, version="8.3.0"):
        self.server = Server(str(folder), *more, version=version)
        self.answers = {"version": {"version": "0.2.0", "python": "3.6.8"}}
        self.folder = folder

    def answer(self, **answers):
        """Install the plugin, answering functions with a reply, [a failure's code, ...] or "sleep"."""
        self.server.write("answers", json.dumps(dict(self.answers, **answers)))
        self.server.plugin("xsraid", "output", before=PLUGIN % (self.folder + "/answers", self.folder + "/calls"))

    def calls(self):
        """Return [function, arguments] of all calls of the plugin."""
        return [json.loads(line) for line in self.server.read("calls").splitlines()]

    def session_count(self):
        """Return how many sessions there are, this question's own left out."""
        session = self.server.session()
        try:
            # xapi itself has no call for it; the simulation has a table.
            return len(session.xenapi.session.get_all()) - 1
        finally:
            session.xenapi.session.logout()


@pytest.fixture(scope="module")
def simulated():
    """Return a function that makes SimulatedPools; all of them end with the module."""
    base, made = tempfile.mkdtemp(prefix="xsraid-cli"), []

    def make(*more, **settings):
        folder = "%s/%d" % (base, len(made))
        os.mkdir(folder)
        made.append(SimulatedPool(folder, *more, **settings))
        return made[-1]
    yield make
    for one in made:
        one.server.kill()
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def certificates():
    """The tests' own authority and what it has signed."""
    folder = tempfile.mkdtemp(prefix="xsraid-tls")
    yield tls.Certificates(folder)
    shutil.rmtree(folder)


__all__ = ["PASSWORD", "PROJECT", "Machine", "reply", "running_machine", "signal"]
