"""How an array will be made: from what a caller asks for to the commands, changing nothing.
Carrying it out is for `arrays`.
"""

from __future__ import absolute_import

import collections
import os
import re

from xsraid.disks import claim, inventory, snapshot
from xsraid.errors import BadArgument, NotEnoughDisks, Unsupported
from xsraid.host import sysfs
from xsraid.md import mdadm
from xsraid.md import state as md_state
from xsraid.md.levels import LEVELS, capacity_bytes
from xsraid.md.names import number_of
from xsraid.text import command_line, md_uuid, random_hex

UNUSED_MAX_PERCENT = 10  # of the disks' bytes; more is taken for a mistake
# What closes the write hole: the versions of mdadm and Linux that it needs. PPL before 4.16 loses
# what a disk's own write cache holds, and before 4.12 the kernel does not tell of a journal.
# Distributions have given PPL to an mdadm 4.0 as well.
NEEDS = {"ppl": ((4, 1), (4, 16)), "journal": ((3, 4), (4, 12))}
Options = collections.namedtuple(
    "Options",
    "level name chunk bitmap consistency_policy wipe allow_mixed_sizes allow_4k allow_removable",
)
Chosen = collections.namedtuple("Chosen", "members spares journals")  # lists of disk records
# request: of `request_of`; wipes, create: argument lists; configuration: the conf.Configuration
# with the new line, line.
Plan = collections.namedtuple(
    "Plan",
    "node name uuid level chosen size_bytes unused_bytes request wipes create configuration line",
)


def check_options(level, devices, spares, chunk, bitmap, policy=None, journal=None):
    """Raise NotEnoughDisks or BadArgument for what no array can be, whatever the disks."""
    rule = LEVELS[level]
    if len(devices) < rule.members_min:
        raise NotEnoughDisks(level, rule.members_min, len(devices))
    if chunk is not None and not rule.chunked:
        raise BadArgument("chunk", "%s has no chunks; leave it out" % level)
    if bitmap == "internal" and not rule.redundant:
        raise BadArgument(
            "bitmap", "%s has no redundancy and therefore no bitmap; leave it out" % level
        )
    if spares and not rule.redundant:
        raise BadArgument(
            "spares", "%s has no redundancy for a spare to restore; leave it out" % level
        )
    if policy == "ppl" and level != "raid5":
        raise BadArgument("consistency_policy", "only raid5 takes ppl, not %s" % level)
    if journal is not None and not rule.parity:
        raise BadArgument(
            "journal", "%s has no parity for a journal to protect; leave it out" % level
        )
    if policy == "bitmap" and (bitmap == "none" or not rule.redundant):
        raise BadArgument(
            "consistency_policy",
            "there is no bitmap with bitmap=none, nor on %s; leave it out"
            % ", ".join(name for name, other in LEVELS.items() if not other.redundant),
        )
    ways = [
        word
        for word, is_given in (
            ("bitmap=internal", bitmap == "internal" or policy == "bitmap"),
            ("consistency_policy=ppl", policy == "ppl"),
            ("journal", journal is not None),
        )
        if is_given
    ]
    if len(ways) > 1:
        raise BadArgument(ways[1].split("=")[0], "an array has one of %s" % " and ".join(ways))


def choose(host, devices, spares, journal=None):
    """Return the Chosen disks."""
    found = inventory.inventory(host)
    chosen = Chosen(
        inventory.resolve(host, found, devices, "devices"),
        inventory.resolve(host, found, spares, "spares"),
        inventory.resolve(host, found, [journal] if journal else [], "journal"),
    )
    for argument, extra, others in (
        ("spares", chosen.spares, chosen.members),
        ("journal", chosen.journals, chosen.members + chosen.spares),
    ):
        for disk in extra:
            if disk in others:
                raise BadArgument(argument, "%s is among the other disks, too" % disk.device)
    return chosen


def refuse_unsupported(host, policy, journal):
    """Raise Unsupported where this host's mdadm or kernel cannot close the write hole so."""
    for way in [
        word
        for word, is_asked in (("ppl", policy == "ppl"), ("journal", journal is not None))
        if is_asked
    ]:
        have = version_of(mdadm.version(host)), version_of(os.uname()[2])
        has_mdadm = mdadm.knows_ppl(host) if way == "ppl" else have[0] >= NEEDS[way][0]
        if not has_mdadm or have[1] < NEEDS[way][1]:
            needs = [
                "%s %d.%d (here is %d.%d)" % ((name,) + need + found)
                for name, need, found in zip(("mdadm", "Linux"), NEEDS[way], have)
            ]
            raise Unsupported("An array with %s" % way, " and ".join(needs))


