"""A machine for the plugin: folders that stand for /etc, /var/lib, /run, /sys/block and /usr/sbin in a mount namespace of its own, the simulated XAPI
in it, and the real executable under the Python that runs these tests. The host that runs them is not touched; real md is for tests/dom0.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import XenAPI

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOST_UUID = "5e3a8a2e-9a3c-4f51-8d1a-0c6f4e1d2b3a"
PASSWORD = "of the simulated pool"
# Mounted over the real ones, for this machine alone. Nothing in /usr/sbin is left that could touch the host.
PLACES = [("etc", "/etc"), ("lib", "/var/lib"), ("run", "/run"), ("block", "/sys/block"), ("tools", "/usr/sbin")]
QUIET_TOOLS = {
    "systemctl": 'echo "$*" >>/run/systemctl.log; [ "$1" != is-active ] || echo active',
    "udevadm": "exit 0",
    "wipefs": "exit 0",
    "pvs": "exit 0",
    "mdadm": 'echo "$*" >>/run/mdadm.log; exit 0',
}
INVENTORY = "INSTALLATION_UUID='%s'\nPRODUCT_VERSION='8.2.1'\n" % HOST_UUID


class Machine(object):
    """folder: where its places are; session: a XenAPI session of root on its XAPI."""

    def __init__(self, folder):
        self.folder = folder
        for name, _ in PLACES:
            os.makedirs(self.path(name))
        for name in ("etc/ssmtp", "lib/xcp", "lib/xsraid", "run/lock", "plugins"):
            os.makedirs(self.path(name))
        self.write("etc/xensource-inventory", INVENTORY)
        self.write("etc/group", "root:x:0:\n")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        self.write("password", PASSWORD)
        for name, script in QUIET_TOOLS.items():
            self.tool(name, script)
        self._install_plugin()
        self.process = self.session = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with io.open(self.path(name), encoding="utf-8") as source:
            return source.read()

    def write(self, name, text):
        with io.open(self.path(name), "wb") as target:
            target.write(text.encode("utf-8") if not isinstance(text, bytes) else text)

    def tool(self, name, script):
        """Put a tool into this machine's /usr/sbin: the body of a shell script."""
        self.write("tools/" + name, "#!/bin/sh\n%s\n" % script)
        os.chmod(self.path("tools/" + name), 0o755)

    def _install_plugin(self):
        """As the RPM does, but for this Python and from this checkout."""
        with io.open(os.path.join(PROJECT, "xapi-plugin", "xsraid")) as source:
            text = source.read()
        assert "#!/usr/bin/python3\n" in text and '"/usr/share/xsraid"' in text
        self.write("plugins/xsraid", text.replace("/usr/bin/python3", sys.executable).replace("/usr/share/xsraid", PROJECT))
        os.chmod(self.path("plugins/xsraid"), 0o755)

    def start(self):
        mounts = ["mount --bind %s/%s %s" % (self.folder, name, place) for name, place in PLACES]
        server = [
            "/usr/bin/python3",
            "-m",
            "xapi.server",
            "--socket",
            "/var/lib/xcp/xapi",
            "--tcp",
            "127.0.0.1:0",
            "--plugins",
            self.path("plugins"),
            "--password-file",
            self.path("password"),
            "--name",
            "dom0",
            "--ready",
            self.path("ready"),
            "--log",
            self.path("xapi.log"),
        ]
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        argv = unshare + ["/bin/sh", "-ec", "\n".join(mounts) + '\nexec "$@"', "sh"] + server
        with open(os.devnull) as nothing, open(self.path("server.out"), "w") as out:
            self.process = subprocess.Popen(
                argv, stdin=nothing, stdout=out, stderr=out, env=dict(os.environ, PYTHONPATH=os.path.join(PROJECT, "tests"))
            )
        deadline = time.time() + 30
        while not os.path.exists(self.path("ready")):
            assert self.process.poll() is None and time.time() < deadline, self.read("server.out")
            time.sleep(0.02)
        ready = json.loads(self.read("ready"))
        self.session = XenAPI.Session("http://%s" % ready["tcp"][0])
        self.session.login_with_password("root", PASSWORD, "1.0", "tests")
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def call(self, fn, **arguments):
        """Call a function of the plugin as a script does and return its reply, parsed. Raises XenAPI.Failure."""
        xenapi = self.session.xenapi
        return json.loads(xenapi.host.call_plugin(xenapi.host.get_by_uuid(HOST_UUID), "xsraid", fn, arguments))

    def refusal(self, fn, **arguments):
        """Return [code, parameters ...] of a call that must fail."""
        with pytest.raises(XenAPI.Failure) as caught:
            self.call(fn, **arguments)
        return caught.value.details


@pytest.fixture(scope="module")
def running_machine(tmpdir_factory):
    folder = str(tmpdir_factory.mktemp("machine"))
    machine = Machine(os.path.join(folder, "m"))
    try:
        yield machine.start()
    finally:
        machine.stop()


@pytest.fixture
def machine(running_machine):
    """The machine with the files of a fresh one."""
    for name in ("etc/mdadm.conf", "etc/xsraid.conf", "etc/ssmtp/ssmtp.conf", "etc/ssmtp/revaliases", "run/systemctl.log", "run/mdadm.log"):
        if os.path.exists(running_machine.path(name)):
            os.unlink(running_machine.path(name))
    for name in os.listdir(running_machine.path("block")):
        shutil.rmtree(running_machine.path("block/" + name))
    for name, script in QUIET_TOOLS.items():
        running_machine.tool(name, script)
    return running_machine
