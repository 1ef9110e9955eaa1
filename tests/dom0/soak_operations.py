"""The soak's operations: each picks what it is done to by chance, does it, and tells the model. One
that is new needs its function and its decorator.

`planned` is for what is one call of the plugin: it is also made by two at once, and killed in the
middle and made again.
"""

import collections
import concurrent.futures
import shlex
import time

from tests.dom0.dom0 import plugin_text
from tests.dom0.endurance import ALONE, Volume
from tests.dom0.kinds import answers
from tests.dom0.soak_model import (
    ALARMS_MAX,
    CERTAIN,
    MEMBERS_MIN,
    NONE,
    POSSIBLE,
    Array,
    NotNow,
    Wrong,
)

# done(reply) tells the model; reply is None if a repeated call said, with one of the codes
# `repeats`, that nothing is left to be done.
Plan = collections.namedtuple("Plan", "function arguments done repeats")
OPERATIONS, PLANS = {}, {}  # {name: (weight, function of the soak)}
BY_HAND = "/usr/bin/python3.11 /bed/dom0/guest/plugin_by_hand.py"
ARRAYS_MAX = 3
# An array that has just become whole again is left alone for so long: that is told of if somebody
# has seen it.
WHOLE_S = 4
MAIL_MODES = (
    "refuse",
    "greylist",
    "later",
    "stall",
    "vanish",
    "bad_auth",
    "close",
    "stall_after_data",
)
XAPI_FAULTS = {
    "message.create.fail": "INTERNAL_ERROR\nno",
    "message.create.fail-after": "INTERNAL_ERROR\nthe answer is lost",
    "message.create.delay-after": "8",
}
FAULTS = "/run/xapi-faults"


def operation(weight):
    """Register an operation. weight: how often it is chosen, against the others."""

    def register(function):
        OPERATIONS[function.__name__] = weight, function
        return function

    return register


def planned(weight):
    """Register a function of the soak that returns a Plan, and the operation that carries it
    out.
    """

    def register(function):
        PLANS[function.__name__] = weight, function
        OPERATIONS[function.__name__] = weight, lambda soak: carry_out(soak, function(soak))
        return function

    return register


def typed(plan):
    """Return a call as a shell takes it."""
    return " ".join(
        [
            plan.function,
            *(
                shlex.quote(f"{name}={plugin_text(value)}")
                for name, value in plan.arguments.items()
            ),
        ]
    )


def carry_out(soak, plan):
    soak.note(typed(plan))
    reply = soak.dom0.call(plan.function, **plan.arguments)
    plan.done(reply)
    soak.inspect(reply)


# -- what can be chosen ----------------------------------------------------------------------------


def fallible(soak):
    """Return a redundant array and an active member whose failure it survives and is told of."""
    arrays = [
        array
        for array in soak.model.arrays
        if array.level != "0"
        and array.is_calm
        and array.left >= 1
        and array.alarms < ALARMS_MAX
        and time.monotonic() - array.whole_since > WHOLE_S
    ]
    array = soak.pick(arrays)
    return array, soak.pick(array.having("active"))


def new_disk(soak, array=None):
    """Return a disk that may be taken, as a new one or as a former member of the array, and whether
    that gives up what is on it.
    """
    disk = soak.pick(
        soak.model.disks_that_are("free", "stale")
        + sorted(soak.model.formers(array) if array else ())
    )
    if soak.model.disks[disk].is_pulled:
        raise NotNow
    return disk, soak.model.disks[disk].state == "stale"


def redundant(soak):
    return soak.pick([array for array in soak.model.arrays if array.level != "0"])


# -- arrays and their members ----------------------------------------------------------------------


