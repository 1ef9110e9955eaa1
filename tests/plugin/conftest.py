"""A machine for the plugin: folders that stand for /etc, /var/lib, /run, /sys/block and /usr/sbin
in a mount namespace of its own, the simulated XAPI in it, and the real executable under the Python
that runs these tests. The host that runs them is not touched; real md is for tests/dom0.
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
UUID = "6bd4d5e1:0b5d4f4c:a1f0c6f3:8d8f7a31"  # of the array that Sysfs.array makes
HOST_UUID = "5e3a8a2e-9a3c-4f51-8d1a-0c6f4e1d2b3a"
PASSWORD = "of the simulated pool"
# Mounted over the real ones, for this machine alone. Nothing in /usr/sbin is left that could touch
# the host.
PLACES = [
    ("etc", "/etc"),
    ("lib", "/var/lib"),
    ("run", "/run"),
    ("block", "/sys/block"),
    ("tools", "/usr/sbin"),
]
QUIET_TOOLS = {
    "systemctl": 'echo "$*" >>/run/systemctl.log; [ "$1" != is-active ] || echo active',
    "udevadm": "exit 0",
    "wipefs": "exit 0",
    "pvs": "exit 0",
    "mdadm": 'echo "$*" >>/run/mdadm.log; exit 0',
}
INVENTORY = "INSTALLATION_UUID='%s'\nPRODUCT_VERSION='%s'\n"


class Machine(object):
    """folder: where its places are; session: a XenAPI session of root on its XAPI or its pool's
    master; address: where others reach it.
    """

    def __init__(self, folder, host_uuid=HOST_UUID, version="8.2.1"):
        self.folder, self.host_uuid = folder, host_uuid
        for name, _ in PLACES:
            os.makedirs(self.path(name))
        for name in ("etc/ssmtp", "lib/xcp", "lib/xsraid", "run/lock", "plugins"):
            os.makedirs(self.path(name))
        self.write("etc/xensource-inventory", INVENTORY % (host_uuid, version))
        self.write("etc/group", "root:x:0:\n")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        self.write("password", PASSWORD)
        for name, script in QUIET_TOOLS.items():
            self.tool(name, script)
        self._install_plugin()
        self.process = self.session = self.address = None

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
        assert "#!/usr/bin/python3\n" in text
        assert '"/usr/share/xsraid"' in text
        self.write(
            "plugins/xsraid",
            text.replace("/usr/bin/python3", sys.executable).replace("/usr/share/xsraid", PROJECT),
        )
        os.chmod(self.path("plugins/xsraid"), 0o755)

    def start(self, master=None, name="dom0"):
        """Start its XAPI: of a pool of its own, or as a member of the machine master's pool."""
        mounts = [
            "mount --bind %s/%s %s" % (self.folder, source, place) for source, place in PLACES
        ]
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
            name,
            "--ready",
            self.path("ready"),
            "--log",
            self.path("xapi.log"),
        ] + (["--master", master.address] if master else [])
        unshare = (
            ["unshare", "--mount"]
            if os.geteuid() == 0
            else ["unshare", "--user", "--map-root-user", "--mount"]
        )
        argv = unshare + ["/bin/sh", "-ec", "\n".join(mounts) + '\nexec "$@"', "sh"] + server
        with open(os.devnull) as nothing, open(self.path("server.out"), "w") as out:
            self.process = subprocess.Popen(
                argv,
                stdin=nothing,
                stdout=out,
                stderr=out,
                env=dict(os.environ, PYTHONPATH=os.path.join(PROJECT, "tests")),
            )
        deadline = time.time() + 30
        while not os.path.exists(self.path("ready")):
            assert self.process.poll() is None, self.read("server.out")
            assert time.time() < deadline, self.read("server.out")
            time.sleep(0.02)
        self.address = json.loads(self.read("ready"))["tcp"][0]
        self.session = master.session if master else XenAPI.Session("http://%s" % self.address)
        if not master:
            self.session.login_with_password("root", PASSWORD, "1.0", "tests")
        while self.host_uuid not in [
            record["uuid"] for record in self.session.xenapi.host.get_all_records().values()
        ]:
            assert time.time() < deadline, "it has not joined the pool"
            time.sleep(0.02)
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def call(self, fn, **arguments):
        """Call a function of the plugin as a script does and return its reply, parsed. Raises
        XenAPI.Failure.
        """
        xenapi = self.session.xenapi
        return json.loads(
            xenapi.host.call_plugin(
                xenapi.host.get_by_uuid(self.host_uuid), "xsraid", fn, arguments
            )
        )

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
    for name in (
        "etc/mdadm.conf",
        "etc/xsraid.conf",
        "etc/ssmtp/ssmtp.conf",
        "etc/ssmtp/revaliases",
        "run/systemctl.log",
        "run/mdadm.log",
    ):
        if os.path.exists(running_machine.path(name)):
            os.unlink(running_machine.path(name))
    for name in os.listdir(running_machine.path("block")):
        shutil.rmtree(running_machine.path("block/" + name))
    for name, script in QUIET_TOOLS.items():
        running_machine.tool(name, script)
    return running_machine


