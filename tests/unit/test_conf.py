# -*- coding: utf-8 -*-
"""mdadm.conf, word by word; that mdadm reads it so, too, is tried on random files in
tests/dom0/test_mdadm_conf.py.
"""

import ctypes
import random

import pytest

from xsraid.md import conf
from xsraid.md.conf import (
    NOWHERE,
    ArrayFacts,
    ConfFile,
    Configuration,
    Home,
    differs,
    line_of,
    matches,
)
from xsraid.text import bare_uuid, md_uuid, same_uuid

UUID = "6bd4d5e1:0b5d4f4c:a1f0c6f3:8d8f7a31"
OTHER = "11111111:22222222:33333333:44444444"
DOM0 = Home("dom0", True)


def lines(text, **more):
    return Configuration(text, **more).array_lines()


def line(words):
    """Return the one ArrayLine of the words of an ARRAY line."""
    (found,) = lines("ARRAY %s\n" % words)
    return found


# words


@pytest.mark.parametrize(
    "text,words",
    [
        ("DEVICE a b\n", [["a", "b"]]),
        ("DEVICE a", [["a"]]),  # no line end
        ("DEVICE", [[]]),
        ("", []),
        ("\n \n\t\n# DEVICE a\n", []),
        ("  DEVICE a\n", [["a"]]),  # the first line continues none
        ("# x\n\n\tDEVICE a\n", [["a"]]),
        ("DEVICE\ta \t b\t\n", [["a", "b"]]),
        ("DEVICE a\n b\n\tc\nDEVICE d\n", [["a", "b", "c"], ["d"]]),
        ("DEVICE a\n\n# x\n  # y\n \n b\n", [["a", "b"]]),  # over blank lines and comments
        ("DEVICE a # b\n c\n", [["a", "c"]]),
        ("DEVICE a#b c\n", [["a#b", "c"]]),
        ("DEVICE '#a' b\n", [["#a", "b"]]),
        ("DEVICE a\r\n b\r\n", [["a\r", "b\r"]]),  # a carriage return is part of its word
        # And a line of one is a line of its own, which the next continues.
        ("DEVICE a\n\r\n b\n", [["a"]]),
        ("DEVICE a\x0bb\x0cc\n", [["a\x0bb\x0cc"]]),
        ("DEVICE 'a b' \"c d\" e' 'f\"g\"\n", [["a b", "c d", "e fg"]]),
        ("DEVICE 'a\"b' \"c'd\"\n", [['a"b', "c'd"]]),
        ("DEVICE 'a b\n c\n", [["a b", "c"]]),  # a quote ends with its line
        ('DEVICE a"b c\nDEVICE d\n', [["ab c"], ["d"]]),
        ("DEVICE '' \"\" a''\n", [["", "", "a"]]),
        ("DEVICE a\0b c\n", [["a", "c"]]),
        ("DEVICE a\\ b\n", [["a\\", "b"]]),
        ("ARRAY\n x\nDEVICE a\n", [["a"]]),
    ],
)
def test_words(text, words):
    assert Configuration(text).words("DEVICE") == words


@pytest.mark.parametrize(
    "word,keyword",
    [
        ("DEVICE", "DEVICE"),
        ("devices", "DEVICE"),
        ("Dev", "DEVICE"),
        ("de", None),
        ("devicess", None),
        ("arr", "ARRAY"),
        ("ARRAYS", None),
        ("mai", "MAILADDR"),
        ("mail", "MAILADDR"),
        ("mailf", "MAILFROM"),
        ("prog", "PROGRAM"),
        ("cre", "CREATE"),
        ("home", "HOMEHOST"),
        ("homec", "HOMECLUSTER"),
        ("aut", "AUTO"),
        ("pol", "POLICY"),
        ("part-", "PART-POLICY"),
        ("sys", "SYSFS"),
        ("mon", "MONITORDELAY"),
        ("x", None),
        ("''", None),
        ("ma\xc4\xb1", None),
    ],
)
def test_keywords_in_any_case_from_three_letters_on(word, keyword):
    configuration = Configuration("%s x\n" % word)
    known = [
        "DEVICE",
        "ARRAY",
        "MAILADDR",
        "MAILFROM",
        "PROGRAM",
        "CREATE",
        "HOMEHOST",
        "HOMECLUSTER",
        "AUTO",
        "POLICY",
        "PART-POLICY",
        "SYSFS",
        "MONITORDELAY",
    ]
    assert [name for name in known if configuration.words(name)] == ([keyword] if keyword else [])


