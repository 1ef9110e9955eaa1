"""The four functions of the mission, as an administrator would use them, on real md, LVM and ssmtp,
with dom0's Python 2.7 and 3.6.
"""

import json

import pytest

from tests.dom0.dom0 import SMTP_PASSWORD, SMTP_USER
from tests.dom0.steps import DISK_BYTES, configure, devices, one_of, refusal, settled
from tests.dom0.watching import wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"


# list_disks


def test_disks_are_described_and_judged(fresh_dom0):
    device = fresh_dom0.disk("d1").device
    fresh_dom0.run(f"mkfs.ext4 -q -L data {device}")
    disks = {disk["device"]: disk for disk in fresh_dom0.call("list_disks")["disks"]}
    blank, stale = disks[fresh_dom0.disk("d0").device], disks[device]
    assert (blank["serial"], blank["by_id"]) == (
        fresh_dom0.disk("d0").serial,
        fresh_dom0.disk("d0").by_id,
    )
    assert (
        blank["vendor"],
        blank["model"],
        blank["size_bytes"],
        blank["logical_sector_bytes"],
    ) == ("SEAGATE", "ST4000NM0035", DISK_BYTES, 512)
    assert (blank["usable"], blank["refusals"], blank["stale"]) == (True, [], [])
    assert (stale["usable"], stale["stale"]) == (
        True,
        [{"type": "ext4", "offset_bytes": 1080, "device": device, "label": "data"}],
    )
    boot = disks["/dev/ubda"]
    assert not boot["usable"]
    assert {"reason": "BOOT_DISK", "detail": "/dev/ubda on /boot"} in boot["refusals"]


# create_array


@pytest.mark.parametrize(
    "level,count,left,size_disks",
    [
        ("0", 2, 0, 2),
        *one_of(("raid10", 4, 1, 2), ("raid1", 2, 1, 1), ("5", 3, 1, 2), ("6", 4, 2, 2)),
    ],
)
def test_every_level(fresh_dom0, level, count, left, size_disks):
    members = devices(fresh_dom0, *["d0", "d1", "d2", "d3"][:count])
    reply = fresh_dom0.call("create_array", level=level, devices=members)
    array = settled(fresh_dom0)
    assert (array["device"], array["name"], array["level"], array["configured"]) == (
        "/dev/md0",
        "md0",
        "raid" + level.replace("raid", ""),
        True,
    )
    assert (array["health"], array["redundancy_left"]) == (
        "optimal" if left else "no_redundancy",
        left,
    )
    assert [(member["device"], member["slot"], member["state"]) for member in array["members"]] == [
        (device, slot, "active") for slot, device in enumerate(members)
    ]
    assert 0.9 * size_disks * DISK_BYTES < array["size_bytes"] < size_disks * DISK_BYTES
    assert list(reply["array"]) == list(array)
    assert reply["array"]["uuid"] == array["uuid"]
    assert fresh_dom0.run("cat /etc/mdadm.conf").out == f"ARRAY /dev/md0 UUID={array['uuid']}\n"
    assert fresh_dom0.run(["readlink", "-f", array["by_id"]]).out.strip() == "/dev/md0"
    assert ("internal" in fresh_dom0.run("mdadm --detail /dev/md0 | tr A-Z a-z").out) == (left > 0)
    assert fresh_dom0.run("find /var/lib/xsraid -name '*ing-*'").out == ""


def test_spares_chunk_name_and_no_bitmap(fresh_dom0):
    fresh_dom0.run(
        "printf '# by hand\\nMAILADDR root\\nARRAY /dev/md0 "
        "UUID=00000000:11111111:22222222:33333333\\n' >/etc/mdadm.conf"
    )
    disks = fresh_dom0.disks()
    array = fresh_dom0.call(
        "create_array",
        level=5,
        name="vm-store",
        chunk="64K",
        bitmap="none",
        devices=[disks["d0"].serial, disks["d1"].by_id, "/dev/../" + disks["d2"].device],
        spares=disks["d3"].device,
    )["array"]
    assert (array["device"], array["name"], array["chunk_bytes"]) == ("/dev/md1", "vm-store", 65536)
    assert [member["state"] for member in settled(fresh_dom0, "vm-store")["members"]] == [
        "active"
    ] * 3 + ["spare"]
    assert "Intent Bitmap" not in fresh_dom0.run("mdadm --detail /dev/md1").out
    assert fresh_dom0.run("cat /etc/mdadm.conf").out == (
        "# by hand\nMAILADDR root\nARRAY /dev/md0 UUID=00000000:11111111:22222222:33333333\n"
        f"ARRAY /dev/md1 UUID={array['uuid']} spares=1\n"
    )
    assert [record["health"] for record in fresh_dom0.call("list_arrays")["arrays"]][0] == "missing"


