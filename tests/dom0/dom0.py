"""A dom0 in miniature, as the tests, the demo and the bench use it: boots, has the RPM installed by
rpm, runs commands, calls the plugin through the real XenAPI client, and has disks to pull and a
mail server to break. How a guest is started at all stands in uml.py.
"""

import glob
import json
import os
import shutil
import subprocess
import time
import uuid
from typing import NamedTuple

from tests.dom0 import boot_images, interpreters, slots
from tests.dom0.uml import HERE, PATIENCE_S, CommandFailed, Completed, Guest, GuestDied

__all__ = [
    "CommandFailed",
    "Completed",
    "Disk",
    "Dom0",
    "GuestDied",
    "Mail",
    "NotBuilt",
    "XapiFailure",
]

PROJECT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(PROJECT, "build")
WORK = BUILD + "/dom0"  # of the work folders
BOOT_DISK_BYTES = 2 << 30
SMTP_HOST, SMTP_USER, SMTP_PASSWORD = (
    "smtp.example.com",
    "alerts@example.com",
    "S3cret-of-the-mail-server",
)


class NotBuilt(Exception):
    """Something that a Makefile target makes is not there."""


class XapiFailure(Exception):
    """XAPI or the plugin refused: code, and the parameters that came with it."""

    def __init__(self, details):
        super().__init__(*details)
        self.code, self.params = details[0], list(details[1:])


class Disk(NamedTuple):
    """A SCSI disk as the guest sees it now; name is the test's own word for it, its file on the
    host is work/share/NAME.img.
    """

    name: str
    device: str
    serial: str
    by_id: str
    host: str


class Mail(NamedTuple):
    """A mail that the SMTP server accepted; text is all of it, headers a dict, arrived in seconds
    since 1970, user the login or None.
    """

    queue_id: str
    arrived: float
    sender: str
    recipients: list
    user: str
    port: int
    tls: bool
    headers: dict
    text: str