@planned(8)
def create_array(soak):
    free, level = soak.model.disks_that_are("free", "stale"), soak.pick(sorted(MEMBERS_MIN))
    count = MEMBERS_MIN[level] + soak.random.randrange(2) * (2 if level == "10" else 1)
    if len(free) < count or len(soak.model.arrays) >= ARRAYS_MAX:
        raise NotNow
    disks = soak.random.sample(
        free, min(len(free), count + (level != "0" and soak.random.random() < 0.3))
    )
    members, spares = disks[:count], disks[count:]
    arguments = {"level": level, "devices": soak.named(*members)}
    if spares:
        arguments["spares"] = soak.named(*spares)
    if any(soak.model.disks[disk].state == "stale" for disk in disks):
        arguments["wipe"] = True
    if level != "1" and soak.random.random() < 0.5:
        arguments["chunk"] = soak.pick(["64K", "128K", "1M"])
    if soak.random.random() < 0.5:
        arguments["name"] = f"store{soak.next_number()}"

    def done(reply):
        record = reply["array"]
        if record["level"] != "raid" + level or record["name"] != arguments.get(
            "name", record["name"]
        ):
            raise Wrong(f"asked for {arguments}, it became {record}")
        soak.add_array(Array(record, level, members, spares))

    return Plan("create_array", arguments, done, ())


@planned(4)
def fail_disk(soak):
    array, disk = fallible(soak)
    if array.having("spare") and soak.random.random() < 0.3:
        disk = array.having("spare")[0]
    return Plan(
        "fail_disk",
        {"array": soak.name(array), "disk": soak.named(disk), "confirm": soak.serials[disk]},
        lambda reply: soak.failed(array, disk),
        (),
    )


@operation(3)
def set_faulty_by_hand(soak):
    array, disk = fallible(soak)
    soak.run(f"mdadm --manage {array.node} --set-faulty {soak.devices[disk]}", f"{disk} of {array}")
    soak.failed(array, disk)


@operation(3)
def disk_goes_offline(soak):
    """The next write to it, of a block or of a superblock, makes it faulty."""
    array, disk = fallible(soak)
    if array.volume is None:
        raise NotNow
    state = f"/sys/block/{soak.devices[disk][5:]}/device/state"
    soak.run(f"echo offline >{state}", f"{disk} of {array}")
    soak.write(array, 2)
    soak.dom0.wait_until(
        lambda: (
            "faulty"
            in soak.dom0.run(
                f"cat /sys/block/{array.node[5:]}/md/dev-{soak.devices[disk][5:]}/state"
            ).out
        )
    )
    soak.run(f"echo running >{state}")
    soak.failed(array, disk)


@planned(5)
def remove_disk(soak):
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.having("faulty", "spare") and not array.targets
        ]
    )
    disk, is_wiped = (
        soak.pick(array.having("faulty") or array.having("spare")),
        soak.random.random() < 0.5,
    )
    if array.lacking and array.roles[disk] == "spare":
        raise NotNow

    def done(_reply):
        soak.model.disks[disk].was_spare = (
            soak.model.disks[disk].was_spare or array.roles.pop(disk) == "spare"
        )
        array.roles.pop(disk, None)
        soak.model.disks[disk].become(
            "free" if is_wiped else "former", array.uuid, soak.model.disks[disk].is_fresh
        )

    return Plan(
        "remove_disk",
        {"array": soak.name(array), "disk": soak.named(disk), "wipe_old": is_wiped},
        done,
        ("XSRAID_UNKNOWN_DISK",),
    )


@planned(5)
def add_disk(soak):
    array = redundant(soak)
    disk, is_stale = new_disk(soak, array)
    if not array.lacking and len(soak.model.disks_that_are("free")) < 2:
        raise NotNow
    arguments = {"array": soak.name(array), "disk": soak.named(disk)}
    return Plan(
        "add_disk",
        dict(arguments, wipe=True) if is_stale else arguments,
        lambda reply: array.roles.update({disk: "spare"}),
        ("XSRAID_DISK_IN_USE",),
    )


