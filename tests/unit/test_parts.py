"""What each array runs from is noted, and what that says of members at the next boot."""

from __future__ import absolute_import

import pytest

from tests.made import array
from xsraid.actions import parts
from xsraid.host import store
from xsraid.host.files import Host
from xsraid.md.superblocks import Superblock

UUID = "31bd0c1a:385a5cc2:4f811844:28fa8c1b"
OTHER = "a1bd0c1a:385a5cc2:4f811844:28fa8c1b"
FRESH = Superblock("/dev/sdb", UUID, 40, "later", 1, frozenset([1]))
STALE = Superblock("/dev/sda", UUID, 15, "earlier", 0, frozenset([0, 1]))


@pytest.fixture
def host(tmpdir, mocker):
    """A host whose sda and sdb are members that udev knows."""
    for number, device in enumerate(["sda", "sdb"]):
        tmpdir.join("sys", "block", device, "dev").ensure().write("8:%d\n" % number)
        tmpdir.join("run", "udev", "data", "b8:%d" % number).ensure().write(
            "E:ID_FS_UUID_SUB=%s\n" % device
        )
    state_is(tmpdir, "clean")
    tmpdir.join("var", "lib", "xsraid").ensure(dir=True)
    found = Host(str(tmpdir))
    found.superblocks_of = mocker.patch("xsraid.md.examine.superblocks_of")
    found.device_number = {"/dev/sda": "8:0", "/dev/sdb": "8:1"}.get
    return found


def state_is(tmpdir, state):
    tmpdir.join("sys", "block", "md0", "md", "array_state").ensure().write(state + "\n")


def active(device, slot):
    return {"device": device, "slot": slot, "state": "active"}


def degraded():
    members = [active("/dev/sdb", 1), {"slot": 0, "state": "missing"}]
    return array(device="/dev/md0", uuid=UUID, health="degraded", configured=True, members=members)


def note(host, record, blocks):
    """Note an array whose members have these superblocks; without any its member cannot be read."""
    unread = {} if blocks else {"/dev/sdb": "it hangs"}
    host.superblocks_of.return_value = ({block.device: block for block in blocks}, unread)
    parts.note(host, [record])


def is_asked(tmpdir):
    return tmpdir.join("run", "xsraid-late").check()


def test_it_is_kept_through_a_boot(host):
    note(host, degraded(), [FRESH])
    assert parts.noted(host) == {UUID: parts.Part(["sdb"], [FRESH], "/dev/sdb")}


@pytest.mark.parametrize("health", ["missing", "inactive", "failed"])
def test_it_stays_while_the_array_does_not_run(host, health):
    note(host, degraded(), [FRESH])
    note(host, array(uuid=UUID, health=health, configured=True, members=[]), [])
    assert parts.noted(host)[UUID].blocks == [FRESH]


def test_it_goes_with_the_array(host):
    note(host, degraded(), [FRESH])
    note(host, array(uuid=OTHER, health="missing", configured=True, members=[]), [])
    assert parts.noted(host) == {}


def test_who_is_in_a_new_array_is_noted_at_once_and_the_rest_when_it_is_looked_at(host, tmpdir):
    whole = [dict(active("/dev/sda", 0), serial="SA"), active("/dev/sdb", 1)]
    record = array(device="/dev/md0", uuid=UUID, configured=True, members=whole)
    parts.note_members(host, record)
    assert store.read(host, "ran_from")[UUID]["slots"]["0"] == {
        "device": "/dev/sda",
        "serial": "SA",
        "by_id": None,
    }
    assert not parts.is_outlived(host, parts.noted(host)[UUID], [STALE])
    parts.have_noted(host, [record])
    assert is_asked(tmpdir)
    note(host, record, [FRESH])
    parts.note_members(host, record)
    assert parts.noted(host)[UUID].blocks == [FRESH]