def test_who_is_mailed():
    configuration = Configuration(
        "MAILADDR\nmail a@x, b@x\nMAILADDR c@x\nPROGRAM\nPROGRAM '/x y' z\nPROGRAM w\nMAILFROM a "
        "b\nMAILF c\n"
    )
    assert configuration.first("MAILADDR") == "a@x,"
    assert configuration.recipients() == ["a@x"]
    assert configuration.first("PROGRAM") == "/x y"
    assert configuration.sender() == "a b c"
    nobody = Configuration("MAILADDR\nMAILFROM\n")
    assert (nobody.first("MAILADDR"), nobody.recipients(), nobody.sender()) == (None, [], None)
    assert Configuration('MAILADDR a@x,b@x," ",\n').recipients() == ["a@x", "b@x"]
    assert Configuration("MAILADDR a@x\r\n").recipients() == ["a@x"]  # of whom mail can be sent to


@pytest.mark.parametrize(
    "text,home",
    [
        ("", DOM0),
        ("HOMEHOST\n", DOM0),
        ("HOMEHOST <System>\n", DOM0),
        ("HOMEHOST a b\nHOMEHOST c\n", Home("a", True)),
        ("HOMEHOST <None>\n", Home(None, False)),
        ("HOMEHOST ''\n", Home(None, False)),
        ("HOMEHOST <ignore>\n", Home("dom0", False)),
        ("HOMEHOST a <IGNORE> b\n", Home("a", False)),
        ("HOMEHOST <ignore>\nHOMEHOST a\n", Home("a", False)),
        ("HOMEHOST <none> a\n", Home(None, False)),
        ("HOMEHOST A\n", Home("A", True)),
    ],
)
def test_whose_names_need_no_host(text, home):
    assert Configuration(text).home("dom0") == home


# ARRAY lines


def test_an_array_line_in_full():
    found = line(
        "/dev/md/x uuid=%s name=any:x devices=/dev/sda,,/dev/sd* container=/dev/md/imsm member=1 "
        "super-minor=3 level=raid5 num-devices=4 spares=2 spare-group=g metadata=1.2 bitmap=/b "
        "auto=yes junk=1" % UUID
    )
    assert found == conf.ArrayLine(
        path="/etc/mdadm.conf",
        number=1,
        words=tuple(found.words),
        node="/dev/md/x",
        uuid=UUID,
        name="any:x",
        devices=("/dev/sda", "/dev/sd*"),
        container="/dev/md/imsm",
        member="1",
        super_minor=3,
        level=5,
        device_count=4,
        spare_count=2,
        spare_group="g",
        metadata="1.2",
        bitmap="/b",
        auto="yes",
        ignored=False,
        known=True,
        refused=("junk=1",),
        is_read=True,
    )
    assert len(found.words) == 15
    assert found.words[0] == "/dev/md/x"


def test_a_line_that_says_nothing():
    assert line("")[2:] == ((),) + (None,) * 9 + (0,) + (None,) * 4 + (False, False, (), True)


@pytest.mark.parametrize(
    "word,node",
    [
        ("/dev/md0", "/dev/md0"),
        ("/dev/md12", "/dev/md12"),
        ("/dev/md_d3", "/dev/md_d3"),
        ("/dev/md/any thing", "/dev/md/any"),
        ("data", "/dev/md/data"),
        ("md0", "/dev/md/md0"),
        ("0", "/dev/md/0"),
        ("'my data'", "/dev/md/my data"),
        ("/dev/md/a=b", "/dev/md/a=b"),
        ("''", "/dev/md/"),
        ("/dev/md", None),
        ("/dev/mdx", None),
        ("/dev/md0x", None),
        ("x/dev/md0", "/dev/md/x/dev/md0"),
        ("/dev/md_dx", None),
        ("/dev/sda", None),
        ("<none>", None),
        ("<Ignore>", "<ignore>"),
        ("/dev/md\xd9\xa3", None),
        ("a=b", None),
    ],
)
def test_nodes(word, node):
    found = line(word + " uuid=" + UUID)
    assert found.node == node
    assert found.ignored == (node == "<ignore>")
    assert found.uuid == UUID
    assert found.refused == (
        (("any thing", "thing")[1],) if "thing" in word else () if node else (word,)
    )


def test_the_first_node_counts_wherever_it_stands():
    found = line("uuid=%s /dev/sdx one /dev/md1" % UUID)
    assert found.node == "/dev/md/one"
    assert found.refused == ("/dev/sdx", "/dev/md1")


@pytest.mark.parametrize(
    "text,uuid",
    [
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.replace(":", ""), UUID),
        (UUID.replace(":", "-"), UUID),
        (UUID.replace(":", "."), UUID),
        ("'%s'" % UUID.replace(":", " "), UUID),
        (UUID[:-1], None),
        (UUID + "0", None),
        (UUID + "\r", None),
        (UUID + "\n x", UUID),
        ("", None),
        (UUID.replace("d", "g"), None),
        ("'" + UUID + "\n", UUID),
        ("x" + UUID, None),
    ],
)
def test_uuids(text, uuid):
    found = line("/dev/md0 UUid=" + text)
    assert found.uuid == uuid
    assert found.known == (uuid is not None)


