"""What is decided about a new array before anything is done."""

import pytest

from xsraid import planning, taking
from xsraid.errors import BadArgument, StaleData


def disks(*sizes):
    return [{"device": "/dev/sd%s" % letter, "size_bytes": size, "stale": [], "refusals": []} for letter, size in zip("abcdef", sizes)]


@pytest.mark.parametrize("sizes,unused_bytes", [((100, 100), 0), ((100, 125), 25), ((100, 100, 100, 140), 40)])
def test_a_tenth_of_the_disks_may_stay_unused(sizes, unused_bytes):
    if unused_bytes * 10 <= sum(sizes):
        assert planning._unused_bytes(disks(*sizes), False) == unused_bytes
    else:
        with pytest.raises(BadArgument) as caught:
            planning._unused_bytes(disks(*sizes), False)
        assert "/dev/sda" in caught.value.sentence and "11 %" in caught.value.sentence
    assert planning._unused_bytes(disks(*sizes), True) == unused_bytes


def test_what_is_stale_is_named_on_all_disks():
    chosen = disks(100, 100, 100)
    for disk in chosen[1:]:
        disk["stale"] = [{"type": "ext4", "label": "old", "device": disk["device"] + "1", "offset_bytes": 1080}]
    with pytest.raises(StaleData) as caught:
        taking.refuse_used(chosen, wipe=False)
    assert caught.value.parameters[:2] == ["/dev/sdb", "ext4 'old' on /dev/sdb1 (at byte 1080)"]
    assert "/dev/sdc still carries ext4 'old' on /dev/sdc1" in caught.value.sentence
    taking.refuse_used(chosen, wipe=True)


@pytest.mark.parametrize(
    "text,version",
    [("mdadm - v4.2 - 2021-12-30 - Debian 4.2-5", (4, 2)), ("mdadm - v3.3.2 - 21st August 2014", (3, 3)), ("4.19.0+1", (4, 19)), ("what?", (0, 0))],
)
def test_versions(text, version):
    assert planning.version_of(text) == version
