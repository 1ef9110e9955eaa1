"""What the tests share that boot many times: chance that can be repeated, and a volume whose
content is known whatever happens.
"""

import os
import random

# A command in the background must let go of the agent's descriptors.
ALONE = "</dev/null >/dev/null 2>&1 &"


def chance():
    """Return a random.Random: afresh each time, or as in an earlier run by XSRAID_SEED. A failing
    test shows which it was.
    """
    seed = int(os.environ.get("XSRAID_SEED") or random.SystemRandom().getrandbits(32))
    print(f"XSRAID_SEED={seed}")
    return random.Random(seed)


class Volume:
    """A logical volume on an SR, full of blocks that guest/checked_blocks.py writes and knows
    again; what is noted is noted on the host.

    log: its file there; each volume needs one of its own.
    """

    def __init__(self, dom0, sr_uuid, log="blocks.log"):
        self._dom0, self._name, self._log = dom0, f"VG_XenStorage-{sr_uuid}/blocks", log
        dom0.run(f"lvcreate -q -y -L 8M -n blocks VG_XenStorage-{sr_uuid}")
        self.write(64)

    def write(self, count):
        """Write and sync so many blocks."""
        self._dom0.run(self._command("write") + f" {count}")

    def writing(self):
        """Return the command that writes and syncs one block after the other until it is ended, out
        of the way of what else goes on.
        """
        return "nice -n 19 " + self._command("write")

    def wrong_blocks(self, then_write=0):
        """Return the numbers of those synced blocks that are not as they were written; if there are
        none, write and sync so many more.
        """
        return self._dom0.run(
            f"lvchange -ay {self._name} && {self._command('verify')} {then_write}"
        ).out.split()

    def _command(self, what):
        return (
            f"/usr/bin/python3.11 /bed/dom0/guest/checked_blocks.py {what} /dev/{self._name} "
            f"/share/{self._log}"
        )


def wait_until_brought_up(dom0):
    """Wait until a boot has assembled the arrays and attached what is on them."""
    dom0.wait_until(
        lambda: dom0.run("systemctl is-active xsraid-attach.service", check=False).out == "active\n"
    )


def wait_until_attached(dom0):
    """Wait until the one PBD of this host is plugged."""
    dom0.wait_until(
        lambda: dom0.xe("pbd-list params=currently-attached --minimal").strip() == "true",
        interval_s=0.5,
    )
