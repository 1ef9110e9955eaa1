"""Finding a disk by the light that shows its reads: that of the right one, in turns with rest, for
no longer than was asked.
"""

import itertools
import json
import time

import pytest

from tests.dom0.steps import devices, refusal, settled

DOM0_OPTIONS = {"disks": ("d0", "d1")}
PREFERRED_PYTHON = "3.6"
STEP_S = 0.1
# Prints what every disk has read and written, in requests since boot, ten times a second.
SAMPLER = f"""
import glob, json, time
while True:
    counts = [(path.split("/")[3], open(path).read().split()) for path in glob.glob("/sys/block/sd*/stat")]
    print(json.dumps({{name: [int(fields[0]), int(fields[4])] for name, fields in counts}}), flush=True)
    time.sleep({STEP_S})
"""  # noqa: E501


@pytest.fixture
def sampled(fresh_dom0):
    """Return a function that calls identify_disk and returns the reply, how long the call took, and
    [{disk: [reads, writes]}] meanwhile.
    """
    fresh_dom0.run("cat >/run/sampler.py", stdin=SAMPLER)

    def call(**arguments):
        fresh_dom0.run(
            "python3.11 /run/sampler.py </dev/null >/run/samples 2>&1 & echo $! >/run/sampler"
        )
        started = time.monotonic()
        reply = fresh_dom0.call("identify_disk", **arguments)
        took_s = time.monotonic() - started
        lines = fresh_dom0.run("kill $(cat /run/sampler); cat /run/samples").out.splitlines()
        return reply, took_s, [json.loads(line) for line in lines]

    return call


def steps(samples, device, kind=0):
    """Return how much a disk's counter of reads (writes: kind=1) grew in each step."""
    counts = [sample[device.rpartition("/")[2]][kind] for sample in samples]
    return [after - before for before, after in zip(counts, counts[1:])]


def turns(grown):
    """Return [(is reading, number of steps)], one for each turn; a rest of one or two steps is
    none, the guest was slow.
    """
    found = [
        (is_reading, len(list(run))) for is_reading, run in itertools.groupby(map(bool, grown))
    ]
    merged = [(is_reading or count < 3, count) for is_reading, count in found]
    return [
        (is_reading, sum(count for _, count in run))
        for is_reading, run in itertools.groupby(merged, key=lambda turn: turn[0])
    ]


def test_the_right_disk_and_no_other_is_read_in_turns_with_rest(fresh_dom0, sampled):
    right, other = fresh_dom0.disk("d1"), fresh_dom0.disk("d0")
    reply, took_s, samples = sampled(disk=right.serial, seconds=5)
    assert (reply["device"], reply["serial"], reply["by_id"], reply["array"]) == (
        right.device,
        right.serial,
        right.by_id,
        None,
    )
    assert (reply["way"], reply["enclosure_slot"], reply["seconds"]) == ("activity light", None, 5)
    assert right.serial in reply["next"]
    assert 5 <= took_s < 10
    grown = steps(samples, right.device)
    assert sum(grown) > 20
    assert sum(steps(samples, other.device)) == 0
    assert sum(steps(samples, right.device, 1)) == sum(steps(samples, other.device, 1)) == 0
    # Before the call, and below after it.
    pattern = list(itertools.dropwhile(lambda turn: not turn[0], turns(grown)))
    pattern = pattern if pattern[-1][0] else pattern[:-1]
    assert [is_reading for is_reading, _ in pattern] == [True, False] * 4 + [True], pattern
    assert max(count for _, count in pattern) <= 9, pattern


@pytest.mark.parametrize("kind", ["device", "by_id"])
def test_by_other_names_and_for_as_long_as_asked(fresh_dom0, sampled, kind):
    right = fresh_dom0.disk("d0")
    reply, took_s, samples = sampled(disk=getattr(right, kind), seconds=1)
    assert reply["device"] == right.device
    assert took_s < 5
    assert sum(steps(samples, right.device)) > 0


def test_a_member_that_is_faulty_is_found_too(fresh_dom0):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    one = fresh_dom0.disk("d1")
    fresh_dom0.call("fail_disk", array="md0", disk=one.device, confirm=one.serial)
    reply = fresh_dom0.call("identify_disk", disk=one.serial, seconds=1)
    assert (reply["device"], reply["array"]) == (one.device, "/dev/md0")
    assert "remove_disk" in reply["next"]
    assert [
        member["enclosure_slot"]
        for member in fresh_dom0.call("list_arrays")["arrays"][0]["members"]
    ] == [None] * 3


def test_what_is_no_disk_of_this_host(fresh_dom0):
    assert refusal(fresh_dom0, "identify_disk", disk="/dev/sdzz")[0] == "XSRAID_UNKNOWN_DISK"
    assert refusal(fresh_dom0, "identify_disk", disk=fresh_dom0.disk("d0").device, seconds=3601)[
        :2
    ] == ["XSRAID_BAD_ARGUMENT", "seconds"]


def test_a_disk_that_does_not_answer(fresh_dom0):
    """It is the one that stays dark. One that is pulled is no disk of this host any more."""
    dead = fresh_dom0.disk("d1")
    fresh_dom0.run(f"echo offline >/sys/block/{dead.device.rpartition('/')[2]}/device/state")
    started = time.monotonic()
    code, command, *_, sentence = refusal(fresh_dom0, "identify_disk", disk=dead.serial)
    assert code == "XSRAID_COMMAND_FAILED"
    assert command.startswith(f"dd if={dead.device} ")
    assert time.monotonic() - started < 10
    assert "stays dark" in sentence
    assert dead.serial in sentence
    fresh_dom0.pull_disk("d1")
    assert refusal(fresh_dom0, "identify_disk", disk=dead.serial)[0] == "XSRAID_UNKNOWN_DISK"