@planned(5)
def replace_disk(soak):
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.level != "0" and array.is_calm and (array.having("faulty") or array.is_whole)
        ]
    )
    old, (new, is_stale) = (
        soak.pick(array.having("faulty") or array.having("active")),
        new_disk(soak),
    )
    is_dead = array.roles[old] == "faulty"

    def done(reply):
        if is_dead:
            del array.roles[old]
            # One that was killed may have taken out the old one only.
            if reply or soak.devices[new] in soak.found(soak.look(), array)["members"]:
                array.roles[new] = "spare"
        else:
            array.roles[new], array.targets[old] = "filling", new

    arguments = {"array": soak.name(array), "disk": soak.named(old), "new_disk": soak.named(new)}
    if is_stale:
        arguments = dict(arguments, wipe=True)
    refusals = ("XSRAID_BAD_ARGUMENT", "XSRAID_DISK_IN_USE")
    if is_dead:
        refusals = ("XSRAID_UNKNOWN_DISK",)
    return Plan("replace_disk", arguments, done, refusals)


@planned(3)
def check_array(soak):
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.level != "0"
            and not array.lacking
            and array.action in ("idle", "check")
            and not array.targets
        ]
    )
    action = "stop" if array.action == "check" else "start"
    return Plan(
        "check_array", {"array": soak.name(array), "action": action}, lambda reply: None, ()
    )


@operation(3)
def grow_array(soak):
    """By one disk, until the reshape is over; what is cut off in its midst is tried in
    test_growth.py. Large chunks want more room than there is.
    """
    counts = {"1": (2, 3), "5": (3,), "6": (4,), "10": (4,)}
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.disk_count in counts.get(array.level, ())
            and array.is_whole
            and not array.having("spare", "faulty")
        ]
    )
    disk, is_stale = new_disk(soak)
    arguments = {
        "array": soak.name(array),
        "devices": soak.named(disk),
        **({"wipe": True} if is_stale else {}),
    }
    md = f"/sys/block/{array.node[5:]}/md"
    if array.level != "1" and int(soak.dom0.run(f"cat {md}/chunk_size").out) > 512 << 10:
        soak.refused(
            "XSRAID_UNSUPPORTED" if array.level != "10" else "XSRAID_COMMAND_FAILED",
            "grow_array",
            **arguments,
        )
        return
    soak.call("grow_array", **arguments)
    soak.limit_sync(200000)
    soak.run(f"until [ $(cat {md}/sync_action) != reshape ]; do sleep 0.2; done", "reshaped")
    array.disk_count += 1
    array.roles[disk] = "filling" if array.level == "1" else "active"
    soak.settle()


@operation(2)
def identify_disk(soak):
    """Of any disk that answers; nothing changes."""
    disk = soak.pick(
        sorted(disk for disk, about in soak.model.disks.items() if not about.is_pulled)
    )
    reply = soak.call("identify_disk", disk=soak.named(disk), seconds=1)
    if (reply["serial"], reply["way"]) != (soak.serials[disk], "activity light"):
        raise Wrong(f"it was {disk} that should blink: {reply}")


@operation(2)
def check_finds_what_was_planted(soak):
    """On a RAID1 without anything on it; a repair then makes its members alike again, and that is
    told of, too.
    """
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.level == "1" and not array.sr and array.is_whole and array.alarms < ALARMS_MAX
        ]
    )
    device = soak.devices[array.having("active")[-1]]
    soak.run(
        f"dd if=/dev/urandom of={device} bs=64k seek=1000 count=1 oflag=direct conv=notrunc",
        f"planted on {device}",
    )
    soak.call("check_array", array=soak.name(array), action="start")
    soak.model.ledger.add(array, ("XSRAID_MISMATCHES", None))
    soak.settle()
    soak.run(f"echo repair >/sys/block/{array.node[5:]}/md/sync_action", "repaired")
    soak.model.ledger.add(array, ("XSRAID_MISMATCHES", None))
    soak.settle()


@planned(4)
def delete_array(soak):
    """Not while its alerts wait for XAPI, which would not hear of them any more, nor while a disk
    is away that has its superblock.
    """
    array = soak.pick([array for array in soak.model.arrays if array.sr is None])
    if not soak.model.is_told or any(
        soak.model.disks[disk].is_pulled for disk in soak.model.formers(array)
    ):
        raise NotNow
    return Plan(
        "delete_array",
        {"array": soak.name(array), "confirm": array.name},
        lambda reply: soak.forget(array),
        ("XSRAID_UNKNOWN_ARRAY",),
    )


