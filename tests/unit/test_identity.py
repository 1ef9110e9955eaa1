"""Which disks are one by their identity and by what is on them: disks are dictionaries of blocks,
whose writes a path shows or not.
"""

import errno

import pytest

from tests import made
from xsraid.disks import identity
from xsraid.host import sysfs
from xsraid.host.files import Host

SIZE = 1 << 20
BLANK = b"\0" * SIZE


class Disks(object):
    """What is on disks: nodes that share a bytearray are paths to one disk. broken: nodes that
    cannot be read.
    """

    def __init__(self, mocker, **contents):
        self.contents, self.broken = (
            {"/dev/" + name: content for name, content in contents.items()},
            [],
        )
        self.writes = 0
        mocker.patch.object(identity, "_read", self.read)
        mocker.patch.object(identity, "_write", self.write)

    def read(self, host, device, offset, count):
        if device in self.broken:
            raise EnvironmentError(errno.EIO, "I/O error")
        return bytes(self.contents[device][offset : offset + count])

    def write(self, host, device, offset, data):
        self.writes += 1
        self.contents[device][offset : offset + len(data)] = data


def record(name, serial="S", wwn=None, **more):
    found = {
        "device": "/dev/" + name,
        "serial": serial,
        "wwn": wwn,
        "vendor": "V",
        "model": "M",
        "size_bytes": SIZE,
        "transport": "sas",
        "paths": ["/dev/" + name],
    }
    found.update(more)
    return made.disk(found)


def paths_of(mocker, *records):
    mocker.patch.object(sysfs, "attribute", return_value=None)
    identity.fill_in(Host("/nowhere"), list(records))
    return [[path[len("/dev/") :] for path in each.paths] for each in records]


@pytest.mark.parametrize(
    "one,other,are_one",
    [
        ({}, {}, True),
        ({}, {"serial": "T"}, False),
        ({}, {"model": "N"}, False),
        ({}, {"size_bytes": 2 * SIZE}, False),
        ({"serial": None}, {"serial": None}, False),
        ({"wwn": "0x5000"}, {"wwn": "0x5000"}, True),
        ({"wwn": "0x5000"}, {"wwn": "naa.5000"}, True),
        ({"wwn": "0x5000"}, {"wwn": "0x5001"}, False),
        ({"wwn": "0x5000", "serial": None}, {"wwn": "0x5000"}, True),
        ({"wwn": "0x5000", "serial": "T"}, {"wwn": "0x5000"}, False),
        ({"wwn": "0x5000", "model": "N"}, {"wwn": "0x5000"}, True),
        ({"transport": "ata"}, {"transport": "ata"}, False),
        ({"vendor": "ATA     "}, {"vendor": "ATA     "}, False),
        ({"transport": "usb"}, {"transport": "usb"}, True),
    ],
)
def test_identity(mocker, one, other, are_one):
    assert paths_of(mocker, record("sda", **one), record("sdb", **other)) == (
        [["sda", "sdb"]] * 2 if are_one else [["sda"], ["sdb"]]
    )


@pytest.mark.parametrize(
    "text,plain",
    [
        ("naa.600A", "600a"),
        ("0x600a", "600a"),
        ("eui.0025 ", "0025"),
        ("600a", "600a"),
        ("uuid.1-2", "1-2"),
    ],
)
def test_world_wide_names(text, plain):
    assert identity.plain_wwn(text) == plain


def left(mocker, disks, *names):
    disk = record(names[0], paths=["/dev/" + name for name in names])
    identity.leave_out_others(Host("/nowhere"), disk)
    return [path[len("/dev/") :] for path in disk.paths]