@pytest.mark.parametrize(
    "words,name",
    [
        ("name=x", "x"),
        ("NAME=any:X", "any:X"),
        ("name=", None),
        ("name= name=x", "x"),
        ("name=x name=y", "x"),
        ("name=" + "x" * 32, "x" * 32),
        ("name=" + "x" * 33, None),
        ("name=" + "x" * 33 + " name=y", "y"),
        ("name='a b'", "a b"),
        ("name=a=b", "a=b"),
        ("name=" + "\xc3\xbc" * 17, None),
    ],
)
def test_names(words, name):
    assert line(words).name == name
    assert line(words).known == (name is not None)


@pytest.mark.parametrize(
    "text,number",
    [
        ("0", 0),
        ("7", 7),
        ("+7", 7),
        ("007", 7),
        ("' \t7'", 7),
        ("-1", None),
        ("-0", 0),
        ("7x", None),
        ("7\r", None),
        ("", None),
        ("x", None),
        ("65534", None),
        ("65535", 65535),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("4294967303", 7),
        ("9223372036854775807", None),
        ("99999999999999999999", None),
        ("-99999999999999999999", 0),
        ("\xd9\xa3", None),
    ],
)
def test_super_minors_are_numbers_of_c(text, number):
    assert line("super-minor=" + text).super_minor == number


@pytest.mark.parametrize(
    "text,count",
    [
        ("4", 4),
        ("4x", 4),
        ("x", 0),
        ("", 0),
        ("-1", -1),
        ("65534", None),
        ("4294967297", 1),
        ("'\v\f 3\n", 3),
    ],
)
def test_counts_are_what_a_word_begins_with(text, count):
    found = line("num-devices=9 spares=9 DISKS=%s spares=%s" % (text, text))
    assert found.device_count == count
    assert found.spare_count == (65534 if count is None else count)


def test_the_first_word_holds_or_the_last():
    found = line(
        "uuid=%s uuid=%s devices=a devices=b super-minor=1 super-minor=2 bitmap=a bitmap=b "
        "spare-group=a spare-group=b metadata=1.0 metadata=1.1 level=1 level=5 num-devices=1 "
        "disks=2 auto=no auto=yes member=0 member=1 container=a container=b" % (UUID, OTHER)
    )
    assert (
        found.uuid,
        found.devices,
        found.super_minor,
        found.bitmap,
        found.spare_group,
        found.metadata,
    ) == (UUID, ("a",), 1, "a", "a", "1.0")
    assert (found.level, found.device_count, found.auto, found.member, found.container) == (
        5,
        2,
        "yes",
        "1",
        "b",
    )
    assert found.refused == (
        "uuid=" + OTHER,
        "devices=b",
        "super-minor=2",
        "bitmap=b",
        "spare-group=b",
        "metadata=1.1",
    )


def test_what_mdadm_does_not_take_gives_way_to_what_it_takes():
    found = line("uuid=x uuid=%s super-minor=x super-minor=1 metadata=9 metadata=1" % UUID)
    assert (found.uuid, found.super_minor, found.metadata, found.refused) == (
        UUID,
        1,
        "1",
        ("uuid=x", "super-minor=x", "metadata=9"),
    )
    assert line("level=raid1 level=x").level is None
    assert line("level=raid1 level=x").refused == ("level=x",)


@pytest.mark.parametrize(
    "text,level",
    [
        ("linear", -1),
        ("raid0", 0),
        ("0", 0),
        ("stripe", 0),
        ("raid1", 1),
        ("1", 1),
        ("mirror", 1),
        ("raid4", 4),
        ("4", 4),
        ("raid5", 5),
        ("5", 5),
        ("raid6", 6),
        ("6", 6),
        ("raid10", 10),
        ("10", 10),
        ("multipath", -4),
        ("mp", -4),
        ("faulty", -5),
        ("container", -100),
        ("RAID1", None),
        ("", None),
    ],
)
def test_levels(text, level):
    assert line("level=" + text).level == level


@pytest.mark.parametrize(
    "text,metadata",
    [
        ("", "0.90"),
        ("0", "0.90"),
        ("00", "0.90"),
        ("0.90", "0.90"),
        ("00.90", "0.90"),
        ("90", "0.90"),
        ("1", "1"),
        ("1.0", "1.0"),
        ("01.0", "1.0"),
        ("1.00", "1.0"),
        ("1.1", "1.1"),
        ("1.01", "1.1"),
        ("1.2", "1.2"),
        ("1.02", "1.2"),
        ("01.02", "1.2"),
        ("default", "1.2"),
        ("ddf", "ddf"),
        ("imsm", "imsm"),
        ("1.x", None),
        ("2", None),
        ("IMSM", None),
    ],
)
def test_metadata(text, metadata):
    assert line("metadata=" + text).metadata == metadata


