"""Hosts made at random: what the promises call in use is refused, whatever the way from a device to
its user, and what is idle is not.

Others, or more: XSRAID_SEED=7 HOSTS=100000. Faults that the judge once had are put back, to see
that they are found.
"""

import os
import random
import re

import pytest

from tests import made
from tests.unit.graphs import array_uuid, graph
from tests.unit.random_hosts import RandomHost
from xsraid.disks import inventory, lvm, refusals
from xsraid.errors import XsraidError
from xsraid.host import stack
from xsraid.md import conf
from xsraid.md import state as md_state
from xsraid.xapi import sr_types

SEED = int(os.environ.get("XSRAID_SEED", "1"))
HOSTS = int(os.environ.get("HOSTS", "1000"))
SIZE_BYTES = 64 << 20


def disagreements(host, spoil=lambda drawn: drawn):
    """Return a sentence for each device of a RandomHost of which the judge says something else than
    the promises.
    """
    lines = conf.Configuration(host.configuration).array_lines()
    drawn = spoil(graph(host.drawing, srs=host.known_srs, arrays=host.array_records, lines=lines))
    found = []
    for disk in host.disks:
        facts = refusals.DiskFacts(
            disk.name,
            SIZE_BYTES,
            512,
            False,
            False,
            "0",
            None,
            drawn.partitions[disk.name],
            host.held(disk),
        )
        reasons, stale = refusals.decide(facts, drawn)
        is_used = disk.all_used() or disk.twin is not None and disk.twin.all_used()
        if bool(reasons) != is_used:
            found.append(
                "%s is %s: %s"
                % (disk.name, "used but free" if is_used else "idle but refused", reasons)
            )
        elif not is_used and {(item["type"], item["device"]) for item in stale} != disk.contents():
            found.append("%s: stale is %s" % (disk.name, stale))
    for array in host.arrays:
        held = {
            name: "held"
            for device in [array] + array.partitions
            for name in [device.name]
            if device.is_held
        }
        uses, stale = refusals.decide_array(array.name, drawn, held)
        is_used = host.array_is_used(array)
        if bool(uses) != is_used:
            found.append(
                "%s is %s: %s"
                % (array.name, "used but free" if is_used else "idle but in use", uses)
            )
        elif not is_used and {(item["type"], item["device"]) for item in stale} != array.contents():
            found.append("%s: stale is %s" % (array.name, stale))
    return found


def shown(seed, host, found):
    return "seed %s\n%s\n%s\n%s" % (seed, host.drawing, host.configuration, "\n".join(found))


def test_what_is_in_use_is_refused_and_what_is_idle_is_not():
    for number in range(HOSTS):
        seed = "%d-%d" % (SEED, number)
        host = RandomHost(random.Random(seed))
        found = disagreements(host)
        assert not found, shown(seed, host, found)


def test_each_kind_of_use_comes_up():
    """A generator that makes too little of something tests nothing of it."""
    drawn = [RandomHost(random.Random("kinds-%d" % number)) for number in range(1000)]
    text = "\n".join(host.drawing + "\n" + host.configuration for host in drawn)
    for pattern in (
        r"mounted=/srv",
        r"mounted=/boot",
        r": swap",
        r"sr=data",
        r"dm=CRYPT",
        r"dm=mpath",
        r"loop\d",
        r"bcache",
        r"dm=LVM-uuid-of-active",
        r"dm=LVM-uuid-of-spread",
        r"pv=VG_XenStorage",
        r"pv=XSLocalLargeBlock",
        r": pv$",
        r"copy=",
        r"^    md\d+: member",
        r"^ +md\d+p\d: ext4 mounted",
        r"<ignore>",
        r"devices=",
        r"NAME=",
        r"path=sdax",
        r"unreadable",
    ):
        assert re.search(pattern, text, re.MULTILINE) is not None, pattern
    used = [disk.all_used() for host in drawn for disk in host.disks]
    assert 0.2 < sum(used) / float(len(used)) < 0.8


# -- names -----------------------------------------------------------------------------------------


