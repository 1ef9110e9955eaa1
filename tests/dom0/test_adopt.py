"""Arrays made by hand, in each way that the guides show, are adopted without a byte of their disks
changing, and are back after a reboot.
"""

import pytest

from tests.dom0.steps import refusal, settled

MIB = 1 << 20
# How an array comes to be made by hand, on two disks {a} and {b}; {md} is its node.
MAKE = "mdadm -q --create {md} --run --level=1 --raid-devices=2 --assume-clean "
SPLIT = (
    "for disk in {a} {b}; do printf 'label: gpt\\n,40M\\n' | sfdisk -q $disk; done; udevadm "
    "settle; "
)
KINDS = {
    "article": ("/dev/md0", MAKE + "{a} {b}"),
    "metadata_1.0": ("/dev/md127", MAKE + "--metadata=1.0 {a} {b}"),
    "metadata_0.90": ("/dev/md5", MAKE + "--metadata=0.90 {a} {b}"),
    "named": ("/dev/md/storage", MAKE + "--metadata=1.2 --name=storage {a} {b}"),
    "of_another_host": ("/dev/md9", MAKE + "--homehost=elsewhere --name=old {a} {b}"),
    "partitions": ("/dev/md3", SPLIT + MAKE + "{a}1 {b}1"),
}
DOM0_OPTIONS = {
    "disks": tuple(f"{kind}-{leg}" for kind in KINDS for leg in "ab"),
    "disk_bytes": 48 * MIB,
}
PREFERRED_PYTHON = "3.6"


def make(dom0, kind):
    """Make the array of a kind and, on most of them, an SR as the guides do; return its node."""
    disks = dom0.disks()
    node, command = KINDS[kind]
    dom0.run(
        command.format(md=node, a=disks[kind + "-a"].device, b=disks[kind + "-b"].device)
        + "; udevadm settle"
    )
    if kind != "named":
        dom0.xe(
            f"sr-create content-type=user device-config:device={node} name-label={kind} "
            "shared=false type=lvm"
        )
    return dom0.run(["readlink", "-f", node]).out.strip()


def content(dom0, kind):
    disks = dom0.disks()
    return dom0.run(["sha256sum", disks[kind + "-a"].device, disks[kind + "-b"].device]).out


@pytest.fixture(scope="module")
def made(dom0):
    """Return {kind: node}."""
    dom0.wait_until_xapi()
    return {kind: make(dom0, kind) for kind in KINDS}


def test_what_nobody_adopted_is_listed_as_such(dom0, made):
    listed = {array["device"]: array for array in dom0.call("list_arrays")["arrays"]}
    assert [listed[node]["configured"] for node in made.values()] == [False] * len(made)
    assert refusal(dom0, "adopt_array", array="/dev/md77")[0] == "XSRAID_UNKNOWN_ARRAY"


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_made_by_hand_is_adopted(dom0, made, kind):
    settled(dom0, made[kind])
    dom0.run("sync; udevadm settle")
    before = content(dom0, kind)
    reply = dom0.call("adopt_array", array=made[kind])
    array = reply["array"]
    assert array["configured"]
    assert array["device"] == made[kind]
    assert len(reply["changes"]) == (1 if kind == "named" else 3)
    assert f"ARRAY {made[kind]} UUID={array['uuid']}\n" in dom0.run("cat /etc/mdadm.conf").out
    assert dom0.run(["readlink", "-f", array["by_id"]]).out.strip() == made[kind]
    if kind != "named":
        sr = dom0.xapi("SR.get_record", dom0.xapi("SR.get_by_uuid", array["sr"]["uuid"]))
        assert sr["other_config"]["xsraid-array"] == array["uuid"]
        assert dom0.xapi("PBD.get_device_config", sr["PBDs"][0]) == {"device": array["by_id"]}
    assert dom0.call("adopt_array", array=array["uuid"])["changes"] == []
    assert content(dom0, kind) == before
    assert dom0.call("create_sr", array=made[kind])["created"] is (kind == "named")


def test_all_are_back_after_a_reboot_on_a_host_of_another_name(dom0, made):
    dom0.run("echo renamed >/etc/hostname")
    dom0.reboot(tuple(reversed(dom0.disk_names)))
    dom0.run("systemctl start xsraid-attach.service")
    arrays = dom0.call("list_arrays")["arrays"]
    assert sorted(array["device"] for array in arrays) == sorted(made.values())
    assert {array["health"] for array in arrays} == {"optimal"}
    assert all(array["configured"] and array["sr"] for array in arrays)
    assert dom0.xe("pbd-list params=currently-attached --minimal").strip() == ",".join(
        ["true"] * len(made)
    )


def test_a_line_for_another_array_is_not_taken_over(dom0, made):
    """/etc/mdadm.conf gives the node to an array that may be out for repair."""
    configuration = dom0.run("cat /etc/mdadm.conf").out
    array = dom0.call("list_arrays", array=made["article"])["arrays"][0]
    dom0.run(
        "cat >/etc/mdadm.conf",
        stdin=configuration.replace(array["uuid"], "0123abcd:0123abcd:0123abcd:0123abcd"),
    )
    details = refusal(dom0, "adopt_array", array=array["uuid"])
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "array"]
    assert "0123abcd" in details[2]
    dom0.run("cat >/etc/mdadm.conf", stdin=configuration)
