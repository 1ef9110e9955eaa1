"""Keeps what a failed test leaves behind, so that nobody has to run it again to see why."""

import os
import re
import shutil

from tests.dom0.dom0 import BUILD, GuestDied

FAILED = BUILD + "/failed"
# File -> command; each is asked for by itself, since a guest may hang in any of them.
COMMANDS = {
    "journal": "journalctl --no-pager --boot",
    "xapi.log": "journalctl --no-pager --boot --unit xapi.service",
    "processes": "ps axfww -o pid,stat,wchan:20,etimes,args",
    "arrays": "cat /proc/mdstat; lsblk; cat /etc/mdadm.conf; ls -lR /var/lib/xsraid /run/xsraid",
}
LIMIT_S = 20


def folder_of(nodeid, attempt):
    """Return the folder for one attempt (1, 2) at a test."""
    name = re.sub(r"[^\w.=+-]+", "_", nodeid.rpartition("/")[2]).strip("_")
    return f"{FAILED}/{name[:150]}.{attempt}"


def keep(folder, report, machines):
    """Write the failure into folder, and what each of the machines (Dom0s) has to say; what cannot
    be had is said in its place.
    """
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    _write(folder, "failure", f"{report.nodeid}, {report.when}\n\n{report.longreprtext}\n")
    for dom0 in machines:
        if dom0.guest:
            _write(folder, f"{dom0.name}.console", dom0.console())
            for name, command in COMMANDS.items():
                _write(folder, f"{dom0.name}.{name}", _said(dom0, command))


def _said(dom0, command):
    try:
        return dom0.run(command, check=False, timeout_s=LIMIT_S).out
    except GuestDied:
        return "(the guest is gone)\n"


def _write(folder, name, text):
    with open(f"{folder}/{name}", "w", encoding="utf-8", errors="replace") as kept:
        kept.write(text)