def test_dry_run_changes_nothing_and_its_commands_do_the_job(fresh_dom0):
    members = devices(fresh_dom0, "d0", "d1")
    fresh_dom0.run(f"mkfs.ext4 -q {members[0]}")
    before = fresh_dom0.run(["sha256sum", *members]).out
    reply = fresh_dom0.call("create_array", level=1, devices=members, wipe=True, dry_run=True)
    assert reply["planned"] is True
    assert reply["array"]["device"] == "/dev/md0"
    assert fresh_dom0.run(["sha256sum", *members]).out == before
    assert fresh_dom0.call("list_arrays") == {"arrays": []}
    assert fresh_dom0.run("cat /etc/mdadm.conf", check=False).out == ""
    for command in reply["commands"]:
        fresh_dom0.run(command)
    fresh_dom0.run("udevadm settle")
    array = fresh_dom0.call("list_arrays")["arrays"][0]
    assert (array["uuid"], array["configured"]) == (reply["array"]["uuid"], True)


@pytest.mark.parametrize("name", one_of({"name": "md0"}, {}))
def test_a_node_whose_array_was_stopped_is_free(fresh_dom0, name):
    """Whoever opens it while md takes it away, such as udev, gets an empty one that stays."""
    assert (
        fresh_dom0.run(
            "mknod /run/md0 b 9 0 && : </run/md0; rm /run/md0; cat /sys/block/md0/md/array_state"
        ).out
        == "clear\n"
    )
    assert (
        fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"), **name)[
            "array"
        ]["device"]
        == "/dev/md0"
    )
    assert settled(fresh_dom0)["health"] == "optimal"


def test_stale_data_is_named_and_wiped_only_when_asked(fresh_dom0):
    members = devices(fresh_dom0, "d0", "d1")
    fresh_dom0.run(f"mkfs.ext4 -q {members[1]}")
    details = refusal(fresh_dom0, "create_array", level=1, devices=members)
    assert details[:2] == ["XSRAID_STALE_DATA", members[1]]
    assert "ext4" in details[2]
    assert "wipe=true" in details[-1]
    assert (
        fresh_dom0.call("create_array", level=1, devices=members, wipe=True)["commands"][0]
        == f"wipefs -a {members[1]}"
    )


def test_one_disk_by_two_names_and_too_few(fresh_dom0):
    disk = fresh_dom0.disk("d0")
    details = refusal(fresh_dom0, "create_array", level=1, devices=[disk.device, disk.by_id])
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "devices"]
    assert "same disk" in details[-1]
    assert refusal(fresh_dom0, "create_array", level=1, devices=[disk.device])[:4] == [
        "XSRAID_NOT_ENOUGH_DISKS",
        "raid1",
        "2",
        "1",
    ]
    assert refusal(
        fresh_dom0,
        "create_array",
        level=1,
        devices=devices(fresh_dom0, "d0", "d1"),
        spares=disk.serial,
    )[:2] == ["XSRAID_BAD_ARGUMENT", "spares"]
    for path in ("/etc/passwd", "/dev/null", "/dev/md0", "/dev/loop0"):
        assert (
            refusal(fresh_dom0, "create_array", level=1, devices=[disk.device, path])[0]
            == "XSRAID_UNKNOWN_DISK"
        )


# configure_alerts, test_alert


def test_the_mail_servers_own_answer(fresh_dom0):
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    fresh_dom0.call("create_array", level=0, devices=devices(fresh_dom0, "d2", "d3"))
    deliveries = fresh_dom0.call("test_alert")["deliveries"]
    assert [
        (delivery["array"], delivery["channel"], delivery["accepted"]) for delivery in deliveries
    ] == [
        ("/dev/md0", "mail", True),
        ("/dev/md0", "xapi", True),
        ("/dev/md1", "mail", True),
        ("/dev/md1", "xapi", True),
    ]
    for mail in fresh_dom0.mails():
        assert (mail.user, mail.tls, mail.recipients, mail.sender) == (
            SMTP_USER,
            True,
            ["admin@example.com"],
            SMTP_USER,
        )
    answers = {
        delivery["array"]: delivery["response"]
        for delivery in deliveries
        if delivery["channel"] == "mail"
    }
    assert answers == {
        mail.headers["Subject"]
        .split(", ")[1]
        .split(" on ")[0]: f"250 2.0.0 OK: queued as {mail.queue_id}"
        for mail in fresh_dom0.mails()
    }
    assert fresh_dom0.xe("message-list name=XSRAID_TEST params=priority --minimal").strip() == "5,5"


