"""The command against the simulated XAPI: `local` runs it in the dom0 of a machine with the real
plugin, `remote` from elsewhere, over TLS.
"""

import os
import shutil
import signal
import tempfile

import pytest

from tests.cli import tls
from tests.cli.processes import SimulatedPool, Xsraid
from tests.plugin.conftest import running_machine, sysfs  # noqa: F401 - fixtures

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start
# would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def machine(running_machine):  # noqa: F811
    for name in ("etc/mdadm.conf", "run/mdadm.log"):
        if os.path.exists(running_machine.path(name)):
            os.unlink(running_machine.path(name))
    for name in os.listdir(running_machine.path("block")):
        shutil.rmtree(running_machine.path("block/" + name))
    return running_machine


@pytest.fixture
def local(machine):
    """The command in the machine's dom0."""
    spaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
    return Xsraid(["nsenter", "--target", str(machine.process.pid), *spaces, "--wd=/", "--"])


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


@pytest.fixture(scope="module")
def one(simulated):
    """A pool of one host."""
    return simulated("--name", "dom0")


@pytest.fixture(scope="module")
def remote(one, certificates):
    """The command with the address of that pool, over TLS."""
    return Xsraid(
        options=[
            "--pool",
            tls.Proxy(one.server.address, certificates.good).url,
            "--ca-file",
            certificates.ca,
        ]
    )
