"""Finding a disk among others: the verb `identify_disk` makes its light blink, and `put_out` ends
what a call that was killed has left on.
"""

from __future__ import absolute_import

import collections
import os
import random
import syslog
import time

from xsraid.disks import inventory
from xsraid.errors import CommandFailed, Timeout, XsraidError
from xsraid.host import clock, enclosures, store, sysfs
from xsraid.host.process import find_tool, run
from xsraid.text import random_hex

LOCATE_LED, LEDCTL, ACTIVITY = "locate LED", "ledctl", "activity light"
SEEN = {
    LOCATE_LED: "Its locate LED was on",
    LEDCTL: "Its locate LED was on",
    ACTIVITY: "Its activity light was on and off in turns of half a second",
}
SECONDS_MAX = 3600
GRACE_S = 30  # a call puts its own LED out
GIVE_UP_S = 86400
SETTLE_S, LOOK_S = 2, 0.1
LEDCTL_LIMIT_S = 20
BEAT_S = 0.5
READ_BYTES = 1 << 20
READ_LIMIT_S = 5  # of one read; a disk that works takes hundredths of a second
TRIES = 3  # reads that fail before a disk counts as dead: one may have met a bad place
DARK = (
    "%s does not answer reads, so its light does not blink: it is the one that stays dark while "
    "identify_disk makes each of the others blink."
)


def identify_disk(host, session, disk, seconds):
    """Make a disk's light blink. Return device, serial, by_id, enclosure_slot, array (of which it
    is a member), way, seconds (that it took), next.

    disk: a path, by-id link or serial number, of any disk of this host. Its enclosure's locate LED
    does it, or ledctl; where neither can, reads that its activity light shows. Raises CommandFailed
    or Timeout for a disk that answers no read, UnknownDisk, BadArgument.
    """
    put_out(host)
    (record,) = inventory.resolve(host, inventory.inventory(host), [disk], "disk", inventory.DISK)
    name = sysfs.name_of(record.device)
    slot = enclosures.slots(host).get(name)
    array = _array_of(host, name)
    started = clock.monotonic_s()
    way = next(
        (light["way"] for light in _lights(host, record, slot) if _shine(host, light, seconds)),
        None,
    )
    if way is None:
        started, way = clock.monotonic_s(), ACTIVITY
        _flicker(host, record, seconds)
    return collections.OrderedDict(
        [
            ("device", record.device),
            ("serial", record.serial),
            ("by_id", record.by_id),
            ("enclosure_slot", slot.name if slot else None),
            ("array", array),
            ("way", way),
            ("seconds", int(round(clock.monotonic_s() - started))),
            ("next", _what_next(way, record, array)),
        ]
    )


def put_out(host):
    """Put out the LEDs that killed calls have left on, when their time is over. What cannot be put
    out now, the next call tries again.
    """
    for key, light in sorted(_noted(host).items()):
        left_s = light.get("until", 0) + GRACE_S - time.time()
        if not 0 < left_s <= SECONDS_MAX + GRACE_S:  # more is left where the clock was put back
            _end(host, key, light)


def _array_of(host, name):
    """Return the node of the array that a disk, or a partition of it, is a member of, None if there
    is none.
    """
    above = sysfs.holders(host, name) + [
        holder
        for part in sysfs.partitions(host, name)
        for holder in sysfs.holders(host, name, part)
    ]
    return next((sysfs.node(holder) for holder in above if holder.startswith("md")), None)


def _lights(host, record, slot):
    """Return the LEDs that may be the disk's, the better first: their way, light (what it is
    switched by) and was (what `locate` was before).
    """
    found = []
    was = host.attribute(slot.path + "/locate") if slot else None
    if was is not None:
        found.append({"way": LOCATE_LED, "light": slot.path + "/locate", "was": was})
    if find_tool(host, "ledctl"):
        found.append({"way": LEDCTL, "light": record.by_id or record.device, "was": None})
    return found


def _shine(host, light, seconds):
    """Return whether a LED went on; then it was on for that long. Its note comes first, so that it
    ends whatever becomes of this call.
    """
    key = random_hex(16)
    for other in _noted(host).values():
        if other.get("light") == light["light"]:
            light = dict(light, was=other["was"])  # before any of us
    light = dict(light, until=time.time() + seconds)
    store.write(host, store.IDENTIFYING, light, key)
    try:
        _switch(host, light, True)
        is_on = light["way"] == LEDCTL or _is_lit(host, light)
        if is_on:
            time.sleep(seconds)
        return is_on
    except (CommandFailed, Timeout) as error:
        host.log("%s: %s" % (light["way"], error), syslog.LOG_WARNING)
        light = light if isinstance(error, Timeout) else {}  # refused: there is nothing to put out
        return False
    finally:
        _end(host, key, light)


