"""What is there is seen: on arrays, on their partitions, by XAPI's records and by the names of
volume groups, also by what finishes killed calls.
"""

import json
import uuid

import pytest

from tests.dom0.steps import create, one_of, refusal

MIB = 1 << 20
LARGE = str(uuid.uuid5(uuid.NAMESPACE_DNS, "large block"))
DOM0_OPTIONS = {"disks": tuple("abcdefghijkl"), "disk_bytes": 64 * MIB}
PREFERRED_PYTHON = "3.6"
pytestmark = pytest.mark.usefixtures("fresh_dom0")
SPLIT = "printf 'label: gpt\\n,24M\\n' | sfdisk -q {0} && udevadm settle"


def listed(dom0, array):
    return dom0.call("list_arrays", array=array["uuid"])["arrays"][0]


def superblocks(dom0, array, *names):
    """Return the names of the disks that carry the array's superblock."""
    disks = dom0.disks()
    return [
        name
        for name in names
        if array["uuid"]
        in dom0.run(["mdadm", "--examine", "--export", disks[name].device], check=False).out
    ]


def kill_creation(dom0, array):
    """Leave what a create_array leaves that was killed as soon as its array ran: the note, and no
    line yet.
    """
    dom0.run("sed -i /UUID/d /etc/mdadm.conf")
    note(
        dom0,
        "creating",
        array,
        {
            "request": {"devices": [], "spares": [], "journals": []},
            "commands": [],
            "unused_bytes": 0,
        },
    )


def note(dom0, kind, array, facts):
    path = f"/var/lib/xsraid/{kind}-{array['uuid'].replace(':', '')}"
    dom0.run(f"cat > {path}", stdin=json.dumps(facts))


def sr_on(dom0, device, label="by hand"):
    sr = dom0.xe(
        f"sr-create content-type=user device-config:device={device} name-label='{label}' "
        "shared=false type=lvm"
    ).strip()
    pbd = dom0.xe(f"pbd-list sr-uuid={sr} --minimal").strip()
    return sr, pbd


def test_an_sr_is_found_by_its_group_when_its_array_has_another_node(dom0):
    array = create(dom0, "a", "b")
    sr, pbd = sr_on(dom0, "/dev/md0")
    dom0.xe(f"pbd-unplug uuid={pbd}")
    dom0.run(
        "vgchange -an && mdadm --stop /dev/md0 && sed -i /UUID/d /etc/mdadm.conf && "
        f"mdadm --assemble /dev/md127 --uuid={array['uuid']} && udevadm settle"
    )
    assert listed(dom0, array)["sr"] == {"uuid": sr, "name_label": "by hand"}
    assert dom0.call("create_sr", array="md127", wipe="true") == {
        "sr_uuid": sr,
        "device": array["by_id"],
        "created": False,
    }
    assert (
        refusal(dom0, "delete_array", array="md127", confirm=listed(dom0, array)["name"])[0]
        == "XSRAID_ARRAY_IN_USE"
    )
    dom0.xe(f"pbd-unplug uuid={pbd}")
    dom0.xapi("PBD.set_device_config", dom0.xapi("PBD.get_by_uuid", pbd), {"device": "/dev/md0"})
    assert dom0.call("create_sr", array="md127", reattach="true") == {
        "sr_uuid": sr,
        "device": array["by_id"],
        "created": False,
    }
    assert (
        dom0.xe(f"pbd-list uuid={pbd} params=device-config --minimal").strip()
        == "device: " + array["by_id"]
    )
    dom0.xe(f"pbd-unplug uuid={pbd}")
    dom0.xapi("PBD.set_device_config", dom0.xapi("PBD.get_by_uuid", pbd), {"device": "/dev/md0"})
    changes = dom0.call("adopt_array", array="md127")["changes"]
    assert any(array["by_id"] in change for change in changes)
    assert (
        dom0.xe(f"pbd-list uuid={pbd} params=device-config --minimal").strip()
        == "device: " + array["by_id"]
    )


