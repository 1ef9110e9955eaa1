"""What the soak of worlds builds: things that a host may have, each with something on it that no
call may write over.

A thing is built by one function with the decorator `thing`; it gets the builder and its disks by
the test's names, and returns a Thing. What it holds must be as it was whatever calls are made; what
its disks are asked to become must be refused.
"""

import collections
import json
import uuid

PARTITION = "printf 'label: gpt\\n,24M\\n' | sfdisk -q {0} && udevadm settle"
MAKE = (
    "mdadm -q --create {node} --run --force --level={level} --metadata=1.2 --data-offset=1M "
    "--homehost={home} --name={name} "
    "--raid-devices={count} {disks}"
)
DATA = 1 << 20  # where the data of members begin that are made so
MARK = 64 << 10  # what the fresh half has, and the stale one has not
THINGS = {}  # {name: (how many disks, function)}

# disks: the test's names of those that no call may take; regions: [(disk, first byte, end or None)]
# that stay as they are; groups: volume groups that stay; arrays: nodes, names or uuids that calls
# may name; uuid: of the array that holds it, a tuple for several, None if there is none.
Thing = collections.namedtuple("Thing", "name disks regions groups arrays uuid")


def thing(count):
    """Register a builder. count: of the disks that it takes."""

    def register(function):
        THINGS[function.__name__] = count, function
        return function

    return register


class Builder:
    """Builds in one dom0, by chance. devices: {disk: node}."""

    def __init__(self, dom0, chance, devices):
        self.dom0, self.chance, self.devices, self._number = dom0, chance, devices, 0

    def run(self, command):
        return self.dom0.run(command).out

    def number(self):
        self._number += 1
        return self._number

    def array(self, disks, level="1", home="any", name=None, node=None):
        """Make an array, its first resync done; return (node, uuid)."""
        number = self.number() + 20
        node, devices = node or f"/dev/md{number}", [self.devices.get(disk, disk) for disk in disks]
        self.run(
            MAKE.format(
                node=node,
                level=level,
                home=home,
                name=name or f"w{number}",
                count=len(devices),
                disks=" ".join(devices),
            )
            + f" && udevadm settle && (mdadm -q --wait {node} || true)"
        )
        return node, self.uuid_of(node)

    def uuid_of(self, node):
        return self.run(f"mdadm --detail --export {node} | sed -n s/^MD_UUID=//p").strip()

    def line(self, node):
        """Give an array its line in mdadm.conf."""
        self.run(f"mdadm --detail --brief {node} >>/etc/mdadm.conf")

    def holding(self, device, kinds=("mounted", "swap_on", "active_group", "known_sr", "known_sr")):
        """Put on a device what no call may write over; return the volume groups of it."""
        return HOLDING[self.chance.choice(kinds)](self, device)


def mounted(builder, device):
    """Read only, so that nothing writes there by itself."""
    place = f"/srv/w{builder.number()}"
    builder.run(
        f"mkfs.ext4 -q {device} && udevadm settle && mkdir -p {place} && mount -o ro,noload "
        f"{device} {place}"
    )
    return []


def swap_on(builder, device):
    builder.run(f"mkswap -q {device} && swapon {device}")
    return []


def active_group(builder, device):
    """With a volume that is active: one that is idle may be given up with `wipe`."""
    group = f"group{builder.number()}"
    builder.run(f"vgcreate -q {group} {device} && lvcreate -q -y -L 4M -n data {group}")
    return [group]


def known_sr(builder, device):
    """Unplugged, as after a boot at which its device was not there; maybe XAPI knows it by another
    path than it has now.
    """
    sr = builder.dom0.xe(
        f"sr-create content-type=user device-config:device={device} name-label=world shared=false "
        "type=lvm"
    ).strip()
    pbd = builder.dom0.xe(f"pbd-list sr-uuid={sr} --minimal").strip()
    builder.run(f"xe pbd-unplug uuid={pbd}; vgchange -q -an VG_XenStorage-{sr}")
    if builder.chance.random() < 0.5:
        elsewhere = {"device": builder.chance.choice(["/dev/sdz", "/dev/md0"])}
        builder.dom0.xapi(
            "PBD.set_device_config", builder.dom0.xapi("PBD.get_by_uuid", pbd), elsewhere
        )
    return ["VG_XenStorage-" + sr]


HOLDING = {function.__name__: function for function in (mounted, swap_on, active_group, known_sr)}


def whole(*disks):
    return [(disk, 0, None) for disk in disks]


def data_of(*disks):
    """Return the regions of members' data."""
    return [(disk, DATA, None) for disk in disks]