def _is_lit(host, light):
    """Return whether the enclosure says that the LED is on: of one that refuses, the kernel tells
    no error (drivers/misc/enclosure.c).
    """
    deadline = clock.monotonic_s() + SETTLE_S
    while host.attribute(light["light"]) != "1":
        if clock.monotonic_s() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def _switch(host, light, is_on):
    """Turn a LED on, or to what it was. Raises CommandFailed, Timeout."""
    if light["way"] == LOCATE_LED:
        host.write_attribute(light["light"], "1" if is_on else light["was"])
    else:  # without --listed-only, ledctl turns off the LEDs of all other disks, ledctl(8)
        word = "locate" if is_on else "locate_off"
        run(
            host,
            ["ledctl", "--listed-only", "%s=%s" % (word, host.real_path(light["light"]))],
            LEDCTL_LIMIT_S,
        )


def _end(host, key, light):
    """Put out a LED, unless another call has it on for longer, and drop its note. Where that fails
    the note stays, for a day at most.
    """
    same_led = [
        (other["until"], other_key)
        for other_key, other in _noted(host).items()
        if other and other["light"] == light.get("light")
    ]
    try:
        if light and all((light["until"], key) >= one for one in same_led):
            _switch(host, light, False)
    except XsraidError as error:
        host.log("a LED may have stayed on: %s" % error, syslog.LOG_WARNING)
        if (
            os.path.exists(host.path(light["light"]))
            and abs(time.time() - light["until"]) < GIVE_UP_S
        ):
            return
    store.remove(host, store.IDENTIFYING, key)


def _noted(host):
    """Return {key: facts} of the notes of LEDs; of one that cannot be understood, or has just gone,
    the facts are {}.
    """
    return {
        key: store.read(host, store.IDENTIFYING, key) or {}
        for key in store.uuids(host, store.IDENTIFYING)
    }


def _flicker(host, record, seconds):
    """Read for half a second, pause for as long, until the time is over or the disk is gone. Raises
    CommandFailed, Timeout if it never answers.
    """
    deadline, has_answered = clock.monotonic_s() + seconds, False
    while clock.monotonic_s() < deadline:
        failure = _read_for_a_beat(host, record)
        if failure and not has_answered:
            raise _dark(record, failure)
        if failure:
            return
        has_answered = True
        time.sleep(max(0, min(BEAT_S, deadline - clock.monotonic_s())))


def _read_for_a_beat(host, record):
    """Read here and there, past the kernel's cache and, as no place is like the last, the disk's.
    Return the last failure if no read was answered.
    """
    end, has_answered, failures = clock.monotonic_s() + BEAT_S, False, []
    places = max(1, record.size_bytes // READ_BYTES)
    while len(failures) < TRIES and (clock.monotonic_s() < end or not has_answered):
        place = "skip=%d" % random.randrange(places)
        try:
            run(
                host,
                [
                    "dd",
                    "if=" + record.device,
                    "of=/dev/null",
                    "iflag=direct",
                    "bs=%d" % READ_BYTES,
                    "count=1",
                    place,
                ],
                READ_LIMIT_S,
            )
            has_answered = True
        except CommandFailed as error:
            failures.append(error)
        except Timeout as error:  # it may take as long each time
            failures.append(error)
            break
    return None if has_answered else failures[-1]


def _dark(record, failure):
    """Return the error that tells how to find a disk that answers no read. failure: CommandFailed
    or Timeout.
    """
    advice = " ".join([DARK % record.device] + _label(record))
    if isinstance(failure, Timeout):
        return Timeout(failure.what, READ_LIMIT_S, advice)
    return CommandFailed(failure.command, failure.status, failure.last_words, advice)


def _label(record):
    return ["The label of the right disk says %s." % record.serial] if record.serial else []


def _what_next(way, record, array):
    sentences = [SEEN[way] + "; if nobody saw it, repeat the call with more seconds."] + _label(
        record
    )
    if array:
        sentences.append(
            "It is a member of %s: remove_disk or replace_disk comes before it is pulled." % array
        )
    return " ".join(sentences)