@pytest.mark.parametrize(
    "mode,answer,advice",
    one_of(
        ("bad_auth", "535", "app password"),
        ("reject", "554", "operator"),
        ("vanish", "Cannot open", "Nobody answers"),
        ("greylist", "451", "tried again"),
        ("stall", "no answer within 3 s", "said nothing"),
    ),
)
def test_a_mail_that_is_not_accepted_says_why(fresh_dom0, mode, answer, advice):
    fresh_dom0.run("printf '[mail]\\nsmtp_timeout_s = 3\\n' >/etc/xsraid.conf")
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    fresh_dom0.smtp(mode)
    details = refusal(fresh_dom0, "test_alert")
    assert details[0] == "XSRAID_MAIL_REJECTED"
    assert answer in details[1]
    assert advice in details[2]
    assert SMTP_PASSWORD not in json.dumps(details)
    assert fresh_dom0.mails() == []


def test_settings_that_do_not_fit_the_server_say_so(fresh_dom0):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    configure(fresh_dom0, password="wrong")
    assert "535" in refusal(fresh_dom0, "test_alert")[1]
    configure(fresh_dom0, smtp_port=25)
    assert "smtp_security" in refusal(fresh_dom0, "test_alert")[2]
    configure(fresh_dom0, smtp_port=465, smtp_security="tls")
    assert fresh_dom0.call("test_alert")["deliveries"][0]["accepted"]


def test_the_secret_is_nowhere_but_in_ssmtp_conf(fresh_dom0):
    reply = configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    replies = json.dumps([reply, fresh_dom0.call("get_alerts"), fresh_dom0.call("test_alert")])
    assert SMTP_PASSWORD not in replies
    assert SMTP_PASSWORD not in fresh_dom0.journal(1000)
    found = fresh_dom0.run(
        f"grep -rlF {SMTP_PASSWORD} /etc /run /tmp /var/lib/xsraid /var/log 2>/dev/null | grep -v "
        "^/run/smtp/",
        check=False,
    ).out.split()
    assert found == ["/etc/ssmtp/ssmtp.conf"]
    assert fresh_dom0.run("stat -c '%a %U %G' /etc/ssmtp/ssmtp.conf").out == "640 root mail\n"


def test_a_failed_disk_is_mailed_by_itself(fresh_dom0):
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    wait_until_watching(fresh_dom0)
    pulled = fresh_dom0.pull_disk("d1")
    mail = fresh_dom0.wait_for_mail(lambda mail: "XSRAID_DISK_FAILED" in mail.headers["Subject"])
    assert pulled.device in mail.text
    assert pulled.serial in mail.text
    assert pulled.by_id in mail.text
    assert "No redundancy left" in mail.text
    array = fresh_dom0.call("list_arrays")["arrays"][0]
    assert (array["health"], array["redundancy_left"]) == ("degraded", 0)


# create_sr


@pytest.mark.parametrize("kind,group", [("lvm", "VG_XenStorage-"), ("ext", "XSLocalEXT-")])
def test_an_array_becomes_an_sr_once(fresh_dom0, kind, group):
    array = fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))[
        "array"
    ]
    first = fresh_dom0.call(
        "create_sr", array=array["uuid"], type=kind, name_label="Lokal Zürich", default_sr=True
    )
    assert (first["device"], first["created"]) == (array["by_id"], True)
    assert fresh_dom0.call("create_sr", array="md0") == dict(first, created=False)
    record = fresh_dom0.xapi("SR.get_record", fresh_dom0.xapi("SR.get_by_uuid", first["sr_uuid"]))
    assert (record["name_label"], record["type"], record["shared"], record["content_type"]) == (
        "Lokal Zürich",
        kind,
        False,
        "user",
    )
    assert record["other_config"]["xsraid-array"] == array["uuid"]
    assert group + first["sr_uuid"] in fresh_dom0.run("vgs --noheadings -o vg_name").out
    assert fresh_dom0.xe("pool-list params=default-SR --minimal").strip() == first["sr_uuid"]
    assert fresh_dom0.call("list_arrays")["arrays"][0]["sr"] == {
        "uuid": first["sr_uuid"],
        "name_label": "Lokal Zürich",
    }


def forget(dom0, uuid):
    dom0.xe("pbd-unplug uuid=" + dom0.xe(f"pbd-list sr-uuid={uuid} --minimal").strip())
    dom0.xe(f"sr-forget uuid={uuid}")