def test_a_link_that_two_disks_share_names_neither(host, tmpdir):
    for number, device in enumerate(["sda", "sdb"]):
        tmpdir.join("sys", "block", device, "device", "uevent").ensure()
        tmpdir.join("run", "udev", "data", "b8:%d" % number).write(
            "S:disk/by-id/ata-shared\n" + "S:disk/by-id/wwn-b\n" * number
        )
    whole = [active("/dev/sda", 0), active("/dev/sdb", 1)]
    parts.note_members(host, array(device="/dev/md0", uuid=UUID, configured=True, members=whole))
    slots = store.read(host, "ran_from")[UUID]["slots"]
    assert slots["0"]["by_id"] is None
    assert slots["1"]["by_id"] == "/dev/disk/by-id/wwn-b"


def test_that_it_cannot_be_noted_breaks_nothing(host, tmpdir):
    tmpdir.join("var", "lib", "xsraid").remove()
    parts.note_members(host, degraded())


def test_it_stays_while_a_member_cannot_be_read(host):
    note(host, degraded(), [FRESH])
    note(host, degraded(), [])
    assert parts.noted(host)[UUID].blocks == [FRESH]


def test_what_has_been_started_and_not_written_to_changes_nothing(host, tmpdir):
    note(host, degraded(), [FRESH])
    state_is(tmpdir, "read-auto")
    note(host, degraded(), [STALE])
    assert parts.noted(host)[UUID].blocks == [FRESH]
    state_is(tmpdir, "clean")
    note(host, degraded(), [STALE])
    assert parts.noted(host)[UUID].blocks == [STALE]


def test_it_is_brought_up_to_date_where_other_members_serve(host, tmpdir):
    parts.have_noted(host, [degraded()])
    assert is_asked(tmpdir)
    tmpdir.join("run", "xsraid-late").remove()
    note(host, degraded(), [FRESH])
    parts.have_noted(host, [degraded()])
    assert not is_asked(tmpdir)
    whole = [active("/dev/sda", 0), active("/dev/sdb", 1)]
    parts.have_noted(host, [array(uuid=UUID, configured=True, members=whole)])
    assert is_asked(tmpdir)


@pytest.mark.parametrize(
    "record",
    [
        array(uuid=None, configured=True, members=[]),
        array(uuid=UUID, configured=False, members=[]),
        array(uuid=UUID, configured=True, health="missing", members=[]),
    ],
)
def test_what_it_is_not_noted_of(host, tmpdir, record):
    parts.have_noted(host, [record])
    assert not is_asked(tmpdir)
    note(host, record, [FRESH])
    assert parts.noted(host) == {}


def test_what_an_array_went_on_without(host):
    assert not parts.is_outlived(host, None, [STALE])
    note(host, degraded(), [FRESH])
    part = parts.noted(host)[UUID]
    assert parts.is_outlived(host, part, [STALE])
    assert not parts.is_outlived(host, part, [STALE, FRESH])
    assert not parts.is_outlived(host, part, [])
    # One of those that it ran from is never in the way, whatever its superblock says.
    assert not parts.is_outlived(host, part, [FRESH._replace(events=15)])


def test_a_member_without_a_uuid_of_its_own_is_known_by_its_disk(host, tmpdir):
    tmpdir.join("run", "udev", "data", "b8:0").write("S:disk/by-id/wwn-1\nS:disk/by-id/ata-1\n")
    assert parts.member_key(host, "/dev/sda") == "/dev/disk/by-id/ata-1"
    tmpdir.join("run", "udev", "data", "b8:0").write("")
    assert parts.member_key(host, "/dev/sda") == "/dev/sda"


def test_the_sentences_name_both_and_a_command():
    part = parts.Part(["sdb"], [FRESH], "/dev/disk/by-id/b")
    said = parts.why_not_alone(part, UUID, "/dev/md0", [STALE], "/dev/disk/by-id/a")
    assert "there: /dev/disk/by-id/a (15 events)" in said
    assert "from /dev/disk/by-id/b (40 events)" in said
    assert "`mdadm --assemble --run /dev/md0 /dev/disk/by-id/a`" in said
    said = parts.why_not_alone(part, UUID, None, [STALE], "/dev/disk/by-id/a")
    assert "--run /dev/disk/by-id/md-uuid-%s /dev/disk/by-id/a`" % UUID in said