@pytest.mark.parametrize(
    "words,known",
    [
        ("", False),
        ("/dev/md0", False),
        ("uuid=" + UUID, True),
        ("name=x", True),
        ("devices=", True),
        ("devices=/dev/sda", True),
        ("super-minor=0", True),
        ("container=x", False),
        ("member=0", False),
        ("container= member=", True),
        ("level=1 num-devices=2 metadata=1.2 spares=1", False),
        ("<ignore>", False),
        ("<ignore> name=x", True),
    ],
)
def test_lines_without_identity_mean_nothing_to_mdadm(words, known):
    assert line(words).known == known


def test_devices_that_are_too_long_fit_nothing():
    assert line("devices=%s,%s" % ("x" * 1023, "y" * 1024)).devices == ("x" * 1023,)
    assert line("devices=").devices == ()
    assert line("devices=,").devices == ()


def test_each_line_says_where_it_stands():
    text = "# x\nARRAY name=a\n\nARRAY\n name=b\n"
    found = lines(
        text,
        others=[
            ConfFile("/etc/mdadm.conf.d/x.conf", "\n  ARRAY name=c", True),
            ConfFile("/etc/mdadm/mdadm.conf", "ARRAY name=d\n", False),
        ],
    )
    assert [(one.name, one.path, one.number, one.is_read) for one in found] == [
        ("a", "/etc/mdadm.conf", 2, True),
        ("b", "/etc/mdadm.conf", 4, True),
        ("c", "/etc/mdadm.conf.d/x.conf", 2, True),
        ("d", "/etc/mdadm/mdadm.conf", 1, False),
    ]


# which line knows an array

FACTS = ArrayFacts(
    uuid=UUID,
    name="any:mine",
    devices=("/dev/sda", "/dev/disk/by-id/a"),
    level=1,
    device_count=2,
    metadata="1.2",
)
OLD = ArrayFacts(
    uuid=UUID,
    name="",
    devices=("/dev/sda",),
    super_minor=0,
    level=1,
    device_count=2,
    metadata="0.90",
)
VOLUME = ArrayFacts(uuid=UUID, containers=("/dev/md/imsm", OTHER.replace(":", "-")), member="0")


@pytest.mark.parametrize(
    "facts,words,word",
    [
        (FACTS, "uuid=" + UUID, None),
        (FACTS, "uuid=" + OTHER, "uuid"),
        (FACTS, "name=mine", None),
        (FACTS, "name=any:mine", None),
        (FACTS, "name=yours", "name"),
        (FACTS, "name=Mine", "name"),
        (FACTS, "name=:mine", "name"),
        (FACTS, "uuid=%s name=mine" % OTHER, "uuid"),
        (FACTS, "uuid=%s name=x" % UUID, "name"),
        (FACTS, "devices=/dev/sd?", None),
        (FACTS, "devices=/dev/sdb,/dev/sda", None),
        (FACTS, "devices=/dev/disk/by-id/*", None),
        (FACTS, "devices=/dev/*", None),
        (FACTS, "devices=*", "devices"),
        (FACTS, "devices=/dev/sdb uuid=" + UUID, "devices"),
        (FACTS, "devices=", "devices"),
        (FACTS, "super-minor=0", "super-minor"),
        (OLD, "super-minor=0", None),
        (OLD, "super-minor=1", "super-minor"),
        (OLD, "name=x", "name"),
        (FACTS, "name=mine level=raid1", None),
        (FACTS, "name=mine level=5", "level"),
        (FACTS, "name=mine num-devices=2", None),
        (FACTS, "name=mine num-devices=3", "num-devices"),
        (FACTS, "name=mine metadata=1.2", None),
        (FACTS, "name=mine metadata=1", None),
        (FACTS, "name=mine metadata=1.0", "metadata"),
        (FACTS, "uuid=%s metadata=0.90" % OTHER, "metadata"),
        (OLD, "super-minor=0 metadata=0.90", None),
        (VOLUME, "uuid=%s metadata=1.0" % UUID, None),
        (VOLUME, "container=/dev/md/imsm member=0", None),
        (VOLUME, "container=/dev/md/imsm member=1", "member"),
        (VOLUME, "container=/dev/md/x member=0", "container"),
        (VOLUME, "container=%s member=0" % OTHER, None),
        (VOLUME, "container=%s member=0" % UUID, "container"),
        (VOLUME, "container=x member=0", "container"),
        (FACTS, "container=/dev/md/x name=mine", "container"),
        (FACTS, "container=%s name=mine member=0" % OTHER, "member"),
        (FACTS, "container=x name=mine member=", None),
        (FACTS, "container=x name=mine devices=/dev/sdz", None),
        (ArrayFacts(uuid=UUID), "name=x", "name"),
        (ArrayFacts(uuid=UUID), "devices=*", "devices"),
    ],
)
def test_what_an_array_is_not(facts, words, word):
    assert differs(line(words), facts, DOM0) == word
    assert (line_of(facts, [line(words)], DOM0) is not None) == (
        word is None
        or "uuid=" + UUID in words
        or word in ("level", "num-devices")
        or words == "name=mine metadata=1.0"
    )