def create_another(dom0):
    """Make an array on other disks, before which what killed calls have left is settled."""
    disks = dom0.disks()
    return dom0.call("create_array", level="1", devices=disks["d"].device + "," + disks["e"].device)


def test_a_killed_creation_is_not_taken_back_once_it_holds_data(dom0):
    array = create(dom0, "a", "b", "c", level="5")
    kill_creation(dom0, array)
    dom0.run("mkfs.ext4 -q /dev/md0 && mdadm --stop /dev/md0 && udevadm settle")
    disks = dom0.disks()
    dom0.run(
        f"mdadm --incremental {disks['a'].device}; mdadm --incremental {disks['b'].device}; "
        "udevadm settle",
        check=False,
    )
    assert create_another(dom0)["array"]["device"] == "/dev/md1"
    assert superblocks(dom0, array, "a", "b", "c") == ["a", "b", "c"]
    assert array["uuid"] in dom0.run("cat /etc/mdadm.conf").out
    dom0.run(
        f"mdadm --stop {listed(dom0, array)['device']}; mdadm --assemble /dev/md0 "
        f"--uuid={array['uuid']} && fsck.ext4 -fn /dev/md0",
        check=True,
    )


def refuses_to_take_back(dom0, then):
    """Kill the creation of md0, put a file system on it and run a command; the next creation leaves
    it as it is, with its line.
    """
    array = create(dom0, "a", "b")
    kill_creation(dom0, array)
    dom0.run(f"mkfs.ext4 -q /dev/md0 && {then}")
    create_another(dom0)
    assert superblocks(dom0, array, "a", "b") == ["a", "b"]
    assert array["uuid"] in dom0.run("cat /etc/mdadm.conf").out


def test_a_killed_creation_that_runs_and_holds_data_is_not_taken_back(dom0):
    """Nobody uses it at the moment: the file system alone keeps it."""
    refuses_to_take_back(dom0, "udevadm settle")
    dom0.run("fsck.ext4 -fn /dev/md0")


def test_a_killed_creation_that_is_not_running_is_not_taken_back(dom0):
    refuses_to_take_back(dom0, "mdadm --stop /dev/md0")


def test_a_killed_creation_that_runs_and_is_empty_is_taken_back(dom0):
    array = create(dom0, "a", "b")
    kill_creation(dom0, array)
    create_another(dom0)
    assert superblocks(dom0, array, "a", "b") == []


@pytest.mark.parametrize("use", one_of("sr", "group", "ext4_on_partition"))
def test_a_deletion_that_was_cut_off_is_judged_again(dom0, use):
    array = create(dom0, "a", "b")
    note(dom0, "deleting", array, {"request": {"devices": []}})
    if use == "sr":
        _, pbd = sr_on(dom0, "/dev/md0")
        dom0.xe(f"pbd-unplug uuid={pbd}")
    elif use == "group":
        dom0.run("vgcreate -q idle /dev/md0")
    else:
        dom0.run(SPLIT.format("/dev/md0") + " && mkfs.ext4 -q /dev/md0p1")
    create_another(dom0)
    assert superblocks(dom0, array, "a", "b") == ["a", "b"]
    assert listed(dom0, array)["health"] != "missing"
    assert not dom0.run("ls /var/lib/xsraid | grep deleting-", check=False).out


def test_without_xapi_a_deletion_that_was_cut_off_is_given_up(dom0):
    array = create(dom0, "a", "b")
    note(dom0, "deleting", array, {"request": {"devices": []}})
    dom0.run("systemctl start xsraid-care.service", check=False)
    dom0.run("/usr/libexec/xsraid/event-hook", check=False)
    assert superblocks(dom0, array, "a", "b") == ["a", "b"]


