"""A simulated pool of up to 64 hosts in one process, for tests that want many: one master, and
members that it plays.

    with Pool(folder, hosts=64, plugin=QUICK, delays={"host5": 2.0}, dead={"host7": "offline"}) as
      pool:
        pool.session().xenapi.host.get_all()

Each host has a folder of plugins and each call starts a process of its own. Only the host that runs
this is there for all of them: no devices.
"""

import json
import os
import subprocess
import sys
import uuid

import XenAPI

from tests.plugin.conftest import PLACES, Machine
from xapi import hosts as wires
from xapi import wire
from xapi.failure import Failure
from xapi.played import BEFALL_PATH

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOSTS_MAX = 64  # the most that a pool has
PASSWORD = "of the pool"
USERS = {
    "ruth": {"password": "r", "role": "read-only"},
    "olga": {"password": "o", "role": "pool-operator"},
}
QUICK, REAL = "quick", "real"
INVENTORY = "INSTALLATION_UUID='%s'\nPRODUCT_VERSION='%s'\n"

# Answers in a millisecond what lies in a file named after the function, and notes each call.
STAND_IN = """#!/bin/sh
function=${1#*<methodName>}
function=${function%%%%</methodName>*}
echo "$function" >>%(folder)s/calls
[ -e "%(folder)s/answers/$function" ] || function=unknown
exec cat "%(folder)s/answers/$function"
"""

# The real plugin where the places of its own host are mounted, as the whole XAPI of tests/plugin
# runs.
IN_ITS_MACHINE = """#!/bin/sh
exec unshare %s /bin/sh -ec '%s; exec "$0" "$@"' %s "$@"
"""


class Host:
    """One host of the pool: its name, uuid, own address on TCP, folder with plugins/ in it, and for
    the real plugin the Machine of tests/plugin.
    """

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, name + ".example.com"))
        self.address, self.machine = "", None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        """Write a file of the host, whole at any time: a plugin may read it meanwhile."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)

    def answer(self, function, value):
        """Set what the quick plugin answers: text as it comes, whatever it is; a Failure; or a
        value that becomes JSON as xsraid's replies do.
        """
        if isinstance(value, Failure):
            value = reply(Status="Failure", ErrorDescription=value.description)
        self.write(
            "answers/" + function,
            value if isinstance(value, str) else reply(Status="Success", Value=json.dumps(value)),
        )

    def calls(self):
        """Return the functions that the quick plugin was called for, in order."""
        if not os.path.exists(self.path("calls")):
            return []
        with open(self.path("calls"), encoding="utf-8") as calls:
            return calls.read().split()


class Pool:
    """hosts: how many, named host0 (the master), host1 and so on; plugin: REAL, QUICK or a file,
    what each has as its plugin xsraid.

    delays: {name: seconds}; dead: {name: a fate of played.py}; missing: names of hosts without the
    plugin; answers: {name, or "*" for all:
    {function: what Host.answer takes}}, of the quick plugin; version: of the product.
    """

    def __init__(
        self,
        folder,
        hosts=4,
        plugin=REAL,
        delays=None,
        dead=None,
        missing=(),
        answers=None,
        version="8.3.0",
    ):
        assert 1 <= hosts <= HOSTS_MAX
        self.folder, self.plugin, self.version = folder, plugin, version
        self.hosts = {
            name: Host(name, os.path.join(folder, name))
            for name in map("host%d".__mod__, range(hosts))
        }
        self.master = self.hosts["host0"]
        for host in self.hosts.values():
            self._furnish(host)
            for function, value in {
                **(answers or {}).get("*", {}),
                **(answers or {}).get(host.name, {}),
            }.items():
                host.answer(function, value)
        for name in missing:
            os.unlink(self.hosts[name].path("plugins/xsraid"))
        self.process = None
        self._delays, self._dead = delays or {}, dead or {}

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_error):
        self.stop()

    def _furnish(self, host):
        """Lay down what a host has: a plugin, and an inventory."""
        if self.plugin == REAL:
            host.machine = Machine(host.folder, host.uuid, self.version)
            os.rename(host.path("plugins/xsraid"), host.path("xsraid"))
            mounts = "; ".join(
                "mount --bind %s %s" % (host.path(source), place) for source, place in PLACES
            )
            namespaces = "--mount" if os.geteuid() == 0 else "--user --map-root-user --mount"
            host.write(
                "plugins/xsraid", IN_ITS_MACHINE % (namespaces, mounts, host.path("xsraid")), 0o755
            )
            return
        host.write("etc/xensource-inventory", INVENTORY % (host.uuid, self.version))
        if self.plugin == QUICK:
            host.write("plugins/xsraid", STAND_IN % {"folder": host.folder}, 0o755)
            host.answer(
                "unknown",
                reply(
                    Status="Failure",
                    ErrorDescription=["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "of the quick plugin"],
                ),
            )
        else:
            with open(self.plugin, encoding="utf-8") as source:
                host.write("plugins/xsraid", source.read(), 0o755)

    def start(self):
        """Start the master's process and return self once all hosts are in the pool."""
        members = [
            {
                "uuid": host.uuid,
                "name": host.name,
                "plugins": host.path("plugins"),
                "socket": self._socket(host),
            }
            for host in self._members()
        ]
        self.master.write("members", json.dumps(members))
        self.master.write("users", json.dumps(USERS))
        self.master.write("password", PASSWORD + "\n")
        command = [
            sys.executable,
            "-m",
            "xapi.server",
            "--tcp",
            "127.0.0.1:0",
            "--name",
            "host0",
            "--socket",
            self.master.path("lib/xcp/xapi"),
            "--inventory",
            self.master.path("etc/xensource-inventory"),
            "--log",
            self.folder + "/log",
        ]
        for option in ("members", "users", "password-file", "plugins"):
            command += ["--" + option, self.master.path(option.split("-")[0])]
        environment = dict(os.environ, PYTHONPATH=TESTS, PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        self.address = json.loads(self.process.stdout.readline())["tcp"][0]
        self.master.address = self.address
        for number, host in enumerate(self._members(), 1):
            host.address = "127.0.1.%d:%s" % (number, self.address.partition(":")[2])
        for name in {**self._delays, **self._dead}:
            self.befall(name, self._dead.get(name, ""), self._delays.get(name, 0.0))
        return self

    def _members(self):
        return [host for host in self.hosts.values() if host is not self.master]

    def _socket(self, host):
        return host.path("lib/xcp/xapi") if self.plugin == REAL else None

    def stop(self):
        """End the process, calls under way with it; their plugins end by themselves."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def session(self, user="root", password=PASSWORD):
        """Return a XenAPI session over TCP of root or one of USERS."""
        session = XenAPI.Session("http://" + self.address)
        session.login_with_password(user, password, "1.0", "tests")
        return session

    def befall(self, name, fate="", delay_s=0.0):
        """Give a member a fate of played.py."""
        wires.post(
            self.address,
            BEFALL_PATH,
            json.dumps({"host": self.hosts[name].uuid, "fate": fate, "delay_s": delay_s}).encode(),
        )


def reply(**members):
    """Return the text of a plugin's reply."""
    return "<methodResponse><params><param>%s</param></params></methodResponse>" % wire.render(
        members
    )
