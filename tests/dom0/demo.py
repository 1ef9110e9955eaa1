#!/usr/bin/env python3
"""The main job on a miniature dom0, as an administrator would type and see it: from bare disks to a
monitored array with a storage repository.

    make demo

Ends with 0 only if every step went as it should. md, LVM, ssmtp, the mail server and the RPM are
real; XAPI is simulated.
"""

import argparse
import json
import shlex
import sys
import time

from tests.dom0.dom0 import SMTP_HOST, SMTP_PASSWORD, SMTP_USER, Dom0
from tests.readme import folded

MEMBERS = ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"]
IN_USE = "/dev/sdf"
RESYNC_KIB_S = 40000  # slow enough to be seen


class Unexpected(Exception):
    """A step did not end as it should."""


class Screen:
    """What the person sees. Colours only on a terminal."""

    def __init__(self, stream):
        self.stream, self.coloured, self.started = stream, stream.isatty(), time.monotonic()

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.coloured else text

    def say(self, text=""):
        print(text, file=self.stream, flush=True)

    def step(self, title):
        self.say(
            "\n"
            + self.paint(f"== {title}", "1;34")
            + self.paint(f"   ({time.monotonic() - self.started:.0f} s)", "2")
        )

    def command(self, line):
        self.say(self.paint("[root@dom0 ~]# ", "32") + self.paint(line, "1"))

    def mail(self, mail):
        for line in mail.text.strip().splitlines():
            self.say(self.paint("    | ", "33") + line)


