"""The miniature dom0 itself: that it is what the other tests take it for."""

import json
import os
import tempfile
import time

import pytest

from tests.dom0.dom0 import BUILD, SMTP_HOST, SMTP_PASSWORD, SMTP_USER, CommandFailed, XapiFailure

DOM0_OPTIONS = {"rpm": "", "disks": ("d0", "d1", "d2", "d3")}
PREFERRED_PYTHON = "3.6"  # none of this depends on it; test_pythons.py has what does
CA = "/etc/pki/tls/certs/ca-bundle.crt"
SEND = """
import json, smtplib, ssl, sys
port, user, password, timeout_s = json.load(sys.stdin)
context = ssl.create_default_context(cafile="/etc/pki/tls/certs/ca-bundle.crt")
try:
    kind = smtplib.SMTP_SSL if port == 465 else smtplib.SMTP
    server = kind("smtp.example.com", port, timeout=timeout_s, **({"context": context} if port == 465 else {}))
    if port == 587:
        server.starttls(context=context)
    server.ehlo()
    if user:
        server.login(user, password)
    server.mail("dom0@example.com")
    code, text = server.rcpt("admin@example.com")
    if code == 250:
        code, text = server.data("Subject: Disk\\r\\n\\r\\nOne failed.\\r\\n")
except smtplib.SMTPResponseException as error:
    code, text = error.smtp_code, error.smtp_error
except smtplib.SMTPServerDisconnected as error:
    code, text = str(error).rpartition(": ")[2], b""
except OSError as error:
    code, text = type(error).__name__, b""
print(json.dumps([code, text.decode()]))
"""  # noqa: E501


def send(dom0, port=587, user=SMTP_USER, password=SMTP_PASSWORD, timeout_s=20):
    """Hand a mail over in the guest; return the last answer's code (or the name of the error) and
    text.
    """
    return json.loads(
        dom0.run(
            ["python3.11", "-c", SEND], stdin=json.dumps([port, user, password, timeout_s])
        ).out
    )


# disks


def test_disks_have_serial_numbers_and_links(dom0):
    disks = dom0.disks()
    assert sorted(disks) == ["d0", "d1", "d2", "d3"]
    for disk in disks.values():
        assert dom0.run(["readlink", "-f", disk.by_id]).out.strip() == disk.device
        assert dom0.run(["lsblk", "-dnbo", "SERIAL,SIZE", disk.device]).out.split() == [
            disk.serial,
            str(128 << 20),
        ]
        assert "Health Status: OK" in dom0.run(["smartctl", "-H", disk.device]).out
    assert len({disk.serial for disk in disks.values()}) == 4


def test_boot_disk_is_in_use(dom0):
    assert dom0.run("findmnt -no SOURCE,FSTYPE /boot").out.split() == ["/dev/ubda", "ext4"]


def test_pulled_disk_fails_in_its_array_and_comes_back(fresh_dom0):
    fresh_dom0.run(
        "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 "
        + " ".join(fresh_dom0.disk(name).device for name in ("d0", "d1"))
    )
    fresh_dom0.run("mdadm --wait /dev/md0", check=False)
    pulled = fresh_dom0.pull_disk("d1")
    assert "d1" not in fresh_dom0.disks()
    fresh_dom0.wait_until(
        lambda: fresh_dom0.run("cat /sys/block/md0/md/degraded").out.strip() == "1"
    )
    fresh_dom0.push_disks()
    assert fresh_dom0.disk("d1").serial == pulled.serial


def test_disk_can_be_added(fresh_dom0):
    added = fresh_dom0.add_disk("e0", 64 << 20)
    assert fresh_dom0.run(["lsblk", "-dnbo", "SERIAL,SIZE", added.device]).out.split() == [
        added.serial,
        str(64 << 20),
    ]


def test_host_is_read_only_for_the_guest(dom0):
    """Whatever a guest mounts of the host, it can write to its own folder and to nothing else."""
    assert dom0.run("touch /bed/made-by-the-guest", check=False).status == 1
    dom0.run(["mkdir", "-p", "/run/host"])
    for folder in (BUILD, tempfile.gettempdir()):
        dom0.run(["mount", "-t", "hostfs", "-o", folder, "none", "/run/host"])
        assert (
            "Read-only file system"
            in dom0.run("touch /run/host/made-by-the-guest", check=False).err
        )
        dom0.run("umount /run/host")
    dom0.run("touch /share/made-by-the-guest")
    assert os.path.exists(dom0.share + "/made-by-the-guest")