@operation(2)
def adopt_array(soak):
    """Of the line that somebody has taken out; it counts the spares that there are now."""
    array = soak.pick([array for array in soak.model.arrays if array.is_calm])
    soak.run(f"sed -i '/{array.uuid}/d' /etc/mdadm.conf", str(array))
    soak.call("adopt_array", array=array.uuid)
    array.spare_count = len(array.having("spare"))


@operation(1)
def adopt_array_made_by_hand(soak):
    free = soak.model.disks_that_are("free")
    if len(free) < 2 or len(soak.model.arrays) >= ARRAYS_MAX:
        raise NotNow
    members, name = soak.random.sample(free, 2), f"hand{soak.next_number()}"
    soak.run(
        f"mdadm --create /dev/md/{name} --run --level=1 --raid-devices=2 --metadata=1.2 "
        "--homehost=any "
        f"{' '.join(soak.devices[disk] for disk in members)} && udevadm settle",
        name,
    )
    record = soak.call("adopt_array", array=soak.run(f"readlink -f /dev/md/{name}").strip())[
        "array"
    ]
    soak.add_array(Array(record, "1", members, []))


# -- storage repositories --------------------------------------------------------------------------


@planned(14)
def create_sr(soak):
    """wipe: disks that have had an SR before may hold its label where the new array's data
    begin.
    """
    array, kind = (
        soak.pick([array for array in soak.model.arrays if array.sr is None and array.left >= 0]),
        soak.pick(["lvm", "lvm", "lvm", "ext"]),
    )

    def done(reply):
        array.sr = reply["sr_uuid"]
        if kind == "lvm":
            array.volume = Volume(soak.dom0, array.sr, f"blocks{soak.next_number()}.log")
        soak.model.written(array)

    return Plan(
        "create_sr",
        {
            "array": soak.name(array),
            "type": kind,
            "name_label": "Local " + array.name,
            "wipe": True,
        },
        done,
        (),
    )


@operation(2)
def create_sr_while_its_storage_manager_fails(soak):
    array = soak.pick(
        [array for array in soak.model.arrays if array.sr is None and array.left >= 0]
    )
    soak.run(f"mkdir -p {FAULTS} && echo 5 >{FAULTS}/sm.run.vgcreate.fail.once")
    soak.refused("SR_BACKEND_FAILURE_77", "create_sr", array=array.uuid, wipe=True)
    soak.model.written(array)


@operation(2)
def destroy_sr(soak):
    array = soak.pick([array for array in soak.model.arrays if array.sr])
    soak.stop_writing(array)
    if array.volume:
        soak.run(f"lvremove -q -f VG_XenStorage-{array.sr}/blocks")
    soak.run(
        f"xe pbd-unplug uuid=$(xe pbd-list sr-uuid={array.sr} --minimal) && xe sr-destroy "
        f"uuid={array.sr}",
        str(array),
    )
    array.sr = array.volume = None


@operation(6)
def write(soak):
    soak.write(
        soak.pick([array for array in soak.model.arrays if array.volume]),
        soak.random.randrange(1, 100),
    )


@operation(4)
def write_all_the_time(soak):
    array = soak.pick(
        [array for array in soak.model.arrays if array.volume and not array.is_written]
    )
    write_on(soak, array)
    soak.note(array)


def write_on(soak, array):
    """Let somebody write to an array until it is stopped, or the power goes."""
    soak.dom0.run(f"{array.volume.writing()} {ALONE} echo $! >/run/writer-{array.sr}")
    array.is_written = True


@operation(3)
def verify(soak):
    soak.verify(soak.pick([array for array in soak.model.arrays if array.volume]))


# -- disks -----------------------------------------------------------------------------------------


