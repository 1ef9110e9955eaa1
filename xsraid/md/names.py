"""How mdadm spells the names and nodes of arrays (mdadm(8), "DEVICE NAMES")."""

from __future__ import absolute_import

import re

# A version 1.2 superblock holds 32 characters, and `--homehost=any` puts "any:" before the name.
NAME_MAX = 28
NUMBERED = r"/dev/md/?([0-9]+)\Z"  # nodes that give the kernel its number


def array_name(name):
    """Return an array's name without the home host that mdadm puts before it (`any:md0` is md0)."""
    return name.split(":", 1)[-1]


def number_of(node):
    """Return the number that a node gives the kernel, as text; None if it gives none."""
    numbered = re.match(NUMBERED, node or "")
    return numbered.group(1) if numbered else None