# power


def test_reboot_keeps_etc_and_assembles_by_uuid(fresh_dom0):
    devices = [fresh_dom0.disk(name).device for name in ("d0", "d1", "d2", "d3")]
    fresh_dom0.run("mdadm --create /dev/md0 --run --level=10 --raid-devices=4 " + " ".join(devices))
    fresh_dom0.run(
        "echo MAILADDR root >/etc/mdadm.conf; mdadm --detail --scan >>/etc/mdadm.conf; systemctl "
        "enable mdmonitor"
    )
    before = fresh_dom0.run("cat /etc/mdadm.conf; cat /etc/xensource-inventory").out
    fresh_dom0.reboot(["d3", "d2", "d1", "d0"])
    assert fresh_dom0.run("cat /etc/mdadm.conf; cat /etc/xensource-inventory").out == before
    assert fresh_dom0.disk("d3").device == "/dev/sda"
    fresh_dom0.wait_until(lambda: "[4/4] [UUUU]" in fresh_dom0.run("cat /proc/mdstat").out)
    assert fresh_dom0.run("systemctl is-active mdmonitor").out == "active\n"


def test_power_cut_keeps_what_was_synced(fresh_dom0):
    device = fresh_dom0.disk("d2").device
    fresh_dom0.run(
        f"echo here >/etc/kept; echo data of d2 | dd of={device} conv=fsync status=none; sync"
    )
    fresh_dom0.cut_power()
    fresh_dom0.boot(["d2", "d0"])
    assert fresh_dom0.run("cat /etc/kept").out == "here\n"
    assert fresh_dom0.run("head -c 10 /dev/sda").out == "data of d2"


def test_reset_leaves_nothing(fresh_dom0):
    before = fresh_dom0.run("cat /etc/ssmtp/ssmtp.conf").out
    devices = [fresh_dom0.disk(name).device for name in ("d0", "d1")]
    fresh_dom0.run("mdadm --create /dev/md0 --run --level=1 --raid-devices=2 " + " ".join(devices))
    fresh_dom0.run(
        "pvcreate -q /dev/md0; vgcreate -q VG_test /dev/md0; lvcreate -q -L 8M -n volume VG_test; "
        "mkfs.ext4 -q /dev/VG_test/volume"
    )
    fresh_dom0.run(
        "mount /dev/VG_test/volume /srv; mdadm --detail --scan >/etc/mdadm.conf; echo hub=none "
        ">/etc/ssmtp/ssmtp.conf"
    )
    fresh_dom0.reset()
    assert fresh_dom0.run("cat /etc/ssmtp/ssmtp.conf").out == before
    assert fresh_dom0.run("test -e /etc/mdadm.conf", check=False).status == 1
    assert "md" not in fresh_dom0.run("lsblk -no NAME").out
    assert fresh_dom0.run("wipefs /dev/sd?; vgs").out == ""
    fresh_dom0.run("mdadm --create /dev/md0 --run --level=1 --raid-devices=2 " + " ".join(devices))
    assert fresh_dom0.run("udevadm settle; vgs; wipefs /dev/md0").out == ""


# what a dom0 has


def test_mdmonitor_is_as_in_centos(fresh_dom0):
    assert fresh_dom0.run("systemctl show --property Type,UnitFileState mdmonitor").out.split() == [
        "Type=forking",
        "UnitFileState=disabled",
    ]
    assert fresh_dom0.run("ls -d /etc/mdadm*", check=False).out == ""
    fresh_dom0.run("echo MAILADDR root >/etc/mdadm.conf")
    fresh_dom0.run(
        "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 /dev/sda /dev/sdb; systemctl "
        "start mdmonitor; sleep 0.2"
    )
    fresh_dom0.run("kill -0 $(cat /var/run/mdadm/mdadm.pid)")


def test_ssmtp_is_sendmail_with_its_default_files(fresh_dom0):
    assert (
        fresh_dom0.run("stat -c '%U:%G %a' /etc/ssmtp/ssmtp.conf /etc/ssmtp/revaliases").out
        == "root:mail 640\n" * 2
    )
    assert "mailhub=mail\n" in fresh_dom0.run("cat /etc/ssmtp/ssmtp.conf").out
    assert "sSMTP" in fresh_dom0.run("/usr/sbin/sendmail -V", check=False).err