@operation(3)
def pull_disk(soak):
    """Mostly a member. One that was active is told of by its name, unless mdadm comes too late to
    see more than what is missing.
    """
    if soak.random.random() < 0.6:
        array, disk = fallible(soak)
    else:
        array, disk = None, soak.pick(soak.model.disks_that_are("free", "stale", "former"))
    device = soak.devices[disk]
    soak.dom0.pull_disk(disk)
    soak.note(f"{disk}, {device}" + (f" of {array}" if array else ""))
    soak.model.disks[disk].is_pulled = True
    if array:
        soak.failed(
            array,
            disk,
            ("XSRAID_DISK_FAILED", device),
            ("XSRAID_DISK_FAILED", "(not named)"),
            ("XSRAID_ARRAY_DEGRADED", None),
        )
        del array.roles[disk]
        soak.model.take(array)


@operation(4)
def push_disks(soak):
    """udev may take a former member in again (mdadm --incremental), which then is brought up to
    date, or leave it to add_disk.
    """
    pulled = soak.model.pulled()
    soak.pick(pulled)
    soak.dom0.push_disks()
    for disk in sorted(set(pulled) - set(soak.dom0.disks())):
        soak.dom0.plug_in(disk)  # pulled before the last boot
    soak.note(" ".join(pulled))
    soak.returned(pulled)


@operation(1)
def file_system_on_a_free_disk(soak):
    disk = soak.pick(soak.model.disks_that_are("free"))
    soak.run(f"mkfs.ext4 -q {soak.devices[disk]} && udevadm settle", disk)
    soak.model.disks[disk].become("stale")


@operation(3)
def synchronise_slowly_or_fast(soak):
    soak.limit_sync(soak.pick([3000, 10000, 200000]))


# -- alerts ----------------------------------------------------------------------------------------


@planned(2)
def configure_alerts(soak):
    return Plan("configure_alerts", soak.alerts, lambda reply: soak.monitor_starts(), ())


@operation(3)
def mail_server_out_of_order(soak):
    if not soak.model.is_mailing:
        raise NotNow
    mode = soak.pick(MAIL_MODES)
    soak.dom0.smtp(mode)
    soak.note(mode)
    soak.model.is_mailing = False


@operation(4)
def mail_server_in_order(soak):
    if soak.model.is_mailing:
        raise NotNow
    soak.mail_again()
    soak.check_mails()


@operation(2)
def xapi_takes_no_messages(soak):
    if not soak.model.is_told:
        raise NotNow
    fault = soak.pick(sorted(XAPI_FAULTS))
    soak.run(f"mkdir -p {FAULTS} && printf '{XAPI_FAULTS[fault]}' >{FAULTS}/{fault}", fault)
    soak.model.is_told = False


@operation(4)
def xapi_takes_messages(soak):
    if soak.model.is_told:
        raise NotNow
    soak.tell_again()


@operation(2)
def alert_test(soak):
    array = redundant(soak)
    if not soak.model.is_told:
        raise NotNow
    if soak.model.is_mailing:
        deliveries = soak.call("test_alert", array=soak.name(array))["deliveries"]
        # One there is never answers.
        if any(
            delivery["accepted"] == (delivery["channel"] == "webhook") for delivery in deliveries
        ):
            raise Wrong(f"test_alert replied {deliveries}")
    else:
        soak.refused("XSRAID_MAIL_REJECTED", "test_alert", array=soak.name(array), timeout_s=10)
    soak.model.ledger.add(array, ("XSRAID_TEST", None), is_mailed=soak.model.is_mailing)
    array.alarms -= 1  # tests are not counted


@operation(2)
def alert_history(soak):
    """Each alert of which XAPI has a message is there, with the disk and the array that it is
    about.
    """
    told = soak.told()
    alerts = soak.call("alert_history", count=500)["alerts"]
    known = collections.Counter((alert["name"], alert["array"], alert["disk"]) for alert in alerts)
    known_pairs = [tuple(one[:2]) for one in known]
    missing = [(name, node) for name, node, _ in told if (name, node) not in known_pairs]
    if missing:
        raise Wrong(f"the history lacks {missing}")


# -- power -----------------------------------------------------------------------------------------


@operation(3)
def power_cut(soak):
    soak.make_safe()
    soak.dom0.run("sync")  # what the soak itself has set up is not what a power cut is to undo
    soak.dom0.run(f"sleep {soak.random.uniform(0, 2):.3f}")
    soak.dom0.cut_power()
    soak.boot()


