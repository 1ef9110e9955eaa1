import pytest

from xsraid.md import conf, mdadm, names
from xsraid.text import md_uuid

UUID = "6bd4d5e1:0b5d4f4c:a1f0c6f3:8d8f7a31"
OTHER = "11111111:22222222:33333333:44444444"
# What people have: comments, continued lines, any case, what mdadm --detail --scan of several
# versions prints.
CONFIGURATION = """\
# mdadm.conf written by hand
DEVICE partitions
array /dev/md127 metadata=1.2 name=dom0:127
   UUID=6BD4D5E1:0b5d4f4c:a1f0c6f3:8d8f7a31 spares=1 # the old one
ARRAY /dev/md/data level=raid1 num-devices=2 UUID=11111111:22222222:33333333:44444444

mailaddr root  # nobody reads this
MAILADDR second@example.com
PROGRAM "/usr/sbin/handle events"
"""


def test_what_is_read():
    configuration = conf.Configuration(CONFIGURATION)
    assert [(node, md_uuid(uuid)) for node, uuid in configuration.arrays()] == [
        ("/dev/md127", UUID),
        ("/dev/md/data", OTHER),
    ]
    assert configuration.first("MAILADDR") == "root"
    assert configuration.first("PROGRAM") == "/usr/sbin/handle events"
    assert configuration.first("MAILFROM") is None
    assert configuration.has_array(UUID.replace(":", "-"))
    assert not configuration.has_array("0" * 32)


def test_text_survives_untouched():
    for text in (
        CONFIGURATION,
        "",
        "\n",
        "  # indented\n",
        "MAILADDR root",
        " odd first line\nARRAY x\n",
    ):
        assert conf.Configuration(text).text() == text


def test_array_line_is_added_once():
    configuration = conf.Configuration("MAILADDR root")
    assert configuration.set_array("/dev/md0", UUID) == "ARRAY /dev/md0 UUID=" + UUID
    assert configuration.text() == "MAILADDR root\nARRAY /dev/md0 UUID=%s\n" % UUID
    configuration.set_array("/dev/md0", UUID.replace(":", "").upper())
    assert configuration.text() == "MAILADDR root\nARRAY /dev/md0 UUID=%s\n" % UUID


def test_array_line_replaces_its_older_forms():
    configuration = conf.Configuration(CONFIGURATION + "ARRAY /dev/md5 UUID=%s\n" % UUID)
    configuration.set_array("/dev/md0", UUID, 1)
    lines = [line for line in configuration.text().splitlines() if UUID in line.lower()]
    assert lines == ["ARRAY /dev/md0 UUID=%s spares=1" % UUID]
    assert "ARRAY /dev/md/data level=raid1" in configuration.text()
    assert "# mdadm.conf written by hand" in configuration.text()


def test_first_word_is_replaced_and_the_rest_stays():
    configuration = conf.Configuration(CONFIGURATION)
    configuration.set_word("MAILADDR", "admin@example.com")
    configuration.set_word("MAILFROM", "dom0@example.com")
    text = configuration.text()
    assert (
        text
        == CONFIGURATION.replace("mailaddr root  # nobody reads this", "MAILADDR admin@example.com")
        + "MAILFROM dom0@example.com\n"
    )
    again = conf.Configuration(text)
    again.set_word("MAILADDR", "admin@example.com")
    assert again.text() == text


def test_create_command():
    assert mdadm.create_command(
        "/dev/md0", "raid10", UUID, "md0", ["/dev/sda", "/dev/sdb"], ["/dev/sdc"], 65536
    ) == [
        "mdadm",
        "--create",
        "/dev/md0",
        "--run",
        "--metadata=1.2",
        "--level=10",
        "--raid-devices=2",
        "--spare-devices=1",
        "--chunk=64K",
        "--bitmap=internal",
        "--uuid=" + UUID,
        "--name=md0",
        "--homehost=any",
        "/dev/sda",
        "/dev/sdb",
        "/dev/sdc",
    ]
    assert not [
        word
        for word in mdadm.create_command("/dev/md0", "raid0", UUID, "md0", ["/dev/sda", "/dev/sdb"])
        if "bitmap" in word or "chunk" in word
    ]


def test_names_lose_the_home_host():
    assert [names.array_name(name) for name in ("any:md0", "md0", "dom0:data")] == [
        "md0",
        "md0",
        "data",
    ]


def test_lines_of_every_kind_name_what_they_name():
    configuration = conf.Configuration(
        "ARRAY <ignore> UUID=%s\nARRAY UUID=%s\nARRAY data UUID=%s\nARRAY /dev/md3 "
        "name=host:3\nARRAY metadata=imsm\n" % (UUID, UUID, UUID)
    )
    assert configuration.arrays() == [(None, UUID), ("/dev/md/data", UUID), ("/dev/md3", None)]


def test_a_line_that_renamed_disks_would_break_is_replaced():
    configuration = conf.Configuration(
        "ARRAY /dev/md0 devices=/dev/sda,/dev/sdb\nARRAY /dev/md1 name=md1\n"
    )
    configuration.set_array("/dev/md0", UUID)
    assert configuration.text() == "ARRAY /dev/md0 UUID=%s\nARRAY /dev/md1 name=md1\n" % UUID


@pytest.mark.parametrize(
    "words,pins",
    [
        ("", False),
        (" spares=1", False),
        (" num-devices=3", True),
        (" devices=/dev/sda,/dev/sdb", True),
    ],
)
def test_lines_that_say_how_many_members_or_which(words, pins):
    configuration = conf.Configuration(
        "ARRAY /dev/md0 UUID=%s%s\nARRAY /dev/md1 UUID=%s num-devices=2\n" % (UUID, words, OTHER)
    )
    assert configuration.pins_members(UUID) == pins