# (name, state, slot) of the members of an array that is well.
MIRROR = (("sda", "in_sync", 0), ("sdb", "in_sync", 1))


class Sysfs(object):
    """Builds /sys/block and udev's database of a machine. Values are as a 4.19 kernel printed
    them.
    """

    def __init__(self, machine):
        self.machine = machine

    def attributes(self, name, **values):
        for key, value in values.items():
            path = self.machine.path(
                "block/%s/%s" % (name, key.replace("__", "/").replace("_DASH_", "-"))
            )
            if not os.path.isdir(os.path.dirname(path)):
                os.makedirs(os.path.dirname(path))
            with open(path, "w") as attribute:
                attribute.write("%s\n" % value)

    def udev(self, number, *lines):
        folder = self.machine.path("run/udev/data")
        if not os.path.isdir(folder):
            os.makedirs(folder)
        with open(os.path.join(folder, "b" + number), "w") as database:
            database.write("".join(line + "\n" for line in lines))

    def disk(self, name, number, serial):
        self.attributes(
            name,
            dev=number,
            size=131072,
            ro=0,
            removable=0,
            device__uevent="DEVTYPE=scsi_device",
            device__type=0,
            device__vendor="SEAGATE ",
            device__model="ST4000NM0035    ",
            queue__logical_block_size=512,
            queue__physical_block_size=4096,
            queue__rotational=1,
        )
        self.udev(
            number,
            "S:disk/by-id/wwn-0x5000" + serial,
            "S:disk/by-id/ata-ST4000NM0035_" + serial,
            "E:ID_BUS=ata",
            "E:ID_SERIAL_SHORT=" + serial,
            "E:ID_WWN=0x5000" + serial,
        )

    def array(self, name="md0", number="9:0", members=MIRROR, **more):
        values = {
            "dev": number,
            "size": 260096,
            "ro": 0,
            "md__array_state": "clean",
            "md__level": "raid1",
            "md__raid_disks": 2,
            "md__layout": 0,
            "md__chunk_size": 0,
            "md__mismatch_cnt": 0,
            "md__sync_action": "idle",
            "md__sync_completed": "none",
            "md__sync_speed": "none",
            "md__metadata_version": "1.2",
        }
        values.update(more)
        self.attributes(name, **values)
        for member, state, slot in members:
            minor = 16 * (ord(member[-1]) - ord("a"))
            facts = {"state": state, "slot": slot, "errors": 0, "block__dev": "8:%d" % minor}
            prefix = "md__dev_DASH_%s__" % member
            self.attributes(name, **{prefix + key: value for key, value in facts.items()})
        self.udev(number, "E:MD_LEVEL=raid1", "E:MD_UUID=" + UUID, "E:MD_NAME=any:%s" % name)


@pytest.fixture
def sysfs(machine):
    built = Sysfs(machine)
    for at, name in enumerate(("sda", "sdb", "sdc")):
        built.disk(name, "8:%d" % (16 * at), "Z1Z%d" % at)
    return built