@operation(2)
def reboot(soak):
    soak.make_safe()
    soak.dom0.guest.shut_down()
    soak.boot()


@operation(3)
def power_cut_after_a_failure(soak):
    """A member that failed just before may be in sync again: then nobody need have been told."""
    array, disk = fallible(soak)
    if array.level in ("5", "6") or not soak.model.is_told:
        raise NotNow
    soak.make_safe()
    device, told_before = soak.devices[disk], array.told
    soak.run(f"sync; mdadm --manage {array.node} --set-faulty {device}", f"{disk} of {array}")
    array.roles[disk] = "faulty"
    soak.model.disks[disk].is_fresh = True
    soak.dom0.run(f"sleep {soak.random.uniform(0, 2.5):.3f}")
    soak.dom0.cut_power()
    soak.boot()
    is_back = disk in array.roles
    soak.model.ledger.add(
        array,
        ("XSRAID_DISK_FAILED", device),
        ("XSRAID_ARRAY_DEGRADED", None),
        certainty=POSSIBLE if is_back else CERTAIN,
    )
    if told_before == NONE:
        array.told = POSSIBLE if is_back or array.having("spare", "filling") else CERTAIN


# -- what is refused, disturbed or killed ----------------------------------------------------------


@operation(8)
def refused_call(soak):
    calls = list(refusals(soak))
    # First of which kind, as there are many of some.
    kind = soak.pick(sorted({call[:2] for call in calls}))
    code, function, arguments = soak.pick([call for call in calls if call[:2] == kind])
    soak.refused(code, function, **arguments)


@operation(8)
def the_last_redundancy_is_not_given_up(soak):
    array = soak.pick(
        [
            array
            for array in soak.model.arrays
            if array.level != "0" and array.is_calm and array.left == 0
        ]
    )
    disk = soak.pick(array.having("active"))
    soak.refused(
        "XSRAID_WOULD_LOSE_DATA",
        "fail_disk",
        array=soak.name(array),
        disk=soak.named(disk),
        confirm=soak.serials[disk],
    )


def refusals(soak):
    """Yield (code, function, arguments) of calls that must be refused and change nothing."""
    free, kept = soak.named("zeros"), soak.named("mounted")
    yield (
        "XSRAID_DISK_IN_USE",
        "create_array",
        {"level": "1", "devices": [free, kept], "wipe": True},
    )
    yield "XSRAID_NOT_ENOUGH_DISKS", "create_array", {"level": "5", "devices": free, "wipe": True}
    yield (
        "XSRAID_BAD_ARGUMENT",
        "create_array",
        {"level": "1", "devices": [free, soak.serials["zeros"]], "wipe": True},
    )
    yield (
        "XSRAID_UNKNOWN_DISK",
        "create_array",
        {"level": "1", "devices": [free, "/dev/sdzz"], "wipe": True},
    )
    yield "XSRAID_UNKNOWN_ARRAY", "create_sr", {"array": "md99", "wipe": True}
    yield "XSRAID_UNKNOWN_ARRAY", "adopt_array", {"array": "md99"}
    yield "XSRAID_BAD_ARGUMENT", "configure_alerts", dict(soak.alerts, smtp_password="in the open")
    for disk in soak.model.disks_that_are("stale"):
        yield (
            "XSRAID_STALE_DATA",
            "create_array",
            {"level": "1", "devices": [free, soak.named(disk)]},
        )
    for disk in soak.model.disks_that_are("member", "former"):
        yield (
            "XSRAID_DISK_IN_USE",
            "create_array",
            {"level": "1", "devices": [free, soak.named(disk)], "wipe": True},
        )
    for array in soak.model.arrays:
        yield from refusals_of(soak, array, soak.name(array), free, kept)