def test_syslog_lines_can_be_read(dom0):
    dom0.run("logger -t xsraid-test 'a line'")
    dom0.wait_until(lambda: "a line" in dom0.run("journalctl --no-pager -t xsraid-test").out)


def test_xapi_answers(dom0):
    [host] = dom0.xapi("host.get_all_records").values()
    assert host["uuid"] == dom0.host_uuid
    assert dom0.xe("host-list --minimal").strip() == dom0.host_uuid
    with pytest.raises(XapiFailure) as refused:
        dom0.xapi("host.call_plugin", "@host", "absent", "list", {})
    assert refused.value.code == "XENAPI_MISSING_PLUGIN"


def test_command_that_fails_or_hangs_is_told(dom0):
    with pytest.raises(CommandFailed, match="no such thing"):
        dom0.run("echo no such thing >&2; exit 3")
    assert dom0.run("exit 3", check=False).status == 3
    assert dom0.run("sleep 100", timeout_s=1, check=False).status == "timeout"
    assert len(dom0.run("head -c 3000000 /dev/zero | tr '\\0' x").out) == 3000000


# mail


def test_mail_by_each_port(fresh_dom0):
    for port, user, tls in ((587, SMTP_USER, True), (465, SMTP_USER, True), (25, None, False)):
        code, text = send(fresh_dom0, port, user)
        mail = fresh_dom0.wait_for_mail(lambda mail, port=port: mail.port == port, timeout_s=1)
        assert (code, text) == (250, "2.0.0 OK: queued as " + mail.queue_id)
        assert (mail.sender, mail.recipients, mail.user, mail.tls) == (
            "dom0@example.com",
            ["admin@example.com"],
            user,
            tls,
        )
        assert mail.headers["Subject"] == "Disk"
        assert "One failed." in mail.text
    assert len(fresh_dom0.mails()) == 3


def test_mail_needs_a_login_with_the_right_password(fresh_dom0):
    assert send(fresh_dom0, 587, None)[0] == 530
    assert send(fresh_dom0, 465, None)[0] == 530
    assert send(fresh_dom0, 587, SMTP_USER, "wrong")[0] == 535
    fresh_dom0.smtp("accept", password="another")
    assert send(fresh_dom0, 587, SMTP_USER, "another")[0] == 250


@pytest.mark.parametrize(
    ("mode", "code"),
    [("reject", 554), ("greylist", 451), ("bad_auth", 535), ("vanish", "ConnectionRefusedError")],
)
def test_mail_server_that_refuses(fresh_dom0, mode, code):
    fresh_dom0.smtp(mode)
    assert [send(fresh_dom0, 587)[0], send(fresh_dom0, 465)[0]] == [code, code]
    assert send(fresh_dom0, 25, None)[0] == (250 if mode == "bad_auth" else code)
    assert {mail.port for mail in fresh_dom0.mails()} <= {25}
    fresh_dom0.smtp("accept")
    assert send(fresh_dom0)[0] == 250


@pytest.mark.parametrize("mode", ["stall", "stall_after_data"])
def test_mail_server_that_says_nothing(fresh_dom0, mode):
    fresh_dom0.smtp(mode)
    started = time.monotonic()
    assert "timed out" in send(fresh_dom0, timeout_s=3)[0]
    assert time.monotonic() - started > 3
    fresh_dom0.smtp("accept")
    assert send(fresh_dom0)[0] == 250


def test_ssmtp_delivers_and_fails_audibly(fresh_dom0):
    fresh_dom0.run(
        "cat >/etc/ssmtp/ssmtp.conf",
        stdin=f"root=admin@example.com\nmailhub={SMTP_HOST}:587\nUseSTARTTLS=YES\nUseTLS=YES\n"
        f"AuthUser={SMTP_USER}\nAuthPass={SMTP_PASSWORD}\nTLS_CA_File={CA}\n",
    )
    message = "To: admin@example.com\nSubject: by ssmtp\n\nHello\n"
    fresh_dom0.run("sendmail -t", stdin=message)
    assert fresh_dom0.wait_for_mail().headers["Subject"] == "by ssmtp"
    for mode in ("reject", "bad_auth", "vanish"):
        fresh_dom0.smtp(mode)
        assert fresh_dom0.run("sendmail -t", stdin=message, check=False).status == 1
