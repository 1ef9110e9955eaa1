"""Graphs of a host drawn as text, for tests of the judge.

    sda: gpt            a device, and what is written on it and what uses it
      sda1: swap        what is built on it, or a partition of it, stands below it, two blanks to
                        the right
      md0               and may stand below another device as well
    sdb: path=sda       another path to sda
    md0: pv=data

Words: mounted=PLACE, swap, sr=NAME (a PBD names it), pv=GROUP, copy=GROUP (LVM itself does not show
it), pv (LVM says nothing), member=DIGIT (a superblock of the array whose uuid is that digit),
unreadable, dm=UUID, name=NAME, path=DISK, and each other word is a signature. SRs that XAPI knows
and arrays are given apart.
"""

from xsraid.disks.refusals import Graph, Sr
from xsraid.disks.signatures import Signature
from xsraid.host.physical_volume import Group

SR_UUIDS = {
    "data": "0d6e8c6e-7f3e-4a6c-8f0e-111111111111",
    "other": "0d6e8c6e-7f3e-4a6c-8f0e-222222222222",
}


def array_uuid(digit):
    return ":".join([digit * 8] * 4)


def libblkid_uuid(digit):
    return "-".join([digit * 8, digit * 4, digit * 4, digit * 4, digit * 12])


def graph(drawing, srs=(), arrays=(), lines=()):
    """Return the Graph of a drawing. srs: names, keys of SR_UUIDS, of all that XAPI knows."""
    known = {SR_UUIDS[name]: Sr(name, None) for name in srs}
    drawn = Graph(
        numbers={},
        above={},
        partitions={},
        paths={},
        links={},
        names={},
        mounts={},
        swaps=set(),
        dm_uuids={},
        dm_names={},
        arrays=list(arrays),
        lines=list(lines),
        sr_devices={},
        srs=known,
        contents={},
        unreadable={},
        groups={},
        copies=set(),
    )
    below = []
    for line in drawing.splitlines():
        if not line.strip():
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, words = line.strip().partition(":")
        del below[depth:]
        drawn.above.setdefault(name, [])
        drawn.partitions.setdefault(name, [])
        drawn.numbers.setdefault(name, "8:%d" % len(drawn.numbers))
        if below and name not in drawn.above[below[-1]]:
            drawn.above[below[-1]].append(name)
            if name.startswith(below[-1]):
                drawn.partitions[below[-1]].append(name)
        below.append(name)
        for word in words.split():
            _draw(drawn, name, word)
    return drawn


def _draw(drawn, name, word):
    key, _, value = word.partition("=")
    number = drawn.numbers[name]
    if key == "mounted":
        drawn.mounts.setdefault(number, []).append(value)
    elif key == "swap":
        drawn.swaps.add(number)
    elif key == "sr":
        drawn.sr_devices[number] = SR_UUIDS[value]
    elif key in ("pv", "copy"):
        drawn.contents.setdefault(name, []).append(Signature("LVM2_member", 536, "", ""))
        if value:
            drawn.groups[number] = Group(value, "uuid-of-" + value)
        if key == "copy":
            drawn.copies.add(number)
    elif key == "member":
        drawn.contents.setdefault(name, []).append(
            Signature("linux_raid_member", 4096, libblkid_uuid(value), "any:md" + value)
        )
    elif key == "unreadable":
        drawn.unreadable[name] = "I/O error"
    elif key == "dm":
        drawn.dm_uuids[name] = value
    elif key == "name":
        drawn.dm_names[name] = value
    elif key == "path":
        drawn.paths.setdefault(name, []).append(value)
    else:
        drawn.contents.setdefault(name, []).append(Signature(key, 1080, "", value))
