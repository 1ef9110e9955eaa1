"""The volume group of an LVM physical volume, read from bytes as LVM writes them."""

import io
import random
import struct

import pytest

from xsraid.host.files import Host
from xsraid.host.physical_volume import Group, group_on, volume_of, written_s

MAGIC = b"\x20\x4c\x56\x4d\x32\x20\x78\x5b\x35\x41\x25\x72\x30\x4e\x2a\x3e"
ID = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"
AREA, AREA_BYTES = 4096, 8192
WRITTEN_S = 1700000000


def volume(group="data", sector=1, at=512, flags=0, area=AREA, has_text=True, filler=300):
    """Return the bytes of a physical volume. sector: of its label; at: where in the metadata area
    the text begins.
    """
    head = (
        struct.pack("<8sQII8s", b"LABELONE", sector, 0, 32, b"LVM2 001")
        + b"u" * 32
        + struct.pack("<Q", 1 << 26)
    )
    head += struct.pack("<QQQQ", 1 << 20, 0, 0, 0) + (
        struct.pack("<QQQQ", area, AREA_BYTES, 0, 0) if area else struct.pack("<QQ", 0, 0)
    )
    text = ('%s {\nid = "%s"\nseqno = 1\n' % (group, ID)).encode() + b"#" * filler
    text += b"\ncreation_time = %d\t# of this text\n" % WRITTEN_S
    ring = bytearray(AREA_BYTES)
    struct_head = struct.pack("<I16sIQQ", 0, MAGIC, 1, AREA, AREA_BYTES)
    struct_head += struct.pack(
        "<QQII", at if has_text else 0, len(text) if has_text else 0, 0, flags
    )
    ring[: len(struct_head)] = struct_head
    for place, byte in enumerate(bytearray(text)):
        where = at + place
        ring[where if where < AREA_BYTES else where - AREA_BYTES + 512] = byte
    content = bytearray(AREA + AREA_BYTES)
    content[sector * 512 : sector * 512 + len(head)] = head
    content[AREA:] = ring
    return bytes(content)


@pytest.fixture
def read(tmpdir):
    def group_of(content):
        with io.open(str(tmpdir.join("disk")), "wb") as disk:
            disk.write(content)
        return group_on(Host(str(tmpdir)), "/disk")

    return group_of


@pytest.mark.parametrize(
    "content,seconds",
    [
        (volume(), WRITTEN_S),
        (volume(filler=3000), WRITTEN_S),
        # The text goes on at the ring's begin, before its end and within it.
        (volume(at=AREA_BYTES - 9), WRITTEN_S),
        (volume(at=AREA_BYTES - 1100, filler=1000), WRITTEN_S),
        (volume(at=AREA_BYTES - 2000, filler=3000), WRITTEN_S),
        (volume(has_text=False), None),
        (volume(flags=1), None),
        (volume(area=0), None),
        (b"\0" * 8192, None),
    ],
)
def test_when_a_group_was_written(tmpdir, content, seconds):
    with io.open(str(tmpdir.join("disk")), "wb") as disk:
        disk.write(content)
    assert written_s(Host(str(tmpdir)), "/disk") == seconds


@pytest.mark.parametrize(
    "content,group",
    [
        (volume(), Group("data", ID.replace("-", ""))),
        (
            volume("VG_XenStorage-0d6e8c6e-7f3e", sector=0),
            Group("VG_XenStorage-0d6e8c6e-7f3e", ID.replace("-", "")),
        ),
        (volume(sector=3), Group("data", ID.replace("-", ""))),
        (volume(at=1024), Group("data", ID.replace("-", ""))),
        (volume(at=AREA_BYTES - 512), Group("data", ID.replace("-", ""))),
        # The text goes on at the ring's begin.
        (volume(at=AREA_BYTES - 9), Group("data", ID.replace("-", ""))),
        (volume(has_text=False), Group("", "")),
        (volume(sector=4), None),
        (volume(flags=1), None),
        (volume(area=0), None),
        (volume("spoilt {\n#"), None),
        (b"", None),
        (b"LABELONE" + b"\0" * 16 + b"LVM2 001", None),
        (b"\0" * 8192, None),
    ],
)
def test_the_group_on_a_volume(read, content, group):
    assert read(content) == group


def test_no_damage_makes_it_fail(read, tmpdir):
    """Whatever bytes are there: a group, or none."""
    chance = random.Random(11)
    whole = bytearray(volume())
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            content[chance.choice([chance.randrange(512, 700), chance.randrange(4096, 4700)])] = (
                chance.randrange(256)
            )
        found = read(bytes(content[: chance.choice([None, 600, 4100, 4200])]))
        assert found is None or isinstance(found, Group)
        assert isinstance(written_s(Host(str(tmpdir)), "/disk"), (int, type(None)))


@pytest.mark.parametrize(
    "dm_name,names",
    [
        ("data-lv", ("data", "lv")),
        ("my--group-my--volume", ("my-group", "my-volume")),
        ("VG_XenStorage--0d6e--7f3e-MGT", ("VG_XenStorage-0d6e-7f3e", "MGT")),
        ("data-lv-real", ("data", "lv")),
        ("crypt", ("crypt", None)),
        ("a----b-c", ("a--b", "c")),
    ],
)
def test_the_names_in_a_device_mapper_name(dm_name, names):
    assert volume_of(dm_name) == names