@pytest.mark.parametrize("content", ["sr", *one_of("ext4", "group", "swap", "mounted")])
def test_what_is_on_a_partition_of_an_array_is_seen(dom0, content):
    array = create(dom0, "a", "b")
    dom0.run(SPLIT.format("/dev/md0"))
    sr = pbd = None
    if content == "sr":
        sr, pbd = sr_on(dom0, "/dev/md0p1")
        dom0.xe(f"pbd-unplug uuid={pbd}")
        assert listed(dom0, array)["sr"]["uuid"] == sr
    else:
        dom0.run(
            {
                "group": "vgcreate -q idle /dev/md0p1",
                "ext4": "mkfs.ext4 -q /dev/md0p1",
                "swap": "mkswap -q /dev/md0p1",
                "mounted": "mkfs.ext4 -q /dev/md0p1 && mkdir -p /srv/p && mount /dev/md0p1 /srv/p",
            }[content]
        )
    if sr:
        assert dom0.call("create_sr", array="md0", wipe="true")["sr_uuid"] == sr
        dom0.xe(f"pbd-unplug uuid={pbd}")
    for function, arguments in (
        ("delete_array", {"confirm": "md0"}),
        ("create_sr", {"wipe": "true"}),
        ("create_sr", {}),
    )[: 1 if sr else 3]:
        refused = refusal(dom0, function, array="md0", **arguments)
        assert refused[0] in ("XSRAID_ARRAY_IN_USE", "XSRAID_WOULD_LOSE_DATA"), refused
    if content == "mounted":
        dom0.run("umount /srv/p")
    if sr:
        dom0.xe(f"pbd-destroy uuid={pbd}")
        assert refusal(dom0, "create_sr", array="md0", wipe="true")[0] == "XSRAID_ARRAY_IN_USE"
        dom0.xe(f"sr-forget uuid={sr}")
        assert listed(dom0, array)["sr"] is None
        assert refusal(dom0, "delete_array", array="md0", confirm="md0")[0] == "XSRAID_ARRAY_IN_USE"
        assert dom0.call("create_sr", array="md0", reattach="true")["sr_uuid"] == sr
        assert (
            dom0.xe(f"pbd-list sr-uuid={sr} params=device-config --minimal").strip()
            == f"device: {array['by_id']}-part1"
        )


def test_an_array_of_arrays_that_is_stopped_keeps_its_members(dom0):
    first, second = create(dom0, "a", "b"), create(dom0, "c", "d")
    dom0.run(
        "mdadm -q --create /dev/md2 --run --level=0 --raid-devices=2 /dev/md0 /dev/md1 && udevadm "
        "settle && mdadm --detail --brief /dev/md2 >>/etc/mdadm.conf && mdadm -q --stop /dev/md2"
    )
    for array in (first, second):
        name = array["device"][len("/dev/") :]
        assert refusal(dom0, "delete_array", array=name, confirm=name)[0] == "XSRAID_ARRAY_IN_USE"
        assert refusal(dom0, "create_sr", array=name, wipe="true")[0] == "XSRAID_ARRAY_IN_USE"
    dom0.run("mdadm --assemble --scan; grep -q '^md2 : active raid0' /proc/mdstat")
    assert refusal(dom0, "delete_array", array="md0", confirm="md0")[0] == "XSRAID_ARRAY_IN_USE"


def test_a_repeated_deletion_deletes_no_other_array_of_this_name(dom0):
    dom0.run(
        "mdadm -q --create /dev/md127 --run --level=1 --raid-devices=2 --homehost=elsewhere "
        "--name=md0 {0} {1} && udevadm settle".format(dom0.disk("c").device, dom0.disk("d").device)
    )
    foreign = dom0.call("list_arrays", array="md127")["arrays"][0]
    array = create(dom0, "a", "b")
    assert (array["device"], foreign["name"]) == ("/dev/md0", "md0")
    first = dom0.call("delete_array", array="md0", confirm="md0")
    again = dom0.call("delete_array", array="md0", confirm="md0")
    assert {key: again[key] for key in ("deleted", "uuid", "disks")} == {
        key: first[key] for key in ("deleted", "uuid", "disks")
    }
    assert "was deleted already" in again["warnings"][0]
    assert dom0.call("list_arrays")["arrays"][0]["uuid"] == foreign["uuid"]
    assert (
        refusal(dom0, "delete_array", array="/dev/md7", confirm="md0")[0] == "XSRAID_UNKNOWN_ARRAY"
    )
    refused = refusal(dom0, "list_arrays", array="md0")
    assert refused[0] == "XSRAID_UNKNOWN_ARRAY"
    assert foreign["uuid"] in refused[-1]