def forgotten_sr(dom0, kind):
    """Make an SR with data on md0 and forget it; return (its uuid, a command that proves the
    data).
    """
    dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"))
    uuid = dom0.call("create_sr", array="md0", type=kind, name_label="With data")["sr_uuid"]
    if kind == "ext":
        dom0.run(f"echo precious >/run/sr-mount/{uuid}/note && sync")
        proof = f"cat /run/sr-mount/{uuid}/note"
    else:
        dom0.run(
            f"lvcreate -q -y -L 8M -n disk VG_XenStorage-{uuid} && echo precious "
            f">/dev/VG_XenStorage-{uuid}/disk && sync"
        )
        proof = (
            f"lvchange -ay VG_XenStorage-{uuid}/disk && head -n 1 /dev/VG_XenStorage-{uuid}/disk"
        )
    forget(dom0, uuid)
    return uuid, proof


@pytest.mark.parametrize("kind", ["lvm", "ext"])
def test_a_forgotten_sr_is_refused_named_and_brought_back_with_its_data(fresh_dom0, kind):
    uuid, proof = forgotten_sr(fresh_dom0, kind)
    details = refusal(fresh_dom0, "create_sr", array="md0")
    assert details[:2] == ["XSRAID_WOULD_LOSE_DATA", "/dev/md0"]
    assert uuid in details[2]
    assert "reattach=true" in details[3]
    assert "wipe=true" in details[3]
    reply = fresh_dom0.call("create_sr", array="md0", reattach=True, name_label="Back")
    assert (reply["sr_uuid"], reply["created"]) == (uuid, False)
    assert fresh_dom0.run(proof).out == "precious\n"
    assert "Back" in fresh_dom0.xe(f"sr-list uuid={uuid}")


@pytest.mark.parametrize("is_made_since", [False, True])
def test_no_data_is_promised_of_an_array_that_was_made_since(fresh_dom0, is_made_since):
    """The group is found whatever the order of the other members is; the data is another matter."""
    fresh_dom0.call(
        "create_array", level=0, devices=devices(fresh_dom0, "d0", "d1", "d2"), name="md0"
    )
    sr = fresh_dom0.call("create_sr", array="md0")["sr_uuid"]
    forget(fresh_dom0, sr)
    if is_made_since:
        nodes = devices(fresh_dom0, "d0", "d2", "d1")
        fresh_dom0.run(
            f"mdadm --stop /dev/md0 && sleep 1 && yes | mdadm -q --create /dev/md0 --level=0 "
            f"--raid-devices=3 {' '.join(nodes)} && udevadm settle"
        )
    details = refusal(fresh_dom0, "create_sr", array="md0")
    assert details[0] == "XSRAID_WOULD_LOSE_DATA"
    assert sr in details[3]
    assert ("brings it back with its data" in details[3]) != is_made_since
    assert ("members and their order" in details[3]) == is_made_since
    reply = fresh_dom0.call("create_sr", array="md0", reattach=True)
    assert (reply["sr_uuid"], "warnings" in reply) == (sr, is_made_since)


@pytest.mark.parametrize("kind", one_of("ext", "lvm"))
def test_a_forgotten_sr_can_be_given_up(fresh_dom0, kind):
    uuid, _proof = forgotten_sr(fresh_dom0, kind)
    reply = fresh_dom0.call("create_sr", array="md0", wipe=True, type="lvm")
    assert reply["created"]
    assert reply["sr_uuid"] != uuid
    assert uuid not in fresh_dom0.run("vgs --noheadings -o vg_name").out


@pytest.mark.parametrize(
    "command,what",
    [
        ("mkfs.ext4 -q -L 'old films' /dev/md0", "ext4 'old films'"),
        ("pvcreate -q /dev/md0 && vgcreate -q data /dev/md0", "the volume group data"),
        ("mkswap -q /dev/md0 >/dev/null", "swap"),
        ("printf 'label: dos\\n' | sfdisk -q /dev/md0", "dos"),
    ],
)
def test_data_on_an_array_is_not_overwritten(fresh_dom0, command, what):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    fresh_dom0.run(command + "; udevadm settle")
    before = fresh_dom0.run("sha256sum /dev/md0").out
    details = refusal(fresh_dom0, "create_sr", array="md0")
    assert details[0] == "XSRAID_WOULD_LOSE_DATA"
    assert what in details[2]
    assert refusal(fresh_dom0, "create_sr", array="md0", reattach=True)[:2] == [
        "XSRAID_BAD_ARGUMENT",
        "reattach",
    ]
    assert fresh_dom0.run("sha256sum /dev/md0").out == before
    assert fresh_dom0.call("create_sr", array="md0", wipe=True)["created"]


def test_a_mounted_array_is_refused_whatever_is_asked(fresh_dom0):
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    fresh_dom0.run("mkfs.ext4 -q /dev/md0 && mkdir -p /srv/x && mount /dev/md0 /srv/x")
    details = refusal(fresh_dom0, "create_sr", array="md0", wipe=True)
    assert details[:2] == ["XSRAID_ARRAY_IN_USE", "/dev/md0"]
    assert "/srv/x" in details[2]
