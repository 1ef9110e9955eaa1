"""What is on disks, from wipefs's words of several releases and from the bytes themselves."""

import pytest

from xsraid.disks import signatures
from xsraid.host import store
from xsraid.host.files import Host
from xsraid.md import mdadm

UUID = "11111111:22222222:33333333:44444444"
EXT4 = "0x438,6b2358bc,ol\\x20d,ext4"
# Files stand for the disks a, b and c. What wipefs says of each, with the mark's line where it was
# given the mark.
WIPEFS = """#!/bin/sh
shift 2
for device; do
    case $device in
        *.mark) echo "0x0,%s,,crypto_LUKS" ;;
        */a) echo "# offset,uuid,label,type"; echo '%s' ;;
        */c) [ ! -e $(dirname $device)/dying ] || { echo "wipefs: error: $device: Input/output error" >&2; exit 1; }
             echo '0x0,u,l,xfs'; echo '0x10,,,dos' ;;
    esac
done
echo x >>$(dirname $0)/calls
""" % (signatures.MARK_UUID, EXT4)  # noqa: E501


@pytest.fixture
def machine(tmpdir):
    for name in "abc":
        tmpdir.join("dev", name).write(b"\\0" * 8192, "wb", ensure=True)
    tmpdir.join("tools", "wipefs").write(WIPEFS, ensure=True)
    tmpdir.join("tools", "wipefs").chmod(0o755)
    return Host(str(tmpdir), "%s:/usr/bin:/bin" % tmpdir.join("tools"))


@pytest.fixture(autouse=True)
def dev_is_here(mocker, tmpdir):
    mocker.patch("xsraid.host.sysfs.node", side_effect=lambda name: "%s/dev/%s" % (tmpdir, name))
    mocker.patch.object(Host, "path", side_effect=lambda path: path)


def kinds(found):
    return {
        name: [signature.type for signature in signatures] for name, signatures in found.items()
    }


def test_all_devices_are_asked_at_once(machine, tmpdir):
    found, unreadable = signatures.signatures(machine, ["a", "b", "c"])
    assert kinds(found) == {"a": ["ext4"], "b": [], "c": ["xfs", "dos"]}
    assert unreadable == {}
    assert found["a"][0] == ("ext4", 1080, "6b2358bc", "ol d")
    assert tmpdir.join("tools", "calls").read() == "x\n"


def test_a_root_that_is_read_only_keeps_nobody_from_looking(machine, tmpdir, mocker):
    """/tmp is on it, as a dom0 has it."""
    mocker.patch("xsraid.host.process.IN_MEMORY", str(tmpdir.ensure("run", dir=True)))
    mocker.patch("tempfile.tempdir", "/nowhere")
    found, unreadable = signatures.signatures(machine, ["a", "b"])
    assert kinds(found)["a"] == ["ext4"]
    assert unreadable == {}
    tool = tmpdir.join("tools", "mdadm")
    tool.write('#!/bin/sh\necho "$*" >>%s/asked\n' % tmpdir)
    tool.chmod(0o755)
    mdadm.make_test_events(machine, ["/dev/md0"], "/bin/true", 10)
    mdadm.assemble(machine, "/dev/md0", UUID, ["--run"])
    asked = tmpdir.join("asked").read().splitlines()
    assert [line.split(" ")[0] for line in asked] == ["--monitor", "--assemble"]
    assert all("--config=%s/run/" % tmpdir in line for line in asked)


def test_one_that_cannot_be_read_spoils_no_other(machine, tmpdir):
    tmpdir.join("dev", "dying").write("")
    found, unreadable = signatures.signatures(machine, ["a", "b", "c"])
    assert kinds(found) == {"a": ["ext4"], "b": []}
    assert "Input/output error" in unreadable["c"]


def test_what_an_old_libblkid_does_not_know_is_found_at_head_and_end(machine, tmpdir):
    head, end = bytearray(8192), bytearray(8192)
    head[4096 + 24 : 4096 + 40] = signatures.NEWER[0][2]
    end[8192 - 4096 + 60 : 8192 - 4096 + 64] = b"\x83\x74\x02\x6d"
    tmpdir.join("dev", "a").write(bytes(head), "wb")
    tmpdir.join("dev", "b").write(bytes(end), "wb")
    found, _ = signatures.signatures(machine, ["a", "b"])
    assert kinds(found) == {"a": ["ext4", "bcache"], "b": ["drbd"]}
    assert found["b"][0].offset_bytes == 8192 - 4096 + 60


def test_wiping_clears_what_was_found_and_nothing_else():
    assert signatures.wipe_commands("/dev/sdb", [("ext4", 1080)]) == [["wipefs", "-a", "/dev/sdb"]]
    commands = signatures.wipe_commands("/dev/sdb", [("ext4", 1080), ("bcache", 4120)])
    assert commands[1][:3] == ["dd", "if=/dev/zero", "of=/dev/sdb"]
    assert {"bs=16", "count=1", "seek=4120"} <= set(commands[1])


def test_a_note_is_there_until_it_is_removed(tmpdir):
    tmpdir.ensure("var/lib/xsraid", dir=True)
    host = Host("/")
    host.path = lambda path: str(tmpdir) + path
    assert store.read(host, "creating", UUID) is None
    assert store.uuids(host, "creating") == []
    store.write(host, "creating", {"request": ["x"]}, UUID)
    assert store.read(host, "creating", UUID) == {"request": ["x"]}
    assert store.uuids(host, "creating") == [UUID.replace(":", "")]
    tmpdir.join("var/lib/xsraid", "creating-" + UUID.replace(":", "")).write("cut o")
    assert store.read(host, "creating", UUID) == {}
    store.remove(host, "creating", UUID)
    store.remove(host, "creating", UUID)
    assert store.uuids(host, "creating") == []
