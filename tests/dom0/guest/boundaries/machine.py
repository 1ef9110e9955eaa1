"""A dom0 as it is, for comparing one end with another, and as it was, for beginning anew. Runs in
the guest, beside try_each.py.
"""

import glob
import grp
import json
import os
import pwd
import re
import stat
import subprocess
import sys
import time

import XenAPI
import XenAPIPlugin

sys.path[:0] = ["/bed/dom0/guest", *glob.glob("/usr/share/xsraid/*")]
sys.dont_write_bytecode = True  # what is installed stays as rpm left it
from xapi_client import this_host  # noqa: E402 - the path comes first

from xsraid import api  # noqa: E402
from xsraid.host.files import Host  # noqa: E402

UPPER = "/boot/upper"  # of the overlay: what has changed in the guest, and nothing else
# Others' business: logs, caches, XAPI's database (its records are compared instead), LVM's diary,
# what alerts do in the background; and the notes of what was deleted, which have its time.
OTHERS = r"var/(log|cache|tmp|lib/(rpm|xapi|xcp|systemd|xsraid/(spool|history|names|deleted)))\b|etc/lvm/(archive|backup)\b"  # noqa: E501
BACKGROUND = r"/run/(lock/xsraid.lock|xsraid|systemd/.*xsraid-deliver[.].*)\Z"
VOLUMES = "pvs --segments --noheadings --separator ' ' -o pv_name,vg_name,lv_name,lv_attr,seg_size"
BLOCK_BYTES = 1 << 16
# A reference; a uuid as XAPI, mdadm and a note write it; LVM's, and device-mapper's of two of them.
IDENTITY = (
    r"OpaqueRef:[0-9a-f-]{36}|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}(?::[0-9a-f]{8}){3}\b|\b[0-9a-f]{32}\b|"
    r"\b\w{6}(?:-\w{4}){5}-\w{6}\b|LVM-\w{64}"
)


