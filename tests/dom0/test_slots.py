"""Places for guests: one each, and for a pool's guests one or two together, so that two pools never
wait for each other.
"""

import os
import threading
import time

import pytest

from tests.dom0 import slots

CPUS = len(os.sched_getaffinity(0))
PLACES = len(slots.places())


def cpus_of(taken):
    return [slot.cpu for slot in taken]


def free_places(build):
    """Return how many slots could be taken now."""
    taken = []
    with pytest.raises(TimeoutError):
        while True:
            taken.append(slots.take(build, timeout_s=0.1, locks=build))
    for slot in taken:
        slot.release()
    return len(taken)


def test_a_processor_has_a_second_guest_when_each_has_one(tmp_path):
    taken = [slots.take(str(tmp_path), locks=str(tmp_path)) for _ in range(PLACES)]
    assert PLACES == 2 * CPUS
    assert len(set(cpus_of(taken[:CPUS]))) == CPUS
    assert len({slot.folder for slot in taken}) == PLACES


def test_guests_of_a_pool_have_two_processors_where_two_are_free(tmp_path):
    taken = slots.take_together(str(tmp_path), 3, str(tmp_path))
    assert len({slot.folder for slot in taken}) == 3
    assert all(os.listdir(slot.folder) == [] for slot in taken)
    assert len(set(cpus_of(taken))) == min(2, CPUS)
    assert cpus_of(taken)[1] == cpus_of(taken)[2]
    assert free_places(str(tmp_path)) == PLACES - min(2, PLACES)
    for slot in taken[:-1]:
        slot.release()
    # The last of them holds the processor that it shared.
    assert free_places(str(tmp_path)) == PLACES - 1
    taken[-1].release()
    assert free_places(str(tmp_path)) == PLACES
    assert not any(os.path.exists(slot.folder) for slot in taken)


def test_guests_of_a_pool_share_one_place_where_one_is_free(tmp_path):
    others = [slots.take(str(tmp_path), locks=str(tmp_path)) for _ in range(PLACES - 1)]
    taken = slots.take_together(str(tmp_path), 3, str(tmp_path))
    assert len(set(cpus_of(taken))) == 1
    assert len({slot.folder for slot in taken + others}) == PLACES + 2


def test_who_waits_longest_is_served_first(tmp_path):
    """Also before one that has just given a processor back and wants the next."""
    build, served = str(tmp_path), []
    taken = [slots.take(build, locks=build) for _ in range(PLACES)]

    def wait_for_one(name):
        slot = slots.take(build, locks=build)
        served.append(name)
        slot.release()

    waiting = [threading.Thread(target=wait_for_one, args=[name]) for name in "abc"]
    for thread in waiting:
        thread.start()
        time.sleep(0.3)
    taken[0].release()
    wait_for_one("again")
    for thread in waiting:
        thread.join()
    assert served == ["a", "b", "c", "again"]