class Names(object):
    """Stands for the Host where names are looked up: links, and device numbers of nodes. Nothing is
    a link to anything else here.
    """

    def __init__(self, numbers):
        self.numbers = numbers

    def real_path(self, path):
        return path

    def device_number(self, path):
        return self.numbers.get(path)


def arrays_at_random(rng):
    """Return (array records, [(node, uuid)] of ARRAY lines). Names repeat, and some are those of
    nodes.
    """
    digits, nodes = rng.sample("0123456789", 4), rng.sample(["md0", "md1", "md126", "md127"], 4)
    records = [
        made.array(
            device="/dev/" + node,
            uuid=array_uuid(digit),
            name=rng.choice(["md0", "md1", "data", None]),
        )
        for digit, node in zip(digits[: rng.randint(0, 3)], nodes)
    ]
    lines = [
        ("/dev/" + rng.choice(["md0", "md1", "md5"]), array_uuid(rng.choice(digits)))
        for _ in range(rng.randint(0, 2))
    ]
    return records, lines


def meant(wanted, records, lines):
    """Return what the promises say that a word means: one array, or None for none that may be
    taken.
    """
    if ":" in wanted:
        fitting = [record for record in records if record.uuid == wanted]
    elif wanted.startswith("md"):
        fitting = [record for record in records if record.device == "/dev/" + wanted]
        given = [uuid for node, uuid in lines if node == "/dev/" + wanted]
        fitting = (
            fitting or [record for uuid in given for record in records if record.uuid == uuid][:1]
        )
    else:
        fitting = [record for record in records if record.name == wanted]
    return fitting[0] if len(fitting) == 1 else None


def names_that_mean_something_else(rng, configuration):
    """configuration: a stand-in for mdadm.conf, as `read_configuration` returns it."""
    records, lines = arrays_at_random(rng)
    configuration.arrays = lambda: lines
    for wanted in ["md0", "md1", "md5", "data"] + [record.uuid for record in records]:
        try:
            found = md_state.find_array(Names({}), wanted, records)
        except XsraidError:
            found = None
        if found != meant(wanted, records, lines):
            return "%s is taken for %s\n%s\n%s" % (wanted, found, records, lines)
    return None


@pytest.fixture
def configuration(mocker):
    return mocker.patch.object(md_state, "read_configuration").return_value


def test_a_name_means_one_array_or_none(configuration):
    for number in range(HOSTS):
        found = names_that_mean_something_else(
            random.Random("names-%d-%d" % (SEED, number)), configuration
        )
        assert not found, found


def disks_that_are_taken_for_others(rng, links_of):
    """links_of: a stand-in for udev's links, {kernel name: [link]}, to be filled in."""
    names = ["sda", "sdb", "sdc", "sdd"][: rng.randint(1, 4)]
    found = [
        made.disk(
            device="/dev/" + name,
            serial=rng.choice(["S1", "S2", None]),
            wwn=rng.choice(["0x5", "0x6", None]),
        )
        for name in names
    ]
    links_of.update((name, ["/dev/disk/by-id/ata-" + rng.choice("12")]) for name in names)
    numbers = {"/dev/" + name: "8:%d" % at for at, name in enumerate(names)}
    for name in names:  # a link that udev gives to several leads to the last of them
        numbers[links_of[name][0]] = numbers["/dev/" + name]
    wanted_words = ["S1", "S2", "0x5", "0x6"] + sorted(numbers)
    for wanted in wanted_words:
        fitting = [
            disk
            for disk in found
            if wanted in (disk.serial, disk.wwn, disk.device) or wanted in links_of[disk.device[5:]]
        ]
        expected = fitting if len(fitting) == 1 else None
        try:
            taken = inventory.resolve(Names(numbers), found, [wanted], "disk")
        except XsraidError:
            taken = None
        if taken != expected:
            return "%s is taken for %s\n%s\n%s" % (wanted, taken, found, links_of)
    return None


@pytest.fixture
def links_of(mocker):
    links = {}
    mocker.patch.object(
        inventory, "_numbers", lambda host, disk: [(host.numbers[disk.device], None)]
    )
    mocker.patch.object(inventory, "_links", lambda host, disk: links[disk.device[len("/dev/") :]])
    return links