def shell(command):
    """Run a command line and return its output; raises CalledProcessError."""
    return subprocess.run(
        ["/bin/bash", "-c", command], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def normalised(value):
    """Return a value as JSON text in which each identity is a number, in the order of appearance:
    two machines are equal when these texts are.
    """
    numbers = {}

    def number(match):
        return "#%d" % numbers.setdefault(re.sub("[:-]", "", match.group()), len(numbers) + 1)

    return re.sub(IDENTITY, number, json.dumps(value, indent=1, sort_keys=True))


def wait_until(condition, limit_s, interval_s=0.02):
    """Wait until condition() is true; raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(interval_s)


class Machine:
    """devices: the block devices whose content is brought back.

    `bring_back` brings back what is there when this object is made: files below /etc and /var,
    arrays, active volumes, SRs, secrets, the host's other_config, the devices' content.
    """

    def __init__(self, devices):
        self.connect()
        self.listings = api.handlers(XenAPIPlugin.Failure, Host())
        self.contents = {}
        for device in devices:
            with open(device, "rb") as content:
                self.contents[device] = content.read()
        self.files, self.folders, self.arrays, self.mapped = files(), folders(), arrays(), mapped()
        # Arrays whose members are among the devices: they are stopped before these are brought
        # back.
        self.stopped = {
            node: sorted(members)
            for node in self.arrays
            for members in [members_of(node)]
            if members <= set(devices)
        }
        self.srs, self.secrets = self.xenapi.SR.get_all(), self.xenapi.secret.get_all()
        self.other_config = self.xenapi.host.get_other_config(self.here)

    def connect(self):
        """Log in to XAPI, which knows no session from before its restart."""
        self.session = XenAPI.xapi_local()
        self.session.xenapi.login_with_password("root", "", "1.0", "boundaries")
        self.xenapi, self.here = self.session.xenapi, this_host(self.session)

    def call(self, function, arguments):
        """Call a function of the plugin; return its reply, parsed. Raises XenAPI.Failure."""
        return json.loads(self.xenapi.host.call_plugin(self.here, "xsraid", function, arguments))

    def state(self):
        """Return all that a call may have changed, once no resync is under way."""
        wait_until(lambda: not re.search("resync|recovery", read("/proc/mdstat")), 30)
        nodes = " ".join(sorted(glob.glob("/dev/sd*")) + sorted(arrays()))
        return {
            "files": files(),
            "run": [
                path
                for path in glob.glob("/run/**/*xsraid*", recursive=True)
                if not re.match(BACKGROUND, path)
            ],
            # As the launcher calls them, without a process for each.
            "listings": {
                name: json.loads(self.listings[name](self.session, {}))
                for name in ("list_arrays", "list_disks", "get_alerts")
            },
            "signatures": shell("wipefs -n -p " + nodes).splitlines(),
            "volumes": shell(VOLUMES).splitlines(),
            "SRs": list(self.xenapi.SR.get_all_records().values()),
            "PBDs": list(self.xenapi.PBD.get_all_records().values()),
            "host": self.xenapi.host.get_other_config(self.here),
            "secret_count": len(self.xenapi.secret.get_all()),
            "default_SR": [
                self.xenapi.pool.get_default_SR(pool) for pool in self.xenapi.pool.get_all()
            ],
        }

    def bring_back(self):
        """Undo whatever has been done since this object was made."""
        shell("systemctl stop mdmonitor.service; systemctl reset-failed")
        for sr in set(self.xenapi.SR.get_all()) - set(self.srs):
            for pbd in self.xenapi.SR.get_PBDs(sr):
                self.xenapi.PBD.unplug(pbd)
            self.xenapi.SR.forget(sr)
        for secret in set(self.xenapi.secret.get_all()) - set(self.secrets):
            self.xenapi.secret.destroy(secret)
        for name in mapped() - self.mapped:
            shell("dmsetup remove --retry " + name)
        for array in arrays() - (self.arrays - set(self.stopped)):
            shell("mdadm -q --stop " + array)
        for device, content in self.contents.items():
            restore_content(device, content)
        for array, members in self.stopped.items():
            shell("mdadm -q --assemble %s %s" % (array, " ".join(members)))
        restore_files(self.files, self.folders)
        self.xenapi.host.set_other_config(self.here, self.other_config)
        shell("udevadm settle")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as text_file:
        return text_file.read()


def arrays():
    """Return the nodes of the arrays that the kernel has."""
    return {
        "/dev/" + path.split("/")[3]
        for path in glob.glob("/sys/block/md*/md/array_state")
        if read(path).strip() != "clear"
    }


def members_of(array):
    return {
        "/dev/" + path.rsplit("-", 1)[1]
        for path in glob.glob("/sys/block/%s/md/dev-*" % array[len("/dev/") :])
    }


def mapped():
    """Return the names of device-mapper's devices, active volumes among them."""
    return {read(path).strip() for path in glob.glob("/sys/block/dm-*/dm/name")}


def changes():
    """Yield (folder, the folders in it, the changed files in it), paths below UPPER."""
    for top in ("etc", "var"):
        for folder, inner, names in os.walk(os.path.join(UPPER, top)):
            links = [name for name in inner if os.path.islink(os.path.join(folder, name))]
            paths = [os.path.join(folder, name) for name in names + links]
            yield (
                folder,
                [path for path in paths if not re.match(OTHERS, os.path.relpath(path, UPPER))],
            )


def folders():
    return {folder[len(UPPER) :] for folder, _ in changes()}


def files():
    """Return {path: [mode, owner, group, content]} of what has changed below /etc and /var, and of
    the folders that it is in.

    The content of a folder is "", that of a link its target.
    """
    found = {}
    for folder, paths in changes():
        for path in paths + [folder] if paths else []:
            found[path[len(UPPER) :]] = described(path)
    return found


def described(path):
    status = os.lstat(path)
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = read(path)
    return [
        stat.filemode(status.st_mode),
        pwd.getpwuid(status.st_uid).pw_name,
        grp.getgrgid(status.st_gid).gr_name,
        content,
    ]


def restore_files(wanted, wanted_folders):
    """Make the changed files below /etc and /var what they were."""
    there = files()
    for path in set(there) - set(wanted):
        if not there[path][0].startswith("d"):
            os.unlink(path)
    for folder in sorted(folders() - wanted_folders, reverse=True):
        # It is new, not one of the image's in which something has changed.
        if not os.listdir(folder):
            os.rmdir(folder)
    for path, (mode, owner, group, content) in wanted.items():
        if there.get(path) == [mode, owner, group, content]:
            continue
        if not mode.startswith("-"):
            raise NotImplementedError("%s was %s" % (path, mode))
        with open(path, "w", encoding="utf-8") as text_file:
            text_file.write(content)
        os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(path, int("".join("0" if letter == "-" else "1" for letter in mode[1:]), 2))


def restore_content(device, content):
    """Write those blocks of a device that have changed."""
    descriptor = os.open(device, os.O_RDWR)
    try:
        for at in range(0, len(content), BLOCK_BYTES):
            block = content[at : at + BLOCK_BYTES]
            if os.pread(descriptor, len(block), at) != block:
                os.pwrite(descriptor, block, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