@thing(1)
def disk_with_two_paths(builder, disk):
    """In use or not: which of the two paths is meant is nobody's to guess."""
    device = builder.devices[disk]
    groups = builder.holding(device) if builder.chance.random() < 0.7 else []
    if disk + "+path" not in builder.devices:
        builder.run(f"/usr/bin/python3.11 /bed/dom0/guest/scsi_disks.py --path {disk}")
    return Thing("disk_with_two_paths", [disk], whole(disk), groups, [], None)


@thing(1)
def partition_of_a_disk(builder, disk):
    device = builder.devices[disk]
    builder.run(PARTITION.format(device))
    groups = builder.holding(device + "1")
    return Thing("partition_of_a_disk", [disk], whole(disk), groups, [], None)


@thing(1)
def disk_by_itself(builder, disk):
    return Thing(
        "disk_by_itself", [disk], whole(disk), builder.holding(builder.devices[disk]), [], None
    )


@thing(1)
def group_of_another_driver(builder, disk):
    """XAPI has its SR, but no PBD that names the device."""
    sr = str(uuid.UUID(int=builder.chance.getrandbits(128), version=4))
    kind = builder.chance.choice(["XSLocalLargeBlock", "XSLocalEXT", "VG_XenStorage"])
    builder.run(
        f"vgcreate -q {kind}-{sr} {builder.devices[disk]} && xe sr-introduce uuid={sr} "
        "name-label=other type=lvm content-type=user"
    )
    return Thing("group_of_another_driver", [disk], whole(disk), [f"{kind}-{sr}"], [], None)


@thing(2)
def partition_of_an_array(builder, *disks):
    node, uuid_ = builder.array(disks)
    builder.run(PARTITION.format(node))
    groups = builder.holding(node + "p1")
    if builder.chance.random() < 0.5:
        builder.line(node)
    return Thing(
        "partition_of_an_array", disks, data_of(*disks), groups, [node, node[5:], uuid_], uuid_
    )


@thing(2)
def array_in_use(builder, *disks):
    """Under a node that its line does not give it, or without a line."""
    node, uuid_ = builder.array(
        disks, node=builder.chance.choice([f"/dev/md{127 - builder.number()}", None])
    )
    groups = builder.holding(node)
    if builder.chance.random() < 0.5:
        builder.run(f"echo 'ARRAY /dev/md{builder.number() + 60} UUID={uuid_}' >>/etc/mdadm.conf")
    return Thing("array_in_use", disks, data_of(*disks), groups, [node, node[5:], uuid_], uuid_)


@thing(2)
def foreign_array_with_our_name(builder, *disks):
    """Of another host, called as the array is that a call makes next."""
    node, uuid_ = builder.array(
        disks,
        home="elsewhere",
        name=builder.chance.choice(["md0", "md1"]),
        node=f"/dev/md{127 - builder.number()}",
    )
    groups = builder.holding(node)
    return Thing(
        "foreign_array_with_our_name",
        disks,
        data_of(*disks),
        groups,
        [node, node[5:], uuid_],
        uuid_,
    )


@thing(2)
def idle_array_with_our_name(builder, *disks):
    """Of another host, and nobody uses it: whoever names an array by its node means none that is
    only called so.
    """
    node, uuid_ = builder.array(
        disks,
        home="elsewhere",
        name=builder.chance.choice(["md0", "md1"]),
        node=f"/dev/md{127 - builder.number()}",
    )
    builder.run(f"mkfs.ext4 -q {node}; udevadm settle")
    return Thing("idle_array_with_our_name", disks, data_of(*disks), [], [], uuid_)


@thing(2)
def array_of_arrays(builder, *disks):
    """RAID0 over two mirrors of which each has lost a disk; running, or stopped with its line."""
    inner = [builder.array([disk]) for disk in disks]
    node, _ = builder.array([node for node, _ in inner], level="0")
    builder.line(node)
    groups = builder.holding(node, ("mounted", "active_group", "known_sr"))
    if builder.chance.random() < 0.6:
        groups = []  # nobody sees them until it runs
        builder.run(f"umount {node}; vgchange -q -an; udevadm settle; mdadm -q --stop {node}; true")
    names = [name for node, uuid_ in inner for name in (node, node[5:], uuid_)]
    return Thing(
        "array_of_arrays", disks, data_of(*disks), groups, names, tuple(uuid_ for _, uuid_ in inner)
    )


LINES = (
    "ARRAY {node} UUID={uuid}\n",
    "ARRAY {node} name=any:{name}\n",
    "ARRAY {node} name={name}\n",
    "ARRAY {node} devices={devices}\n",
    "ARRAY <ignore> UUID={uuid}\n",
    "ARRAY {node}\n# the old one\n\n   UUID={uuid}\n",
    "arr UUID={upper}",
    "ARRAY {node} UUID={uuid}\r\n",
    "ARRAY {node} level=raid1 num-devices=2\tuuid={upper} spares=1\n",
)