@pytest.mark.parametrize(
    "name,wanted,home,fits",
    [
        ("any:x", "x", NOWHERE, True),
        ("dom0:x", "x", DOM0, True),
        ("dom0:x", "x", NOWHERE, False),
        ("other:x", "x", DOM0, False),
        ("other:x", "other:x", DOM0, True),
        ("other:x", "x", Home("any", True), True),
        ("other:x", "x", Home(None, False), True),
        ("other:x", "x", Home("dom0", False), True),
        ("x", "x", DOM0, True),
        ("any:x:y", "x:y", DOM0, True),
        ("any:x:y", "y", DOM0, False),
        ("dom0", "", DOM0, False),
        ("any", "any", DOM0, True),
        ("dom:x", "x", DOM0, False),
        ("Dom0:x", "x", DOM0, False),
        (":x", "x", NOWHERE, False),
        ("any:", "x", DOM0, False),
        ("any", "x", Home("any", True), False),
    ],
)
def test_names_with_and_without_their_host(name, wanted, home, fits):
    facts = ArrayFacts(uuid=UUID, name=name)
    assert (differs(line("name='%s'" % (wanted or "-")), facts, home) is None) == fits


def test_the_line_by_which_mdadm_would_assemble_comes_first():
    text = (
        "ARRAY /dev/md1 uuid=%s name=wrong\nARRAY /dev/md2 name=mine\nARRAY /dev/md3 uuid=%s\n"
        % (UUID, UUID)
    )
    assert line_of(FACTS, lines(text)).node == "/dev/md2"
    assert line_of(FACTS, lines(text)[:1]).node == "/dev/md1"
    assert line_of(FACTS, lines("ARRAY name=x\n")) is None
    assert line_of(FACTS, []) is None


@pytest.mark.parametrize(
    "text,is_known",
    [
        ("ARRAY <ignore> UUID=%s\n" % UUID, True),
        # Mdadm cannot read it, but who wrote it meant this array.
        ("ARRAY /dev/md5 UUID=%s\r\n" % UUID, True),
        ("ARRAY /dev/md5 UUID=%s\r\n" % OTHER, False),
        ("ARRAY /dev/md5 uuid=x name=mine\n", True),
        ("ARRAY /dev/md5 uuid=x name=yours\n", False),
        ("ARRAY /dev/md5 name=yours uuid=%s\r\n" % UUID, True),
        # Mdadm --incremental does not mind the case of full names.
        ("ARRAY /dev/md5 name=ANY:MINE\n", True),
        ("ARRAY /dev/md5 name=MINE\n", False),
        ("ARRAY /dev/md5\n\n# x\n  UUID=%s\n" % UUID, True),
        ("ARRAY /dev/md5 name=mine level=5 num-devices=7 metadata=1.0\n", True),
        ("ARRAY /dev/md5 name=mine devices=/dev/sdz\n", False),
        ("ARRAY /dev/md5 name=mine super-minor=1\n", False),
        ("ARRAY /dev/md5 level=1 num-devices=2\n", False),
        ("ARRAY /dev/md5 container=/dev/md/x member=0\n", False),
        # Mdadm takes what is in no container, too.
        ("ARRAY /dev/md5 container=%s name=mine\n" % OTHER, True),
        ("ARRAY /dev/md5 devices=/dev/sd[a-b]\n", True),
        ("arr /dev/md5 'dev'ices=/dev/disk/by-id/a\n", True),
    ],
)
def test_what_counts_as_configured(text, is_known):
    assert (line_of(FACTS, lines(text)) is not None) == is_known


def test_a_line_in_a_file_that_mdadm_does_not_read_counts_after_those_that_it_reads():
    unread = ConfFile("/etc/mdadm/mdadm.conf", "ARRAY /dev/md9 name=mine\n", False)
    assert line_of(FACTS, lines("", others=[unread])).path == "/etc/mdadm/mdadm.conf"
    assert (
        line_of(FACTS, lines("ARRAY /dev/md5 name=mine\n", others=[unread], is_read=False)).node
        == "/dev/md9"
    )
    part = ConfFile("/etc/mdadm.conf.d/a.conf", "ARRAY /dev/md8 name=mine\n", True)
    assert line_of(FACTS, lines("", others=[unread, part])).node == "/dev/md8"


def test_volumes_in_containers_are_known_by_container_and_member():
    assert line_of(VOLUME, [line("container=/dev/md/imsm member=0")])
    assert not line_of(VOLUME, [line("container=/dev/md/imsm member=1")])
    assert line_of(VOLUME, [line("container=%s name=x member=0" % OTHER)]) is None
    assert (
        line_of(
            VOLUME._replace(name="x", device_count=3),
            [line("container=%s name=x num-devices=2" % OTHER)],
        ).container
        == OTHER
    )
    # Not surely in any.
    assert (
        line_of(ArrayFacts(name="y"), [line("container=%s name=y num-devices=9" % OTHER)]) is None
    )