def test_a_name_that_two_arrays_have_is_refused_with_both(dom0):
    for node, pair in (("/dev/md10", "ab"), ("/dev/md11", "cd")):
        dom0.run(
            f"mdadm -q --create {node} --run --level=1 --raid-devices=2 --name=data "
            + " ".join(dom0.disk(name).device for name in pair)
        )
    dom0.run("udevadm settle")
    refused = refusal(dom0, "delete_array", array="data", confirm="data")
    assert refused[0] == "XSRAID_UNKNOWN_ARRAY"
    assert "/dev/md10" in refused[-1]
    assert "/dev/md11" in refused[-1]


def test_the_group_of_any_driver_is_a_repository(dom0):
    disk = dom0.disk("a").device
    dom0.run(f"vgcreate -q XSLocalLargeBlock-{LARGE} {disk}")
    dom0.xe(f"sr-introduce uuid={LARGE} name-label=large type=lvm content-type=user")
    found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}[disk]
    assert [refusal["reason"] for refusal in found["refusals"]] == ["SR_DEVICE"]


def test_an_iso_repository_at_a_place_with_an_umlaut_disturbs_nobody(dom0):
    sr = str(uuid.uuid5(uuid.NAMESPACE_DNS, "iso"))
    dom0.run("mkdir -p /srv/b\u00fccher && touch '/srv/b\u00fccher/gr\u00fc\u00dfe.iso'")
    dom0.xe(f"sr-introduce uuid={sr} name-label=B\u00fccher type=iso content-type=iso")
    host = dom0.xe("host-list --minimal").strip()
    dom0.xe(
        f"pbd-create sr-uuid={sr} host-uuid={host} device-config:location=/srv/b\u00fccher "
        "device-config:legacy_mode=true"
    )
    dom0.run("mkfs.ext4 -q -L gr\u00fc\u00dfe " + dom0.disk("c").device)
    dom0.call("list_disks")
    create(dom0, "a", "b")
    dom0.call("delete_array", array="md0", confirm="md0")


def test_a_copied_physical_volume_is_refused_with_the_way_out(dom0):
    one, other = dom0.disk("a").device, dom0.disk("b").device
    dom0.run(
        f"vgcreate -q original {one} && dd if={one} of={other} bs=1M status=none && udevadm settle",
        check=True,
    )
    found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}
    details = [
        refusal["detail"]
        for device in (one, other)
        for refusal in found[device]["refusals"]
        if refusal["reason"] == "LVM_PV"
    ]
    assert details
    assert all("wipefs --all --types LVM2_member /dev/disk/by-id/" in detail for detail in details)


def test_half_of_a_mirror_with_lvm_in_it_is_refused_with_the_way_out(dom0):
    one, other = dom0.disk("a").device, dom0.disk("b").device
    dom0.run(
        "mdadm -q --create /dev/md9 --run --level=1 --metadata=1.0 --raid-devices=2 "
        f"--assume-clean {one} {other} && "
        # Else udev may begin the array again with what it has seen before.
        "vgcreate -q inside /dev/md9 && udevadm settle && mdadm -q --stop /dev/md9 && "
        f"mdadm --zero-superblock {other} && udevadm settle"
    )
    found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}
    told = [refusal["detail"] for refusal in found[one]["refusals"]]
    assert not told or "wipefs" in told[0], told


def test_device_mapper_is_told_by_the_names_of_group_and_volume(dom0):
    disk = dom0.disk("a").device
    dom0.run(f"vgcreate -q my-group {disk} && lvcreate -q -y -L 4M -n my-volume my-group")
    found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}[disk]
    told = {refusal["reason"]: refusal["detail"] for refusal in found["refusals"]}["DEVICE_MAPPER"]
    assert "the volume my-volume of the volume group my-group" in told