class Demo:
    """The steps; each raises Unexpected when something is not as it should be."""

    def __init__(self, dom0, screen):
        self.dom0, self.screen = dom0, screen

    def shell(self, line, check=True):
        """Show a command and what it prints; return that."""
        self.screen.command(line)
        done = self.dom0.run(line, check=False)
        self.screen.say((done.out + done.err).rstrip())
        if check:
            self.expect(done.status == 0, f"`{line}` ended with {done.status}")
        return done.out

    def plugin(self, function, refused=None, **arguments):
        """Show a call of the plugin and its reply; return the reply. refused: the code of the
        failure that is expected instead.
        """
        line = " ".join(
            [f"xe host-call-plugin host-uuid={self.dom0.host_uuid} plugin=xsraid fn={function}"]
            + [shlex.quote(f"args:{name}={value}") for name, value in arguments.items()]
        )
        self.screen.command(line)
        done = self.dom0.run(line, check=False)
        if refused:
            self.screen.say(self.screen.paint(done.err.rstrip(), "31"))
            self.expect(
                done.status == 1 and refused in done.err,
                f"{function} was not refused with {refused}",
            )
            return None
        self.expect(done.status == 0, f"{function}: {done.err}")
        reply = json.loads(done.out)
        self.screen.say(folded(reply))
        return reply

    def expect(self, condition, what):
        if not condition:
            raise Unexpected(what)

    def run(self):
        self.screen.step("A host, and its disks: five are bare, one is in use")
        self.dom0.run(f"mkfs.ext4 -q {IN_USE} && mkdir -p /srv/iso && mount {IN_USE} /srv/iso")
        self.dom0.run(f"echo {RESYNC_KIB_S} >/proc/sys/dev/raid/speed_limit_max")
        self.shell("xe host-list")
        disks = {disk["device"]: disk for disk in self.plugin("list_disks")["disks"]}
        self.expect(all(disks[device]["usable"] for device in MEMBERS), "a bare disk is not usable")
        self.expect(
            disks[IN_USE]["refusals"][0]["reason"] == "MOUNTED", "the disk in use is not refused"
        )
        self.screen.step("The disk in use is not taken, whoever asks for it")
        self.plugin(
            "create_array",
            refused="XSRAID_DISK_IN_USE",
            level=10,
            devices=",".join(MEMBERS[:3] + [IN_USE]),
        )
        self.create()
        self.alerts()
        self.storage()
        self.fail()

    def create(self):
        self.screen.step("RAID10 on four disks")
        array = self.plugin("create_array", level=10, devices=",".join(MEMBERS))["array"]
        self.expect(
            (array["device"], array["level"], len(array["members"]), array["configured"])
            == ("/dev/md0", "raid10", 4, True),
            "the array is not as asked for",
        )
        self.screen.step("It synchronises, and can be used meanwhile")
        self.dom0.wait_until(lambda: self._progress() == "optimal", interval_s=0.5)
        self.shell("cat /proc/mdstat /etc/mdadm.conf")

    def _progress(self):
        array = self.dom0.call("list_arrays", array="md0")["arrays"][0]
        ratio = array["sync"]["done_ratio"] if array["sync"] else 1.0
        self.screen.say(
            f"md0 {array['health']:10} [{'#' * round(30 * (ratio or 0)):30}] "
            f"{100 * (ratio or 0):5.1f} %"
        )
        return array["health"]

    def alerts(self):
        self.screen.step("Alerts by mail: the password travels as a secret of XAPI")
        # As an administrator would: read without an echo, and not in the history.
        self.screen.command('read -s password; secret=$(xe secret-create value="$password")')
        secret = self.dom0.run(["xe", "secret-create", "value=" + SMTP_PASSWORD]).out.strip()
        reply = self.plugin(
            "configure_alerts",
            mail_to="admin@example.com",
            mail_from=SMTP_USER,
            smtp_host=SMTP_HOST,
            smtp_user=SMTP_USER,
            smtp_password_secret=secret,
        )
        self.expect(
            reply["monitor"] == "running" and SMTP_PASSWORD not in str(reply),
            "the monitor does not run, or the reply holds the password",
        )
        self.screen.step("Do they arrive? The mail server's own answer")
        deliveries = self.plugin("test_alert")["deliveries"]
        self.expect(
            all(delivery["accepted"] for delivery in deliveries), "a test alert was not accepted"
        )
        self.screen.say("The mail that arrived:")
        self.screen.mail(
            self.dom0.wait_for_mail(lambda mail: "XSRAID_TEST" in mail.headers["Subject"])
        )

    def storage(self):
        self.screen.step("The array becomes a storage repository")
        sr = self.plugin("create_sr", array="md0", name_label="Local RAID10")
        self.expect(
            sr["created"] and sr["sr_uuid"] in self.shell(f"xe sr-list uuid={sr['sr_uuid']}"),
            "XAPI does not know the SR",
        )
        self.expect(
            "VG_XenStorage-" + sr["sr_uuid"] in self.shell("vgs"), "its volume group is not there"
        )

    def fail(self):
        self.screen.step("A disk fails")
        failed = time.time()
        self.shell("mdadm --manage /dev/md0 --set-faulty /dev/sdb")
        mail = self.dom0.wait_for_mail(lambda mail: "XSRAID_DISK_FAILED" in mail.headers["Subject"])
        self.expect(
            "/dev/sdb" in mail.text and "md0" in mail.headers["Subject"],
            "the mail does not name array and disk",
        )
        self.screen.say(f"The mail that arrived {mail.arrived - failed:.1f} s later:")
        self.screen.mail(mail)
        array = self.plugin("list_arrays", array="md0")["arrays"][0]
        self.expect(
            (array["health"], array["redundancy_left"]) == ("degraded", 0),
            "the array is not shown as degraded",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--python",
        default="system",
        choices=("2.7", "3.6", "system"),
        help="dom0's python (default: Debian's own)",
    )
    options = parser.parse_args()
    screen = Screen(sys.stdout)
    screen.say("Booting a miniature dom0 with six disks and installing the RPM ...")
    try:
        with Dom0(python=options.python) as dom0:
            dom0.wait_until_xapi()
            Demo(dom0, screen).run()
    except (Unexpected, TimeoutError) as error:
        screen.say(screen.paint(f"\nNot as it should be: {error}", "1;31"))
        return 1
    screen.say(
        "\n"
        + screen.paint(
            f"Every step went as it should, in {time.monotonic() - screen.started:.0f} s.", "1;32"
        )
    )
    screen.say(
        "Nothing of it is left on this machine but the folder build/, for other checkouts "
        "~/.cache/xsraid, and locks in /run/lock/xsraid."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