@thing(2)
def stopped_array_with_a_line(builder, *disks):
    name = f"stopped{builder.number()}"
    node, uuid_ = builder.array(disks, name=name)
    builder.run(f"mkfs.ext4 -q {node} && udevadm settle && mdadm -q --stop {node}")
    path = builder.chance.choice(
        ["/etc/mdadm.conf", "/etc/mdadm.conf.d/one.conf", "/etc/mdadm/mdadm.conf"]
    )
    devices = ",".join(map(builder.devices.get, disks))
    line = builder.chance.choice(LINES).format(
        node=node, uuid=uuid_, upper=uuid_.upper(), name=name, devices=devices
    )
    builder.dom0.run(f"mkdir -p /etc/mdadm.conf.d /etc/mdadm && cat >>{path}", stdin=line)
    return Thing(
        "stopped_array_with_a_line", disks, data_of(*disks), [], [node, node[5:], uuid_], uuid_
    )


@thing(2)
def halves(builder, stale, fresh):
    """Which of them is started is not said here: what only the fresh one has must not be lost."""
    node, uuid_ = builder.array([stale, fresh])
    builder.line(node)
    old, new = builder.devices[stale], builder.devices[fresh]
    (group,) = builder.holding(node, ["known_sr"])
    mark = builder.chance.randbytes(MARK // 2).hex()
    builder.dom0.run(
        f"mdadm -q {node} --fail {old} && mdadm -q {node} --remove {old} && lvcreate -q -y -L 4M "
        f"-n data {group} && "
        f"dd of=/dev/{group}/data bs={MARK} conv=fsync iflag=fullblock status=none && vgchange -q "
        f"-an {group}; "
        f"udevadm settle; mdadm -q --stop {node}; sync",
        stdin=mark,
    )
    with open(f"{builder.dom0.share}/{fresh}.img", "rb") as image:
        at = image.read().index(mark.encode())
    first = builder.chance.choice([[old], [new], [old, new], []])
    if first:
        builder.run(f"mdadm -q --assemble --run {node} {' '.join(first)}; udevadm settle")
    return Thing(
        "halves", [stale, fresh], [(fresh, at, at + MARK)], [], [node, node[5:], uuid_], uuid_
    )


@thing(2)
def firmware_raid(builder, *disks):
    """A container of DDF with a volume, known by a line."""
    devices = " ".join(map(builder.devices.get, disks))
    number = builder.number()
    builder.run(
        f"mdadm -q --create /dev/md/ddf{number} -e ddf --run --raid-devices=2 {devices} && "
        f"mdadm -q --create /dev/md/vol{number} --run --level=1 --raid-devices=2 "
        f"/dev/md/ddf{number} && udevadm settle && "
        f"(mdadm -q --wait /dev/md/vol{number}; mkfs.ext4 -q /dev/md/vol{number}; mdadm --examine "
        f"--scan {devices} >>/etc/mdadm.conf)"
    )
    node = builder.run(f"readlink -f /dev/md/vol{number}").strip()
    builder.run(f"mkdir -p /srv/f{number} && mount -o ro,noload {node} /srv/f{number}")
    return Thing(
        "firmware_raid", disks, [(disk, 0, 16 << 20) for disk in disks], [], [node, node[5:]], None
    )


@thing(2)
def creation_that_was_cut_off(builder, *disks):
    """As a call that was killed leaves it, and then somebody used the array."""
    node, uuid_ = builder.array(disks)
    groups = builder.holding(node)
    note(
        builder,
        "creating",
        uuid_,
        {
            "request": {"devices": [], "spares": [], "journals": []},
            "commands": [],
            "unused_bytes": 0,
        },
    )
    return Thing(
        "creation_that_was_cut_off", disks, data_of(*disks), groups, [node, node[5:], uuid_], uuid_
    )


@thing(2)
def deletion_that_was_cut_off(builder, *disks):
    node, uuid_ = builder.array(disks)
    builder.line(node)
    groups = builder.holding(node)
    note(builder, "deleting", uuid_, {"request": {"devices": []}})
    return Thing(
        "deletion_that_was_cut_off", disks, data_of(*disks), groups, [node, node[5:], uuid_], uuid_
    )


def note(builder, kind, uuid_, facts):
    builder.dom0.run(
        f"cat >/var/lib/xsraid/{kind}-{uuid_.replace(':', '')}", stdin=json.dumps(facts)
    )


@thing(1)
def twin_in_use(builder, disk):
    """Its serial number is that of another disk, too."""
    return Thing(
        "twin_in_use", [disk], whole(disk), builder.holding(builder.devices[disk]), [], None
    )