def test_what_is_on_them_tells_disks_apart(mocker):
    shared = bytearray(BLANK)
    head, tail = bytearray(BLANK), bytearray(BLANK)
    head[5000], tail[-5000] = 1, 1
    disks = Disks(mocker, sda=shared, sdb=shared, sdc=head, sdd=tail, sde=bytearray(BLANK))
    assert left(mocker, disks, "sda", "sdb", "sdc", "sdd", "sde") == ["sda", "sdb", "sde"]
    disks.broken = ["/dev/sdb"]
    # What cannot be read proves nothing.
    assert left(mocker, disks, "sda", "sdb", "sdc") == ["sda", "sdb"]
    disks.broken = ["/dev/sda"]
    assert left(mocker, disks, "sda", "sdb", "sdc") == ["sda", "sdb", "sdc"]


def test_a_disk_that_changes_meanwhile_proves_nothing(mocker):
    disks = Disks(mocker, sda=bytearray(BLANK), sdb=bytearray(BLANK))
    read, count = disks.read, []

    def changing(host, device, offset, size):
        disks.contents["/dev/sda"][100] = len(count) % 251
        count.append(device)
        return read(host, device, offset, size)

    mocker.patch.object(identity, "_read", changing)
    assert left(mocker, disks, "sda", "sdb") == ["sda", "sdb"]
    assert len(count) >= 3 * identity.LOOKS


def test_a_mark_proves_which_are_one_and_is_taken_away(mocker):
    shared = bytearray(BLANK)
    disks = Disks(mocker, sda=shared, sdb=shared, sdc=bytearray(BLANK))
    assert identity.are_one(None, "/dev/sda", ["/dev/sdb", "/dev/sdc"]) == ["/dev/sdb"]
    assert set(map(bytes, disks.contents.values())) == {BLANK}
    assert disks.writes == 2


def test_no_mark_stands_where_anything_is(mocker):
    """It takes a block that is zero on all of them; without one they count as one, and nothing is
    written.
    """
    one, other = bytearray(BLANK), bytearray(BLANK)
    one[: identity.HEAD_BYTES // 2] = b"x" * (identity.HEAD_BYTES // 2)
    other[identity.HEAD_BYTES // 2 : identity.HEAD_BYTES - 4096] = b"y" * (
        identity.HEAD_BYTES // 2 - 4096
    )
    disks = Disks(mocker, sda=one, sdb=other)
    assert identity.are_one(None, "/dev/sda", ["/dev/sdb"]) == []
    assert disks.writes == 2
    other[identity.HEAD_BYTES - 1 : identity.HEAD_BYTES] = b"y"
    assert identity.are_one(None, "/dev/sda", ["/dev/sdb"]) == ["/dev/sdb"]
    assert disks.writes == 2


def test_the_mark_goes_also_when_a_path_fails(mocker):
    disks = Disks(mocker, sda=bytearray(BLANK), sdb=bytearray(BLANK))
    write = disks.write

    def failing(host, device, offset, data):
        write(host, device, offset, data)
        disks.broken = ["/dev/sdb"]

    mocker.patch.object(identity, "_write", failing)
    with pytest.raises(EnvironmentError):
        identity.are_one(None, "/dev/sda", ["/dev/sdb"])
    assert bytes(disks.contents["/dev/sda"]) == BLANK


def test_a_link_that_two_disks_claim_is_nobodys():
    assert identity.shared_links(
        [["/dev/disk/by-id/a", "/dev/disk/by-id/b"], ["/dev/disk/by-id/b"], []]
    ) == {"/dev/disk/by-id/b"}
    host = Host("/nowhere")
    links = ["/dev/disk/by-id/wwn-1", "/dev/disk/by-id/scsi-Sx", "/dev/disk/by-path/p"]
    assert identity.lasting(host, "/dev/sda", links, set()) == "/dev/disk/by-id/scsi-Sx"
    assert (
        identity.lasting(host, "/dev/sda", links, {"/dev/disk/by-id/scsi-Sx"})
        == "/dev/disk/by-id/wwn-1"
    )
    assert identity.lasting(host, "/dev/sda", ["/dev/disk/by-path/p"], set()) is None
