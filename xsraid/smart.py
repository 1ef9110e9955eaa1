"""SMART: a disk's own verdict on its health, where this host has smartctl."""

from __future__ import absolute_import

import re

from xsraid.commands import find_tool, run
from xsraid.errors import CommandFailed, Timeout

LIMIT_S = 2  # a dying disk may take for ever, and the alert waits for it
VERDICT = r"(?:self-assessment test result|SMART Health Status): *(.+)"  # ATA's and SCSI's words, smartctl(8)


def verdict(host, device):
    """Return what `smartctl -H` says of a disk's health, such as PASSED or FAILED!; None where it has no say."""
    if find_tool(host, "smartctl") is None:
        return None
    try:
        said = run(host, ["smartctl", "-H", device], LIMIT_S, accept=None).out
    except (CommandFailed, Timeout):
        return None
    found = re.search(VERDICT, said)
    return found.group(1).strip() if found else None