class Dom0:
    """One miniature dom0 with a boot disk of its own, over as many boots as wanted.

    python: 2.7, 3.6 or system; disks: names of the SCSI disks, each of disk_bytes; rpm: the package
    to install, "" for none, by default the newest that `make rpm` left for this Python; kernel: old
    or young. Use it in a `with` statement, or call start() and close(), in the main thread.
    """

    def __init__(
        self,
        python="2.7",
        disks=("d0", "d1", "d2", "d3", "d4", "d5"),
        disk_bytes=128 << 20,
        rpm=None,
        name="dom0",
        kernel="young",
    ):
        if os.geteuid() != 0:
            raise PermissionError(
                "the miniature dom0 needs root, to mount and to unshare; nothing of this machine "
                "is changed"
            )
        self.python, self.kernel = interpreters.find(python), kernel
        self.name, self.host_uuid = name, str(uuid.uuid5(uuid.NAMESPACE_DNS, name + ".example.com"))
        self.disk_names, self.disk_bytes = list(disks), disk_bytes
        self._rpm = _newest_rpm(python) if rpm is None else rpm
        self._root = os.path.realpath(BUILD + "/root")
        for path in (self._root, BUILD + "/xstate.so", BUILD + "/xenapi/XenAPI.py"):
            if not os.path.exists(path):
                raise NotBuilt(f"{path} is missing: `make demo` makes it")
        self.guest = self._slot = None
        self.boot_s, self._booted_with = 0.0, []
        self.plug = {}  # what connects it to a network, see pools.Network

    def __enter__(self):
        try:
            return self.start()
        except BaseException as error:
            if self.guest:
                error.add_note("console:\n" + self.console())
            self.close()
            raise

    def __exit__(self, *_error):
        self.close()

    # power

    def start(self):
        """Make the disks and boot, for the first time and with the RPM installed then, or from a
        boot disk that has been made this way before.
        """
        image = self._boot_image()
        is_made = self.furnish(slots.take(WORK), image)
        self.boot()
        if is_made:
            self._settle_in("--boot")
        else:
            self.install()
            self.run("fsfreeze --freeze /boot")
            image.keep(self.work + "/boot.img")
            self.run("fsfreeze --unfreeze /boot")
        return self

    def _boot_image(self):
        """Return the BootImage for all that a boot disk depends on."""
        texts = [self._root, *self.python, self.name, self.host_uuid]
        paths = [HERE + "/guest", os.path.dirname(HERE) + "/xapi", BUILD + "/xenapi"]
        return boot_images.BootImage(
            BUILD + "/boot-images", texts, paths + [self._rpm] if self._rpm else paths
        )

    def furnish(self, slot, image=None):
        """Make the disks, in the folder of a Slot that is the guest's from now on; return whether
        the boot disk is that of a BootImage.
        """
        self._slot = slot
        self.work = self._slot.folder
        self.share = self.work + "/share"
        shutil.copytree(BUILD + "/xenapi", self.share + "/xenapi")
        os.makedirs(self.share + "/mail")
        if self._rpm:
            shutil.copy(self._rpm, self.share)
        for disk in self.disk_names:
            self.make_image(disk)
        if image and image.copy_to(self.work + "/boot.img"):
            return True
        with open(self.work + "/boot.img", "wb") as blank:
            blank.truncate(BOOT_DISK_BYTES)
        subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", self.work + "/boot.img"],
            check=True,
        )
        return False

    def boot(self, disks=None, late=None):
        """Power on, with the disks in another order or fewer of them if given; boot_s is how long
        it took until commands could be run.

        late: {name: seconds}, disks that appear only so long after udev has seen the others;
        nothing waits for them.
        """
        self.power_on(disks, late)
        self.wait_until_up()

    def power_on(self, disks=None, late=None):
        """Begin to boot; wait_until_up is the rest of it. In the main thread."""
        late = late or {}
        names = self.disk_names if disks is None else disks
        self._booted_with = [name for name in names if name not in late]
        settings = {
            "SHARE": self.share,
            "BED": os.path.dirname(HERE),
            "NAME": self.name,
            "HOST_UUID": self.host_uuid,
            "RELEASE": interpreters.RELEASES[self.python.choice],
            "PYTHON": f"{self.python.command}={self.python.path}",
            "PYTHON_HOME": self.python.home,
            "DISKS": ",".join(self._booted_with),
        }
        if late:
            settings["LATE"] = ",".join(f"{name}:{seconds}" for name, seconds in late.items())
        self.guest = Guest(
            self._root,
            self.kernel,
            self.work,
            self._slot.cpu,
            {**settings, **self.plug},
            keep_fds=[self._slot.lock.fileno()],
        )

    def wait_until_up(self, timeout_s=PATIENCE_S):
        """Wait until the guest takes commands, and then until XAPI answers."""
        self.boot_s = self.guest.wait_until_up(timeout_s)
        self.wait_until_xapi(timeout_s)

    def reboot(self, disks=None, late=None):
        """Shut down in order and boot again; see boot."""
        self.guest.shut_down()
        self.boot(disks, late)

    def cut_power(self):
        """End the guest as if the plug were pulled; boot() brings it back."""
        self.guest.cut_power()

    def close(self):
        """End the guest and delete everything of it."""
        if self.guest:
            self.guest.cut_power()
        if self._slot:
            self._slot.release()
        self.guest = self._slot = None

    # commands and calls

    def run(self, argv, timeout_s=PATIENCE_S, check=True, **more):
        """Run argv, or a string by bash, as root in dom0; see Guest.run."""
        return self.guest.run(argv, timeout_s=timeout_s, check=check, **more)

    def install(self):
        """Install the RPM and the stand-in for dom0's python, with rpm's own check of what they
        require.
        """
        packages = ["/usr/share/stand-ins/" + interpreters.PACKAGES[self.python.choice][0]]
        if self._rpm:
            packages.append("/share/" + os.path.basename(self._rpm))
        self.run("rpm --install --force-debian " + " ".join(packages))
        self._settle_in("--keep")

    def _settle_in(self, word):
        if self._rpm:
            # The package or the boot has started it, and it must not meet what comes now.
            self.run("systemctl start xsraid-attach.service || ! journalctl -q -t xsraid >&2")
        self.run(["/usr/bin/bash", "/bed/dom0/guest/reset", word])

    def xapi(self, method, *arguments, timeout_s=PATIENCE_S):
        """Return what a XenAPI method answers to root; "@host" among the arguments is this host's
        reference. Raises XapiFailure.
        """
        reply = self.guest.ask("xapi", [method, arguments], timeout_s)
        if "failure" in reply:
            raise XapiFailure(reply["failure"])
        return reply["value"]

    def call(self, function, /, **arguments):
        """Call a function of the plugin through host.call_plugin and return its reply, parsed.
        Raises XapiFailure.

        Arguments become strings as xe would send them: True is true, a list is comma separated.
        """
        return json.loads(
            self.xapi(
                "host.call_plugin",
                "@host",
                "xsraid",
                function,
                {key: plugin_text(value) for key, value in arguments.items()},
            )
        )

    def xe(self, command, check=True, timeout_s=PATIENCE_S):
        """Run an xe command line, as typed after `xe`, and return what it prints."""
        done = self.run("xe " + command, check=check, timeout_s=timeout_s)
        return done.out if done.status == 0 else done.out + done.err

    def wait_until(self, condition, timeout_s=PATIENCE_S, interval_s=0.1):
        """Call condition() until it returns something true, and return that; raises TimeoutError.
        What is waited for has half of the guest's time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            begun = time.monotonic()
            result = condition()
            if result:
                return result
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{getattr(condition, '__name__', condition)} did not come true in "
                    f"{timeout_s} s"
                )
            time.sleep(max(interval_s, time.monotonic() - begun))

    def wait_until_xapi(self, timeout_s=PATIENCE_S):
        """Wait until XAPI answers, starting it if it was stopped; a member's does once its master
        has it in the pool.
        """
        self.run("systemctl start xapi-init-complete.target", timeout_s=timeout_s)

    # mail

    def smtp(self, mode="accept", **login):
        """Set what the SMTP server does (guest/smtp_server.py names the modes) and who may log in
        (user, password).
        """
        wish = json.dumps(dict(login, mode=mode))
        self.run(
            "cat >/run/smtp/wish.new && rm -f /run/smtp/now && mv /run/smtp/wish.new "
            "/run/smtp/wish && systemctl kill -s USR1 smtp.service && until [ -e /run/smtp/now ]; "
            "do sleep 0.02; done",
            stdin=wish,
        )

    def mails(self):
        """Return the mails that were accepted, oldest first."""
        return sorted(
            (self._mail(path) for path in glob.glob(self.share + "/mail/*.json")),
            key=lambda mail: (mail.arrived, mail.queue_id),
        )

    def wait_for_mail(self, predicate=lambda mail: True, timeout_s=PATIENCE_S):
        """Return the first mail for which predicate is true; raises TimeoutError."""
        return self.wait_until(
            lambda: next(filter(predicate, self.mails()), None), timeout_s, interval_s=0.02
        )

    def _mail(self, facts_path):
        with open(facts_path, encoding="utf-8") as facts_file:
            facts = json.load(facts_file)
        with open(
            facts_path[: -len("json")] + "eml", encoding="utf-8", errors="replace"
        ) as text_file:
            return Mail(text=text_file.read(), **dict(facts, headers=dict(facts["headers"])))

    # disks

    def make_image(self, name, size_bytes=None):
        """Make the blank file of a disk, on the host."""
        with open(f"{self.share}/{name}.img", "wb") as image:
            image.truncate(size_bytes or self.disk_bytes)

    def add_disk(self, name, size_bytes=None):
        """Plug in one more, blank disk and return it."""
        self.make_image(name, size_bytes)
        self.disk_names.append(name)
        return self.plug_in(name)

    def plug_in(self, name):
        """Plug in a disk that was not there at this boot, with what is on it, and return it."""
        self._booted_with.append(name)
        self.run(["/usr/bin/python3.11", "/bed/dom0/guest/scsi_disks.py", name])
        return self.disk(name)

    def disks(self):
        """Return the Disks that the guest has now, by name."""
        disks = [Disk(*fields) for fields in self.guest.ask("disks", None)]
        return {disk.name: disk for disk in disks}

    def disk(self, name):
        """Return one Disk; raises KeyError while it is pulled."""
        return self.disks()[name]

    def pull_disk(self, name):
        """Take a disk out while the guest runs; return what it was."""
        disk = self.disk(name)
        self.run(
            f"echo 1 >/sys/block/{os.path.basename(disk.device)}/device/delete; udevadm settle"
        )
        return disk

    def push_disks(self):
        """Put the pulled disks back in."""
        self.run(
            "for host in /sys/class/scsi_host/*/scan; do echo '- - -' >$host; done; udevadm settle"
        )

    # between tests

    def reset(self):
        """Bring back what a fresh dom0 has: blank disks, no array, no SR, no mail, the files of
        before; faster than a new boot.

        Disks that the test added stay; if it left the power off or the disks in another order, the
        guest is booted anew.
        """
        if self.guest.process.poll() is not None:
            self.boot()
        elif self._booted_with != self.disk_names:
            self.reboot()
        self.run(["/usr/bin/bash", "/bed/dom0/guest/reset"])
        for path in glob.glob(self.share + "/mail/*"):
            os.unlink(path)

    # what happened

    def console(self):
        """Return the console of all boots."""
        with open(self.work + "/console.log", encoding="utf-8", errors="replace") as console:
            return console.read()

    def journal(self, lines=100):
        """Return the journal's last lines, as far as the guest can still tell."""
        try:
            return self.run(
                f"journalctl --no-pager --boot --lines {lines}", check=False, timeout_s=20
            ).out
        except GuestDied:
            return "(the guest is gone)"


def _newest_rpm(python):
    pattern = f"{BUILD}/rpm/xsraid-*.{interpreters.PACKAGES[python][1]}.noarch.rpm"
    found = sorted(glob.glob(pattern), key=os.path.getmtime)
    if not found:
        raise NotBuilt(f"{pattern} is missing: make rpm")
    return found[-1]


def plugin_text(value):
    """Return an argument of the plugin as xe would send it: True is true, a list is comma
    separated.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(map(plugin_text, value))
    return str(value)
