"""mdadm's language, pure: the command that creates an array, how it spells names. Its configuration is in `mdadmconf`."""

from __future__ import absolute_import

from xsraid.md.levels import LEVELS

NAME_MAX = 28  # a version 1.2 superblock holds 32 characters, and `--homehost=any` puts "any:" before the name
NUMBERED = r"/dev/md/?([0-9]+)\Z"  # nodes that give the kernel its number


def array_name(name):
    """Return an array's name without the home host that mdadm puts before it (`any:md0` is md0)."""
    return name.split(":", 1)[-1]


def create_command(node, level, uuid, name, members, spares=(), chunk_bytes=None, bitmap="internal", policy=None, journal=None):
    """Return the argument list that creates an array.

    level: a key of LEVELS; chunk_bytes: None leaves it to mdadm; bitmap: internal or none; policy: ppl, or None for what bitmap and journal make it;
    journal: a device.
    """
    rule = LEVELS[level]
    argv = ["mdadm", "--create", node, "--run", "--metadata=1.2", "--level=%d" % rule.number, "--raid-devices=%d" % len(members)]
    if spares:
        argv.append("--spare-devices=%d" % len(spares))
    if chunk_bytes is not None:
        argv.append("--chunk=%dK" % (chunk_bytes // 1024))
    if policy == "ppl":
        argv.append("--consistency-policy=ppl")
    elif journal is not None:
        argv.append("--write-journal=%s" % journal)
    elif rule.redundant:
        argv.append("--bitmap=%s" % bitmap)
    argv += ["--uuid=%s" % uuid, "--name=%s" % name, "--homehost=any"]
    return argv + list(members) + list(spares)