def test_a_name_means_one_disk_or_none(links_of):
    for number in range(HOSTS):
        found = disks_that_are_taken_for_others(
            random.Random("disks-%d-%d" % (SEED, number)), links_of
        )
        assert not found, found


# -- faults that were there ------------------------------------------------------------------------


def only_of_lvm_sr(name):
    """Group names as they were read once: of one driver."""
    found = re.match(r"VG_XenStorage-(.+)\Z", name)
    return found.group(1) if found else None


def without_partitions_of_arrays(drawn):
    above = {
        name: [
            each for each in built if not (stack.is_array(name) and re.match(r"md\d+p\d+\Z", each))
        ]
        for name, built in drawn.above.items()
    }
    return drawn._replace(
        above=above,
        partitions={
            name: [] if stack.is_array(name) else found for name, found in drawn.partitions.items()
        },
    )


def with_contents(drawn, is_kept):
    """Return a graph with those signatures for which is_kept(device, signature) is true."""
    return drawn._replace(
        contents={
            name: [each for each in found if is_kept(name, each)]
            for name, found in drawn.contents.items()
        }
    )


def without_members_on_arrays(drawn):
    return with_contents(
        drawn, lambda name, each: not (name.startswith("md") and each.type == md_state.MEMBER_TYPE)
    )


def without_unclear_groups(drawn):
    return with_contents(
        drawn, lambda name, each: each.type != lvm.LABEL or drawn.numbers[name] in drawn.groups
    )


def with_srs_of_pbds_alone(drawn):
    return drawn._replace(
        srs={uuid: sr for uuid, sr in drawn.srs.items() if uuid in drawn.sr_devices.values()}
    )


SPOILT = {
    "1: the other path is not looked at": lambda drawn: drawn._replace(paths={}),
    "3: what XAPI knows is found by the paths of its PBDs alone": with_srs_of_pbds_alone,
    "6: lines that do not give a node and a uuid know nothing": lambda drawn: drawn._replace(
        lines=[line for line in drawn.lines if line.uuid and not line.ignored]
    ),
    "7: partitions of arrays are not seen": without_partitions_of_arrays,
    "8: arrays of arrays are not seen once they are stopped": without_members_on_arrays,
    "what cannot be read is taken for blank": lambda drawn: drawn._replace(unreadable={}),
    "LVM's silence is taken for idleness": without_unclear_groups,
    "swap on partitions is not seen": lambda drawn: drawn._replace(swaps=set()),
    "volumes elsewhere do not count": lambda drawn: drawn._replace(
        dm_uuids=dict.fromkeys(drawn.dm_uuids, "LVM-")
    ),
}


def tries_until_found(find):
    """Return how many hosts it takes until find(rng) returns something; fail if none of HOSTS
    does.
    """
    for number in range(HOSTS):
        if find(random.Random("faults-%d" % number)):
            return number + 1
    pytest.fail("not found with %d hosts" % HOSTS)


@pytest.mark.parametrize("fault", sorted(SPOILT))
def test_a_fault_that_is_put_back_is_found(fault):
    assert tries_until_found(lambda rng: disagreements(RandomHost(rng), SPOILT[fault])) <= HOSTS


def test_groups_of_other_drivers_that_are_not_known_are_found(mocker):
    """Fault 11."""
    mocker.patch.object(sr_types, "uuid_of_group", only_of_lvm_sr)
    assert tries_until_found(lambda rng: disagreements(RandomHost(rng))) <= HOSTS


def test_a_node_that_is_taken_for_a_name_is_found(mocker, configuration):
    """Fault 9: a deletion that was repeated deleted the array of another host."""
    mocker.patch.object(md_state, "NODE", r"(?!)")
    assert (
        tries_until_found(lambda rng: names_that_mean_something_else(rng, configuration)) <= HOSTS
    )


def test_a_serial_number_that_is_taken_for_one_disk_is_found(mocker, links_of):
    """Fault 10."""
    mocker.patch.object(inventory, "refuse_several")
    assert tries_until_found(lambda rng: disks_that_are_taken_for_others(rng, links_of)) <= HOSTS