@pytest.mark.parametrize("level", one_of("5", "1"))
def test_members_that_are_partitions_are_failed_and_replaced(dom0, level):
    disks = dom0.disks()
    for name in "abcd":
        dom0.run(SPLIT.format(disks[name].device))
    parts = " ".join(disks[name].device + "1" for name in "abc")
    dom0.run(
        f"mdadm -q --create /dev/md3 --run --level={level} --assume-clean --raid-devices=3 {parts} "
        "&& udevadm settle"
    )
    dom0.call("adopt_array", array="/dev/md3")
    assert (
        dom0.call("identify_disk", disk=disks["a"].device + "1", seconds="1")["device"]
        == disks["a"].device
    )
    serial = disks["a"].serial
    dom0.call("fail_disk", array="md3", disk=disks["a"].device, confirm=serial)
    assert refusal(
        dom0, "replace_disk", array="md3", disk=disks["a"].device, new_disk=disks["b"].device + "1"
    )[0] in ("XSRAID_DISK_IN_USE", "XSRAID_BAD_ARGUMENT")
    dom0.call(
        "replace_disk", array="md3", disk=disks["a"].device + "1", new_disk=disks["d"].device + "1"
    )
    members = [
        member["device"] for member in dom0.call("list_arrays", array="md3")["arrays"][0]["members"]
    ]
    assert disks["d"].device + "1" in members
    assert disks["a"].device + "1" not in members


LINES = {
    "name": "ARRAY /dev/md5 name=any:mine\n",
    "bare_name": "ARRAY /dev/md5 name=mine\n",
    "devices": "ARRAY /dev/md5 devices={a},{b}\n",
    "patterns": "ARRAY /dev/md5 devices=/dev/sd*\n",
    "ignored": "ARRAY <ignore> UUID={uuid}\n",
    "comment_between": "ARRAY /dev/md5\n# the old one\n\n   UUID={uuid}\n",
    "case": "arr UUID={upper}",
    "crlf": "ARRAY /dev/md5 UUID={uuid}\r\n",
    "folder": None,
    "second_file": None,
}


@pytest.mark.parametrize("kind", one_of(*LINES))
def test_disks_of_an_array_that_any_line_knows_are_in_use(dom0, kind):
    """The array is stopped; what its line says is all that is known of it."""
    disks = dom0.disks()
    a, b = disks["a"].device, disks["b"].device
    dom0.run(
        "mdadm -q --create /dev/md5 --run --level=1 --raid-devices=2 --homehost=any --name=mine "
        f"{a} {b} && udevadm settle"
    )
    uuid_ = dom0.call("list_arrays", array="md5")["arrays"][0]["uuid"]
    line = (LINES[kind] or "ARRAY /dev/md5 UUID={uuid}\n").format(
        a=a, b=b, uuid=uuid_, upper=uuid_.upper()
    )
    path = {"folder": "/etc/mdadm.conf.d/mine.conf", "second_file": "/etc/mdadm/mdadm.conf"}.get(
        kind, "/etc/mdadm.conf"
    )
    dom0.run(
        f"mkdir -p /etc/mdadm.conf.d /etc/mdadm && cat >> {path} && mdadm --stop /dev/md5",
        stdin=line,
    )
    try:
        found = {record["device"]: record for record in dom0.call("list_disks")["disks"]}
        assert [refusal["reason"] for refusal in found[a]["refusals"]] == ["RAID_MEMBER"], found[a]
        refused = refusal(
            dom0, "create_array", level="1", devices=f"{a},{disks['c'].device}", wipe="true"
        )
        assert refused[:3] == ["XSRAID_DISK_IN_USE", a, "RAID_MEMBER"]
        assert superblocks(dom0, {"uuid": uuid_}, "a", "b") == ["a", "b"]
    finally:
        dom0.run("rm -rf /etc/mdadm.conf.d /etc/mdadm")
