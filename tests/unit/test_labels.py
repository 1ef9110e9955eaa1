"""Whatever bytes a file system's label holds: what wipefs prints of it, today's and that of CentOS
7, is understood, and the label is shown.
"""

from __future__ import unicode_literals

import io
import os
import random
import subprocess

import pytest

from xsraid import text
from xsraid.disks import signatures
from xsraid.host import stack, sysfs
from xsraid.host.files import Host

# The command, how many bytes of a label it takes.
MAKERS = {"ext4": (["mkfs.ext4", "-q", "-F", "-L"], 16), "swap": (["mkswap", "-L"], 15)}
PIECES = [
    b",",
    b"\\",
    b"\\x2c",
    b'"',
    b"'",
    b" ",
    b"\n",
    b"\r",
    b"\t",
    b"#",
    b"0x0",
    b"a",
    b"Z",
    b"\xc3\xbc",
    b"\xe2\x80\xa8",
    b"\xff",
    b"\x01",
    b"\x85",
]
AWKWARD = [
    b"",
    b",",
    b",,",
    b"Backup, alt",
    b'a "b" c',
    b"it's",
    b"back\\slash",
    b"\\x2c",
    b"\\x5cx2c",
    b"two\nlines",
    b"\r",
    b"\t tab",
    b"# no comment",
    b"# offset,",
    b"0x0,u,l,xfs",
    b"\n0x0,u,l,xfs",
    "\xdcml\xe4ut".encode("utf-8"),
    "\u2028,\x85".encode("utf-8"),
    b"\xff\xfe,\xe4",
    b"\x1b[31m",
    b"a,ext4",
    b"\x7f\x01",
    b"-",
    b"%s%n",
]
SEED, COUNT = 19, 150


def random_labels():
    chance = random.Random(SEED)
    for _ in range(COUNT):
        yield b"".join(chance.choice(PIECES) for _ in range(chance.randrange(12)))[:16]


LABELS = AWKWARD + list(random_labels())


def known_as(label):
    """What libblkid makes of a label's bytes: without the blanks at its end, and its first NUL ends
    it.
    """
    return text.native(label.split(b"\0")[0].rstrip(b" \t\n\r\x0b\x0c"))


@pytest.fixture
def images(tmpdir, mocker):
    """Makes disks of files: (kernel names, machine)."""

    def make(commands):
        names = []
        for command, label in commands:
            name = "disk%d" % len(names)
            path = str(tmpdir.join(name))
            with io.open(path, "wb") as image:
                image.truncate(1 << 20)
            with io.open(os.devnull, "wb") as nothing:
                subprocess.check_call(
                    command + [label, path],
                    stdout=nothing,
                    stderr=nothing,
                    env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
                )
            names.append(name)
        mocker.patch.object(sysfs, "node", side_effect=lambda name: str(tmpdir.join(name)))
        return names

    return make


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_labels_of_real_file_systems(images, kind):
    command, length = MAKERS[kind]
    names = images([(command, label) for label in LABELS])
    for at in range(0, len(names), 50):
        found, unreadable = signatures.signatures(
            Host("/", "/usr/sbin:/sbin:/usr/bin:/bin"), names[at : at + 50]
        )
        assert unreadable == {}
        for name, label in list(zip(names, LABELS))[at : at + 50]:
            assert [(one.type, one.label) for one in found[name]] == [
                (kind, known_as(label[:length]))
            ]


def test_all_at_once_still_tells_them_apart(images):
    kinds = sorted(MAKERS)
    names = images([(MAKERS[kinds[at % 2]][0], label) for at, label in enumerate(AWKWARD)])
    together = signatures._together(Host("/", "/usr/sbin:/sbin:/usr/bin:/bin"), names)
    assert [[one.type for one in together[name]] for name in names] == [
        [kinds[at % 2]] for at in range(len(names))
    ]


