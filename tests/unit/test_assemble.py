"""What is waited for at boot, and what is said where parts of an array ran apart."""

from __future__ import absolute_import

import pytest

from xsraid.actions import assemble
from xsraid.host.files import Host
from xsraid.md.superblocks import Superblock

CONTAINER, VOLUME, ARRAY = ["%s:00000000:00000000:00000000" % (digit * 8) for digit in "abc"]
CONFIGURATION = """\
ARRAY metadata=%s UUID=%s
ARRAY /dev/md/vol container=%s member=0 UUID=%s
ARRAY /dev/md0 UUID=%s
"""


@pytest.fixture
def host(tmpdir):
    return Host(str(tmpdir))


def has_array(tmpdir, name, uuid, number, state, version):
    md = tmpdir.join("sys", "block", name).ensure(dir=True)
    md.join("dev").write("9:%d\n" % number)
    for attribute, text in (
        ("array_state", state),
        ("metadata_version", version),
        ("raid_disks", "0"),
        ("level", ""),
    ):
        md.join("md", attribute).ensure().write(text + "\n")
    tmpdir.join("run", "udev", "data", "b9:%d" % number).ensure().write("E:MD_UUID=%s\n" % uuid)


def configured(tmpdir, kind="imsm"):
    tmpdir.join("etc", "mdadm.conf").ensure().write(
        CONFIGURATION % (kind, CONTAINER, CONTAINER, VOLUME, ARRAY)
    )


@pytest.mark.parametrize("kind", ["imsm", "ddf"])
def test_a_container_is_not_waited_for(host, tmpdir, kind):
    configured(tmpdir, kind)
    assert assemble._not_running(host) == [(VOLUME, "/dev/md/vol"), (ARRAY, "/dev/md0")]
    has_array(tmpdir, "md127", CONTAINER, 127, "inactive", "external:" + kind)
    has_array(tmpdir, "md126", VOLUME, 126, "active", "external:/md127/0")
    assert assemble._not_running(host) == [(ARRAY, "/dev/md0")]


def test_a_container_whose_line_names_no_kind_is_known_by_its_metadata(host, tmpdir):
    tmpdir.join("etc", "mdadm.conf").ensure().write("ARRAY /dev/md127 UUID=%s\n" % CONTAINER)
    assert assemble._not_running(host) == [(CONTAINER, "/dev/md127")]
    has_array(tmpdir, "md127", CONTAINER, 127, "inactive", "external:imsm")
    assert assemble._not_running(host) == []


@pytest.mark.parametrize(
    "state,version",
    [("inactive", "1.2"), ("inactive", "external:/md127/0"), ("clear", "external:imsm")],
)
def test_what_is_no_container_is_waited_for(host, tmpdir, state, version):
    tmpdir.join("etc", "mdadm.conf").ensure().write("ARRAY /dev/md0 UUID=%s\n" % ARRAY)
    has_array(tmpdir, "md0", ARRAY, 0, state, version)
    assert assemble._not_running(host) == [(ARRAY, "/dev/md0")]


def test_a_conflict_names_disks_by_what_lasts_and_says_what_to_do(host, tmpdir):
    configured(tmpdir)
    blocks = [
        Superblock("/dev/sda", ARRAY, 19, "t", 0, frozenset([0])),
        Superblock("/dev/sdb", ARRAY, 24, "t", 1, frozenset([1])),
    ]
    said = assemble.conflict(host, ARRAY, blocks[:1], blocks[1:])
    assert "/dev/sdb (24 events), and /dev/sda (19 events)" in said
    assert (
        "`mdadm --assemble --run /dev/md0 /dev/sdb` or `mdadm --assemble --run /dev/md0 /dev/sda`"
        in said
    )
    assert "wipe=true" in said