def version_of(text):
    """Return the first two numbers of a version, such as (4, 19) of `4.19.0+1`; (0, 0) where there
    is none.
    """
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def request_of(chosen, options):
    """Return what tells one wish for an array from another, whatever the disks are called today."""
    members, extra, journals = map(_lasting_names, chosen)
    return {
        "level": options.level,
        "name": options.name,
        "chunk": options.chunk,
        "bitmap": options.bitmap,
        "consistency_policy": options.consistency_policy,
        "devices": members,
        "spares": extra,
        "journals": journals,
    }


def _lasting_names(disks):
    return [disk.by_id or disk.device for disk in disks]


def _nodes(disks):
    return [disk.device for disk in disks]


def plan_array(host, session, chosen, options):
    """Return the Plan of an array on Chosen disks. Raises DiskInUse, StaleData, BadArgument."""
    members, extra, journals = chosen
    everything = members + extra + journals
    snapshot.judge(host, session, everything, options.allow_4k, options.allow_removable)
    claim.refuse_used(everything, options.wipe)
    unused_bytes = _unused_bytes(members + extra, options.allow_mixed_sizes)
    configuration = md_state.read_configuration(host)
    node, name = _node_and_name(host, configuration, options.name)
    uuid = md_uuid(random_hex(16))
    line = configuration.set_array(node, uuid, len(extra))
    create = mdadm.create_command(
        node,
        options.level,
        uuid,
        name,
        _nodes(members),
        _nodes(extra),
        options.chunk,
        options.bitmap,
        options.consistency_policy,
        journals[0].device if journals else None,
    )
    size_bytes = capacity_bytes(
        options.level, min(disk.size_bytes for disk in members + extra), len(members)
    )
    return Plan(
        node,
        name,
        uuid,
        options.level,
        everything,
        size_bytes,
        unused_bytes,
        request_of(chosen, options),
        snapshot.wipe_commands(host, everything),
        create,
        configuration,
        line,
    )


def commands_of(plan):
    """Return what a person would type to carry a Plan out."""
    typed = [command_line(argv) for argv in plan.wipes + [plan.create]]
    return typed + ["echo '%s' >> %s" % (plan.line, md_state.CONFIGURATION)]


def planned_record(plan):
    """Return what is known of an array before it is there. The capacity leaves superblocks and
    bitmap aside.
    """
    return collections.OrderedDict(
        [
            ("device", plan.node),
            ("by_id", md_state.BY_ID + plan.uuid),
            ("name", plan.name),
            ("uuid", plan.uuid),
            ("level", plan.level),
            ("size_bytes", plan.size_bytes),
            (
                "members",
                [
                    collections.OrderedDict([("device", disk.device), ("serial", disk.serial)])
                    for disk in plan.chosen
                ],
            ),
        ]
    )


def _unused_bytes(chosen, allow_mixed_sizes):
    """Return how many bytes of the larger disks an array cannot use. Raises BadArgument when that
    is too much.
    """
    sizes = [disk.size_bytes for disk in chosen]
    unused_bytes = sum(sizes) - min(sizes) * len(sizes)
    if unused_bytes * 100 > sum(sizes) * UNUSED_MAX_PERCENT and not allow_mixed_sizes:
        smallest = min(chosen, key=lambda disk: disk.size_bytes)
        raise BadArgument(
            "devices",
            "the disks differ in size: beside %s with %d bytes, %d bytes of the others (%d %% of "
            "all) would stay unused; choose others, or accept that with allow_mixed_sizes=true"
            % (
                smallest.device,
                smallest.size_bytes,
                unused_bytes,
                unused_bytes * 100 // sum(sizes),
            ),
        )
    return unused_bytes


def _node_and_name(host, configuration, name):
    """Return the node and the name of a new array: `mdN` chooses its node, any other name gets the
    first that is free.
    """
    # A node that is clear is the shell of an array that was stopped: somebody has opened it
    # meanwhile, and it stays.
    taken = {
        node
        for node in sysfs.block_devices(host)
        if sysfs.attribute(host, node, "md/array_state") != "clear"
    }
    for node, _ in configuration.arrays():
        number = number_of(node)
        taken.add("md" + number if number else node)
    if name is not None and any(record.name == name for record in md_state.read_arrays(host)):
        raise BadArgument("name", "there is an array named %s already" % name)
    if name is not None and number_of("/dev/" + name):
        if name in taken:
            raise BadArgument(
                "name",
                "%s is taken, by a running array or by a line of %s"
                % (name, md_state.CONFIGURATION),
            )
        return "/dev/" + name, name
    free = next("md%d" % at for at in range(len(taken) + 1) if "md%d" % at not in taken)
    return "/dev/" + free, name or free
