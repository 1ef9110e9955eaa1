"""What arrays are besides whole and degraded: read-only, frozen, firmware RAID, of another level,
bigger than their repository.
"""

import pytest

from tests.dom0.steps import create, one_of, refusal, settled

MIB = 1 << 20
DOM0_OPTIONS = {"disks": tuple("abcd"), "disk_bytes": 320 * MIB}
PREFERRED_PYTHON = "2.7"
pytestmark = pytest.mark.usefixtures("fresh_dom0")
# An mdadm that freezes the array, as the real one does before it asks the member that does not
# answer.
STALLING = """#!/bin/sh
case "$*" in *%s*) echo frozen >/sys/block/md0/md/sync_action; exec sleep 60;; esac
exec /usr/sbin/mdadm.real "$@"
"""


def listed(dom0, array="md0"):
    return dom0.call("list_arrays", array=array)["arrays"][0]


def test_a_read_only_array_is_left_as_it_is(dom0):
    create(dom0, "a", "b")
    settled(dom0)
    disks = dom0.disks()
    dom0.call("fail_disk", array="md0", disk=disks["a"].device, confirm=disks["a"].serial)
    dom0.run("mdadm --readonly /dev/md0")
    before = listed(dom0)["members"]
    for function, arguments in (
        ("check_array", {"action": "start"}),
        ("add_disk", {"disk": disks["c"].device}),
        ("replace_disk", {"disk": disks["a"].device, "new_disk": disks["c"].device}),
        ("grow_array", {"devices": disks["c"].device}),
    ):
        refused = refusal(dom0, function, array="md0", **arguments)
        assert refused[:2] == ["XSRAID_BAD_ARGUMENT", "array"], refused
        assert "mdadm --readwrite /dev/md0" in refused[-1], refused
    assert listed(dom0)["members"] == before
    assert listed(dom0)["read_only"]
    dom0.run("mdadm --readwrite /dev/md0")
    dom0.call("replace_disk", array="md0", disk=disks["a"].device, new_disk=disks["c"].device)


@pytest.mark.parametrize("word", one_of("--replace", "--add", "--raid-devices=3"))
def test_an_mdadm_that_was_ended_leaves_nothing_frozen(dom0, word):
    create(dom0, "a", "b")
    settled(dom0)
    disks = dom0.disks()
    dom0.run(
        "sed -i 's/^timeout_s = 60/timeout_s = 2/' /etc/xsraid.conf && mv /usr/sbin/mdadm "
        "/usr/sbin/mdadm.real && cat > /usr/sbin/mdadm && chmod 755 /usr/sbin/mdadm",
        stdin=STALLING % word,
    )
    try:
        call = {
            "--replace": (
                "replace_disk",
                {"disk": disks["a"].device, "new_disk": disks["c"].device},
            ),
            "--add": ("add_disk", {"disk": disks["c"].device}),
            "--raid-devices=3": ("grow_array", {"devices": disks["c"].device}),
        }[word]
        refused = refusal(dom0, call[0], array="md0", **call[1])
        assert refused[0] == "XSRAID_TIMEOUT", refused
        assert word in refused[1], refused
    finally:
        dom0.run(
            "mv /usr/sbin/mdadm.real /usr/sbin/mdadm; sed -i 's/^timeout_s = 2/timeout_s = 60/' "
            "/etc/xsraid.conf"
        )
    assert dom0.run("cat /sys/block/md0/md/sync_action").out.strip() != "frozen"
    assert listed(dom0)["health"] == "optimal"


def test_a_frozen_array_says_so(dom0):
    create(dom0, "a", "b")
    settled(dom0)
    dom0.run("echo frozen > /sys/block/md0/md/sync_action")
    record = listed(dom0)
    assert (record["health"], record["frozen"]) == ("frozen", True)
    assert "echo idle" in record["summary"]
    assert dom0.run("xsraid status", check=False).status == 3
    dom0.run("echo idle > /sys/block/md0/md/sync_action")
    assert listed(dom0)["health"] == "optimal"
    assert dom0.run("xsraid status", check=False).status == 0


@pytest.mark.parametrize("metadata", one_of("imsm", "ddf"))
def test_firmware_raid_is_a_container_and_its_volumes(dom0, metadata):
    a, b = dom0.disk("a").device, dom0.disk("b").device
    dom0.run(
        f"export IMSM_NO_PLATFORM=1; mdadm -q --create /dev/md/box -e {metadata} --run "
        f"--raid-devices=2 {a} {b} && "
        "mdadm -q --create /dev/md/volume --run --level=1 --raid-devices=2 --assume-clean "
        "/dev/md/box && udevadm settle"
    )
    records = dom0.call("list_arrays")["arrays"]
    assert sorted(record["health"] for record in records) == ["container", "optimal"], records
    assert dom0.run("xsraid status", check=False).status == 0
    found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}
    assert not found[a]["usable"]
    assert found[a]["refusals"][0]["reason"] == "RAID_MEMBER"


def test_raid4_has_redundancy(dom0):
    disks = dom0.disks()
    dom0.run(
        "mdadm -q --create /dev/md4 --run --level=4 --assume-clean --raid-devices=3 "
        + " ".join(disks[name].device for name in "abc")
    )
    record = listed(dom0, "md4")
    assert (record["health"], record["redundancy_left"]) == ("optimal", 1)
    dom0.call("adopt_array", array="md4")
    dom0.call("fail_disk", array="md4", disk=disks["a"].device, confirm=disks["a"].serial)
    dom0.call("replace_disk", array="md4", disk=disks["a"].device, new_disk=disks["d"].device)


def test_an_array_that_was_made_bigger_by_hand_gives_its_repository_the_room(dom0):
    disks = dom0.disks()
    dom0.run(
        "mdadm -q --create /dev/md0 --run --level=1 --assume-clean --size=102400 --raid-devices=2 "
        f"{disks['a'].device} {disks['b'].device}"
    )
    array = dom0.call("adopt_array", array="md0")["array"]
    sr = dom0.call("create_sr", array="md0")["sr_uuid"]
    assert dom0.call("grow_array", array="md0")["sr_sees_size"] is None
    dom0.run("mdadm --grow /dev/md0 --size=max && udevadm settle")
    settled(dom0)
    reply = dom0.call("grow_array", array="md0")
    assert reply["sr_sees_size"] is True, reply
    assert (
        int(dom0.xe(f"sr-list uuid={sr} params=physical-size --minimal"))
        > 250 * MIB
        > array["size_bytes"]
    )
