"""The initial RAM disk, where dom0 has dracut: arrays that it assembles get their names from the
copy of /etc/mdadm.conf inside it.

It is made anew in the background, by the unit xsraid-initrd.service: that takes a minute, and
nobody waits for it.
"""

from __future__ import absolute_import

import os

from xsraid.errors import CommandFailed, Timeout
from xsraid.host.files import ASIDE
from xsraid.host.process import find_tool, run
from xsraid.md import state as md_state

SERVICE = "xsraid-initrd.service"
START_LIMIT_S = 20
MAKE_LIMIT_S = 900
IMAGES = ("initrd-%s.img", "initramfs-%s.img")  # XenServer's name for it, CentOS's


def rebuild(host):
    """Have the initial RAM disk made anew in the background, where there is dracut; return
    warnings.
    """
    if find_tool(host, "dracut") is None:
        return []
    try:
        run(host, ["systemctl", "--no-block", "restart", SERVICE], START_LIMIT_S)
    except (CommandFailed, Timeout) as error:
        return [
            "the initial RAM disk is not made anew, so the array may have another node after a "
            "reboot: %s" % error.sentence
        ]
    return []


def make(host):
    """Make the running kernel's image anew: beside the old one, which stays until the new one is
    whole. Raises CommandFailed, Timeout.
    """
    kernel = os.uname()[2]
    for name in [pattern % kernel for pattern in IMAGES]:
        if name in host.names("/boot"):
            aside = "/boot/" + name + ASIDE
            try:
                run(host, ["dracut", "--force", aside, kernel], MAKE_LIMIT_S)
                host.move(aside, "/boot/" + name)
            finally:
                host.remove(aside)  # what a full /boot left of it
            host.log("made /boot/%s anew, with %s in it" % (name, md_state.CONFIGURATION))