def of_centos_7(value):
    """What blkid_encode_string, with which wipefs 2.23 prints, makes of bytes: letters, digits,
    #+-.:=@_ and valid UTF-8 stay.
    """
    out, rest = b"", value
    while rest:
        length = next((size for size in (4, 3, 2) if is_one_character(rest[:size])), 1)
        one, rest = rest[:length], rest[length:]
        out += (
            one
            if length > 1 or one.isalnum() or one in b"#+-.:=@_"
            else ("\\x%02x" % ord(one)).encode("ascii")
        )
    return out


def is_one_character(value):
    try:
        return len(value.decode("utf-8")) == 1 and len(value) > 1
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("label", LABELS)
def test_what_centos_7_prints(tmpdir, mocker, label):
    mocker.patch.object(sysfs, "node", return_value=str(tmpdir.join("disk")))
    tmpdir.join("disk").write(b"\0" * 9000, "wb")
    tmpdir.join("said").write(
        b"# offset,uuid,label,type\n0x438,6b2358bc,%s,ext4\n0x1fe,,,dos\n".replace(
            b"%s", of_centos_7(label)
        ),
        "wb",
    )
    tmpdir.join("wipefs").write("#!/bin/sh\ncat %s\n" % tmpdir.join("said"))
    tmpdir.join("wipefs").chmod(0o755)
    found, unreadable = signatures.signatures(Host("/", "%s:/bin" % tmpdir), ["disk"])
    assert (found["disk"], unreadable) == (
        [("ext4", 0x438, "6b2358bc", text.native(label)), ("dos", 0x1FE, "", "")],
        {},
    )


def test_a_label_that_is_too_long_for_centos_7_hides_no_signature():
    """Its buffer of 256 bytes then has no end."""
    lines = ["0x10040,u,%s\x7f\x01,\n\xff,btrfs" % ("a" * 250), "0x1fe,,,dos"]
    assert [signatures._signature(line).type for line in lines] == ["btrfs", "dos"]


@pytest.mark.parametrize("garbage", [b"\x7f\x01", b"\n", b"\n\n,", b",x\n#"])
def test_what_stands_behind_in_memory_is_no_signature(tmpdir, mocker, garbage):
    mocker.patch.object(sysfs, "node", return_value=str(tmpdir.join("disk")))
    tmpdir.join("disk").write(b"\0" * 9000, "wb")
    tmpdir.join("said").write(
        b"# offset,uuid,label,type\n0x10040,u," + b"a" * 252 + garbage + b",btrfs\n0x1fe,,,dos\n",
        "wb",
    )
    tmpdir.join("wipefs").write("#!/bin/sh\ncat %s\n" % tmpdir.join("said"))
    tmpdir.join("wipefs").chmod(0o755)
    found, unreadable = signatures.signatures(Host("/", "%s:/bin" % tmpdir), ["disk"])
    assert [one.type for one in found.get("disk", [])] == ["btrfs", "dos"]
    assert unreadable == {}


@pytest.mark.parametrize(
    "name", [b"/mnt/a\rb", b"/mnt/a\x0bb", b"/mnt/a\xe2\x80\xa8b", b"/mnt/a\xc2\x85b"]
)
def test_a_mount_point_with_an_odd_name_is_one(tmpdir, name):
    """The kernel writes blanks, line ends and backslashes as octal numbers, all else as it is."""
    lines = [
        b"36 35 8:1 / " + name + b" rw shared:1 - ext4 /dev/sda1 rw\n",
        b"37 35 8:2 / /srv rw - ext4 /dev/sda2 rw\n",
    ]
    tmpdir.ensure("proc/self/mountinfo").write(b"".join(lines), "wb")
    assert stack._mounts(Host(str(tmpdir))) == {"8:1": [text.native(name)], "8:2": ["/srv"]}


def test_what_udev_knows_is_a_line_each(tmpdir):
    tmpdir.ensure("run/udev/data/b8:0").write(
        "E:MD_NAME=any:a\u2028E:MD_UUID=1\rE:ID_BUS=usb\nE:ID_BUS=ata\n".encode("utf-8"), "wb"
    )
    properties = sysfs.udev_properties(Host(str(tmpdir)), "8:0")
    assert properties["ID_BUS"] == "ata"
    assert "MD_UUID" not in properties