def test_what_has_no_uuid_is_known_by_none():
    assert line_of(ArrayFacts(name="x"), [line("uuid=" + UUID)]) is None
    assert line_of(ArrayFacts(uuid=UUID), [line("<ignore> num-devices=9 uuid=" + UUID)]).ignored


# patterns


@pytest.mark.parametrize(
    "pattern,path,fits",
    [
        ("/dev/sda", "/dev/sda", True),
        ("/dev/sda", "/dev/sda1", False),
        ("dev/sda", "/dev/sda", False),
        ("/dev/sd*", "/dev/sd", True),
        ("/dev/*", "/dev/a/b", False),
        ("/dev/?", "/dev/a", True),
        ("/dev?a", "/dev/a", False),
        ("/*/a", "/dev/a", True),
        ("[ab]", "b", True),
        ("[!ab]", "b", False),
        ("[^ab]", "c", True),
        ("a[!b]c", "a/c", False),
        ("a[/]c", "a/c", False),
        ("[a-c]", "b", True),
        ("[a-c]", "d", False),
        ("[c-a]", "b", False),
        ("[]a]", "]", True),
        ("[!]a]", "]", False),
        ("[a", "[a", True),
        ("[]", "[]", True),
        ("[a-]", "-", True),
        ("[[:digit:]x]", "7", True),
        ("[[:digit:]]", "x", False),
        ("[![:alpha:]]", "7", True),
        ("[[:nothing:]]", "a", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a\\", "a\\", False),
        ("a\\", "a", False),
        ("[\\]]", "]", True),
        ("[\\a-c]", "b", True),
        (".", "a", False),
        ("a+", "aa", False),
        ("*", "a\nb", True),
        ("", "", True),
        ("", "a", False),
        ("\xc3\xbc?", "\xc3\xbcx", True),
        ("*.x", ".x", True),
        ("[[:space:]]", "\t", True),
        ("[[:punct:]]", "_", True),
        ("[[:punct:]]", "a", False),
        ("[[:xdigit:]]", "F", True),
        ("[[:upper:]]", "a", False),
        ("[[:lower:]]", "a", True),
        ("[[:alnum:]]", "_", False),
        ("[[:blank:]]", " ", True),
        ("?", "a\n", False),
    ],
)
def test_patterns_are_those_of_fnmatch(pattern, path, fits):
    assert matches(pattern, path) == fits


def test_patterns_fit_what_the_c_library_says_fits():
    libc = ctypes.CDLL(None)
    rng = random.Random(4)
    parts = [
        "a",
        "b",
        "/",
        "*",
        "?",
        "[ab]",
        "[!a]",
        "[^b/]",
        "[a-c]",
        "[[:alpha:]1]",
        "]",
        "\\",
        "-",
        ".",
        "sd",
        "\\*",
    ]
    for _ in range(5000):
        pattern = "".join(rng.choice(parts) for _ in range(rng.randint(1, 5)))
        path = "".join(rng.choice("abc/1-.*]sd\\") for _ in range(rng.randint(0, 4)))
        assert matches(pattern, path) == (
            libc.fnmatch(pattern.encode("ascii"), path.encode("ascii"), 1) == 0
        ), (pattern, path)


# changes

ODD = (
    "\xff# Caf\xe9 \x85 \x0b\r\nDEVICE partitions\r\n\r\nARRAY /dev/md9\t\tname='a\x0cb'  # "
    "\xfe\r\n\n   # indented\n\tspares=1"
)


@pytest.mark.parametrize(
    "text",
    ["", "\n", ODD, ODD + "\n", "  # indented\n", "\r", "MAILADDR root", "\x1c\x1d\x1e\n\x85\n"],
)
def test_every_byte_that_is_not_ours_stays(text):
    configuration = Configuration(text)
    assert configuration.text() == text
    end = "" if text.endswith("\n") or not text else "\n"
    configuration.set_array("/dev/md0", UUID)
    assert configuration.text() == text + end + "ARRAY /dev/md0 UUID=%s\n" % UUID
    configuration.set_word("MAILFROM", "a@x")
    configuration.set_array("/dev/md0", UUID.replace(":", ""))
    assert configuration.text() == text + end + "ARRAY /dev/md0 UUID=%s\nMAILFROM a@x\n" % UUID
    assert configuration.remove_array(UUID.upper())
    assert not configuration.remove_array(UUID)
    configuration.remove_words("mailf")
    assert configuration.text() == text + end


def test_what_stands_between_the_lines_of_an_entry_stays():
    text = (
        "ARRAY /dev/md1\n# one\n\n  # two\n  UUID=%s\n\t# three\n\tspares=1 # four\n# "
        "five\nDEVICE a\n" % UUID
    )
    rest = "# one\n\n  # two\n\t# three\n# five\nDEVICE a\n"
    configuration = Configuration(text)
    assert configuration.set_array("/dev/md2", UUID, 2) == "ARRAY /dev/md2 UUID=%s spares=2" % UUID
    assert configuration.text() == "ARRAY /dev/md2 UUID=%s spares=2\n" % UUID + rest
    assert configuration.remove_array(UUID)
    assert configuration.text() == rest


def test_a_line_that_says_it_already_stays_as_it_is_and_its_doubles_go():
    text = "arr\t/dev/md0 # x\n 'UUID=%s'\nARRAY /dev/md1 uuid=%s\nARRAY /dev/md0 name=x\n" % (
        UUID,
        UUID,
    )
    configuration = Configuration(text)
    configuration.set_array("/dev/md0", UUID)
    assert configuration.text() == "arr\t/dev/md0 # x\n 'UUID=%s'\n" % UUID


def test_lines_for_the_node_that_go_by_name_or_devices_are_replaced_but_those_of_containers_stay():
    others = (
        "ARRAY /dev/md1 name=x\nARRAY /dev/md0 container=x member=0\nARRAY /dev/md0 uuid=%s\n"
        % OTHER
    )
    configuration = Configuration("ARRAY /dev/md0 devices=/dev/sda\n" + others)
    configuration.set_array("/dev/md0", UUID)
    assert configuration.text() == "ARRAY /dev/md0 UUID=%s\n" % UUID + others


@pytest.mark.parametrize(
    "line,count,changed",
    [
        ("ARRAY /dev/md0 UUID=%s spares=2", 1, "ARRAY /dev/md0 UUID=%s spares=1\n"),
        ("ARRAY /dev/md0 UUID=%s spares=2", 0, "ARRAY /dev/md0 UUID=%s\n"),
        (
            "array /dev/md0 metadata=1.2 Spares=1 name=a:b UUID=%s",
            3,
            "ARRAY /dev/md0 metadata=1.2 name=a:b UUID=%s spares=3\n",
        ),
        ("ARRAY /dev/md0 UUID=%s", 1, "ARRAY /dev/md0 UUID=%s spares=1\n"),
        ("ARRAY /dev/md0 UUID=%s", 0, None),
        ("ARRAY /dev/md0 UUID=%s spares=1", 1, None),
        ("ARRAY /dev/md0 spares=1 UUID=" + OTHER + " # %s", 0, None),
        (
            "ARRAY '/dev/md/a b' UUID=%s spares=1",
            0,
            None,
        ),  # with its words in quotes it stays as it is
    ],
)
def test_a_line_follows_the_spares_that_an_array_has(line, count, changed):
    text = "# x\nMAILADDR root\n" + line % UUID + "\nDEVICE partitions\n"
    configuration = Configuration(text)
    assert configuration.set_spares(UUID.upper(), count) == (changed is not None)
    assert configuration.text() == (
        text if changed is None else "# x\nMAILADDR root\n" + changed % UUID + "DEVICE partitions\n"
    )


def test_lines_that_are_named_are_replaced_where_they_are_ours():
    part = ConfFile("/etc/mdadm.conf.d/a.conf", "ARRAY /dev/md7 name=mine\n", True)
    configuration = Configuration(
        "ARRAY /dev/md9 name=x\nARRAY /dev/md8 name=mine\n", others=[part]
    )
    configuration.set_array(
        "/dev/md0", UUID, instead=[one for one in configuration.array_lines() if one.name == "mine"]
    )
    assert configuration.text() == "ARRAY /dev/md9 name=x\nARRAY /dev/md0 UUID=%s\n" % UUID


def test_words_are_set_once():
    configuration = Configuration("mail a b # x\nMAILADDR c\nMAILFROM d\nMAILFROM e\n")
    configuration.set_word("MAILADDR", "z")
    configuration.set_word("MAILFROM", "y")
    assert configuration.text() == "MAILADDR z\nMAILADDR c\nMAILFROM y\n"
    configuration.set_word("MAILFROM", "y")
    configuration.set_word("PROGRAM", "/x")
    assert configuration.text() == "MAILADDR z\nMAILADDR c\nMAILFROM y\nPROGRAM /x\n"
    configuration.remove_words("MAILADDR")
    assert configuration.text() == "MAILFROM y\nPROGRAM /x\n"


@pytest.mark.parametrize(
    "words,pins",
    [
        ("", False),
        (" spares=1 level=1", False),
        (" num-devices=3", True),
        (" disks=0", True),
        (" devices=", True),
    ],
)
def test_lines_of_our_own_that_say_how_many_members_or_which(words, pins):
    part = ConfFile("/etc/mdadm.conf.d/a.conf", "ARRAY uuid=%s num-devices=2\n" % UUID, True)
    configuration = Configuration(
        "ARRAY /dev/md0 UUID=%s%s\nARRAY /dev/md1 UUID=%s disks=2\n" % (UUID, words, OTHER),
        others=[part],
    )
    assert configuration.pins_members(UUID.upper()) == pins
    assert configuration.pins_members(OTHER)


# several files


def test_arrays_to_assemble_are_those_of_ours_and_of_what_mdadm_reads():
    others = [
        ConfFile("/b", "ARRAY /dev/md2 name=x\nARRAY name=y\n", True),
        ConfFile("/c", "ARRAY /dev/md3 uuid=%s\n" % OTHER, False),
    ]
    text = "ARRAY UUID=%s\nARRAY <ignore> UUID=%s\nARRAY /dev/md4\n" % (UUID, OTHER)
    for is_read in (True, False):
        configuration = Configuration(text, others, is_read=is_read)
        assert sorted(configuration.arrays(), key=str) == [("/dev/md2", None), (None, UUID)]
        assert configuration.has_array(UUID.replace(":", "-"))
        assert not configuration.has_array(OTHER)
        assert sorted(str(one.name) for one in configuration.wanted_lines()) == ["None", "x", "y"]


def test_what_is_mailed_stands_in_the_first_file_that_mdadm_reads():
    parts = [
        ConfFile("/b", "MAILADDR b\nMAILFROM b\n", True),
        ConfFile("/c", "MAILADDR c\nMAILFROM c c\n", True),
    ]
    assert (Configuration("", parts).first("MAILADDR"), Configuration("", parts).sender()) == (
        "b",
        "b",
    )
    assert Configuration("MAILADDR a\nMAILFROM a\n", parts).sender() == "a"
    assert Configuration("MAILADDR a\n", parts).recipients() == ["a"]
    unread = Configuration(
        "MAILADDR a\nMAILFROM a\n", [parts[0]._replace(is_read=False), parts[1]], is_read=False
    )
    assert (unread.first("MAILADDR"), unread.sender()) == ("c", "c c")


def test_no_file_continues_the_one_before_it():
    parts = [
        ConfFile("/b", "# x\n  ARRAY name=b\n  spares=1", True),
        ConfFile("/c", "\tname=c\n", True),
        ConfFile("/d", "", True),
        ConfFile("/e", "MAILADDR e\n", False),
    ]
    configuration = Configuration("ARRAY name=a", parts)
    merged = configuration.merged()
    assert merged.text() == "ARRAY name=a\n# x\nARRAY name=b\n  spares=1\nname=c\n"
    assert [(one.name, one.path) for one in merged.array_lines()] == [
        ("a", "/etc/mdadm.conf"),
        ("b", "/etc/mdadm.conf"),
    ]
    assert merged.first("MAILADDR") is None
    assert Configuration("").merged().text() == ""


def taking_over():
    return Configuration(
        "",
        [
            ConfFile(
                "/etc/mdadm/mdadm.conf", "MAILADDR a\nARRAY /dev/md1 uuid=%s disks=2" % UUID, True
            ),
            ConfFile("/etc/mdadm.conf.d/b.conf", "ARRAY name=b\n", False),
            ConfFile("/etc/mdadm/mdadm.conf.d/c.conf", "ARRAY name=c\n", True),
        ],
        is_read=False,
        takes_over=True,
    )


def test_a_file_that_hides_another_says_what_that_one_said():
    configuration = taking_over()
    assert configuration.text() == ""
    assert [one.path for one in configuration.array_lines()] == [
        "/etc/mdadm/mdadm.conf",
        "/etc/mdadm.conf.d/b.conf",
        "/etc/mdadm/mdadm.conf.d/c.conf",
    ]
    assert configuration.pins_members(UUID)
    assert not configuration.remove_array(OTHER)
    assert configuration.text() == ""
    configuration.set_array("/dev/md0", OTHER)
    old = "MAILADDR a\nARRAY /dev/md1 uuid=%s disks=2\nARRAY name=c\n" % UUID
    assert configuration.text() == old + "ARRAY /dev/md0 UUID=%s\n" % OTHER
    assert [(one.path, one.is_read) for one in configuration.array_lines()][2:] == [
        ("/etc/mdadm.conf", True),
        ("/etc/mdadm.conf.d/b.conf", False),
    ]
    configuration.set_word("MAILADDR", "b")
    assert configuration.text().startswith("MAILADDR b\nARRAY /dev/md1")
    assert configuration.first("MAILADDR") == "b"
    configuration = taking_over()
    assert configuration.remove_array(UUID)
    assert configuration.text() == "MAILADDR a\nARRAY name=c\n"
    configuration = taking_over()
    configuration.remove_words("MAILADDR")
    assert configuration.text().startswith("ARRAY /dev/md1")
    assert configuration.is_read


def test_mdadm_has_the_names_that_it_had():
    assert (conf.Configuration, md_uuid, same_uuid, bare_uuid) == (
        Configuration,
        md_uuid,
        same_uuid,
        bare_uuid,
    )
    assert bare_uuid("A-b:c.d e") == "abcde"
    assert same_uuid("A:b", "aB")
    assert not same_uuid("a", "b")