def refusals_of(soak, array, name, free, kept):
    """Yield the same for one array."""
    member = soak.random.choice(array.having("active"))
    yield "XSRAID_BAD_ARGUMENT", "delete_array", {"array": name, "confirm": "all of it"}
    if array.sr:
        yield "XSRAID_ARRAY_IN_USE", "delete_array", {"array": name, "confirm": array.name}
    if array.level == "0":
        yield "XSRAID_BAD_ARGUMENT", "add_disk", {"array": name, "disk": free}
        yield "XSRAID_BAD_ARGUMENT", "check_array", {"array": name, "action": "start"}
        yield (
            "XSRAID_BAD_ARGUMENT",
            "fail_disk",
            {"array": name, "disk": soak.named(member), "confirm": soak.serials[member]},
        )
        return
    yield "XSRAID_DISK_IN_USE", "add_disk", {"array": name, "disk": kept, "wipe": True}
    yield (
        "XSRAID_DISK_IN_USE",
        "add_disk",
        {"array": name, "disk": soak.named(member), "wipe": True},
    )
    yield (
        "XSRAID_UNKNOWN_DISK",
        "fail_disk",
        {"array": name, "disk": free, "confirm": soak.serials["zeros"]},
    )
    yield (
        "XSRAID_BAD_ARGUMENT",
        "fail_disk",
        {"array": name, "disk": soak.named(member), "confirm": soak.serials["zeros"]},
    )
    if not array.is_calm:
        return
    code = "XSRAID_BAD_ARGUMENT" if array.lacking else "XSRAID_DISK_IN_USE"
    yield (
        code,
        "replace_disk",
        {"array": name, "disk": soak.named(member), "new_disk": kept, "wipe": True},
    )
    if array.lacking:
        yield "XSRAID_BAD_ARGUMENT", "check_array", {"array": name, "action": "start"}
        yield (
            "XSRAID_BAD_ARGUMENT",
            "replace_disk",
            {"array": name, "disk": soak.named(member), "new_disk": free},
        )
    yield (
        "XSRAID_WOULD_LOSE_DATA" if array.left < 1 else "XSRAID_BAD_ARGUMENT",
        "remove_disk",
        {"array": name, "disk": soak.named(member)},
    )


@operation(4)
def two_calls_at_once(soak):
    """The same call twice, or one that only looks beside it: one of them does it, and the other is
    refused or finds it done.
    """
    plan = soak.plan()
    call = plan.function, {name: plugin_text(value) for name, value in plan.arguments.items()}
    other = soak.pick([call, call, ("list_arrays", {}), ("list_disks", {}), ("alert_history", {})])
    soak.note(f"{typed(plan)} and {other[0]}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = [
            reply
            for batch in pool.map(lambda one: answers(soak.dom0, [one]), (call, other))
            for reply in batch
        ]
    count = 2 if other is call else 1
    good = [reply for reply in replies[:count] if isinstance(reply, dict)]
    codes = [reply[0] for reply in replies if isinstance(reply, list)]
    if not good or [
        code
        for code in codes
        if code not in ("XSRAID_BUSY", "XSRAID_DISK_IN_USE", "XSRAID_BAD_ARGUMENT", *plan.repeats)
    ]:
        raise Wrong(f"two calls at once replied {replies}")
    soak.note(" ".join(codes))
    plan.done(good[0])
    soak.inspect(good[:1])


@operation(4)
def killed_call(soak):
    """The same call again finishes what was begun; XSRAID_BUSY while a command that the dead call
    has started is still at work.
    """
    plan, delay_s = soak.plan(), soak.random.uniform(0, 0.8)
    soak.run(
        f"{BY_HAND} {typed(plan)} {ALONE} caller=$!; until children=$(cat "
        '/proc/$caller/task/$caller/children) && [ "$children" ]; do '
        f"kill -0 $caller || exit 0; sleep 0.01; done; sleep {delay_s:.3f}; kill -9 $children "
        "2>/dev/null; true",
        f"{typed(plan)}, killed after {delay_s:.3f} s",
    )
    reply = soak.dom0.wait_until(lambda: soak.unless_busy(plan), interval_s=0.3)
    if isinstance(reply, list) and reply[0] not in plan.repeats:
        raise Wrong(f"{plan.function} was killed, and again it replied {reply}")
    soak.note(reply[0] if isinstance(reply, list) else "done")
    plan.done(None if isinstance(reply, list) else reply)
    soak.inspect(reply)
