"""Which mdadm.conf files there are, in which order, and which of them mdadm reads: those of a
folder that stands for a host.
"""

import os

import pytest

from xsraid.host.files import Host
from xsraid.md import state as md_state

OURS, SECOND, PART, SECOND_PART = (
    "etc/mdadm.conf",
    "etc/mdadm/mdadm.conf",
    "etc/mdadm.conf.d/a.conf",
    "etc/mdadm/mdadm.conf.d/a.conf",
)
DEBIAN = "etc/debian_version"


def read(folder, *names):
    """Return the Configuration of a host that has these files, each with a line that says which it
    is.
    """
    for name in names:
        path = os.path.join(str(folder), name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "wb") as target:
            target.write(
                b"ARRAY /dev/md/"
                + name.replace("/", "-").encode("ascii")
                + b" super-minor=1 # \xff\r\n"
            )
    return md_state.read_configuration(Host(str(folder)))


@pytest.mark.parametrize(
    "names,is_read,is_not",
    [
        ([], [], []),
        ([OURS], [OURS], []),
        ([PART], [PART], []),
        ([OURS, PART], [OURS, PART], []),
        ([SECOND], [SECOND], []),
        ([SECOND_PART], [], [SECOND_PART]),
        ([SECOND, SECOND_PART, PART], [SECOND, SECOND_PART], [PART]),
        ([OURS, SECOND, SECOND_PART, PART], [OURS, PART], [SECOND, SECOND_PART]),
        ([DEBIAN], [], []),
        ([DEBIAN, OURS, PART], [OURS, PART], []),
        ([DEBIAN, PART, SECOND_PART], [SECOND_PART], [PART]),
        ([DEBIAN, OURS, SECOND, SECOND_PART, PART], [SECOND, SECOND_PART], [PART, OURS]),
    ],
)
def test_one_main_file_is_read_and_the_folder_of_its_name(tmpdir, names, is_read, is_not):
    lines = read(tmpdir, *names).array_lines()
    assert all(line.node == "/dev/md/" + line.path[1:].replace("/", "-") for line in lines)
    assert [line.path[1:] for line in lines if line.is_read] == is_read
    assert [line.path[1:] for line in lines if not line.is_read] == is_not


def test_the_parts_of_a_folder_are_those_that_mdadm_takes_in_the_order_of_their_bytes(tmpdir):
    names = [
        "etc/mdadm.conf.d/" + name
        for name in (
            "b.conf",
            "B.conf",
            "10.conf",
            "9.conf",
            ".x.conf",
            ".conf",
            "a.conf~",
            "conf",
            "x.CONF",
        )
    ]
    os.makedirs(os.path.join(str(tmpdir), "etc/mdadm.conf.d/folder.conf"))
    os.symlink("nowhere", os.path.join(str(tmpdir), "etc/mdadm.conf.d/link.conf"))
    lines = read(tmpdir, *names).array_lines()
    assert [line.path[len("/etc/mdadm.conf.d/") :] for line in lines] == [
        "10.conf",
        "9.conf",
        "B.conf",
        "b.conf",
    ]


@pytest.mark.parametrize(
    "names,kept",
    [
        ([], []),
        ([OURS, SECOND], [OURS]),
        ([SECOND, SECOND_PART], [SECOND, SECOND_PART]),
        ([DEBIAN, SECOND], []),
        ([DEBIAN, SECOND_PART], [SECOND_PART]),
    ],
)
def test_what_mdadm_would_read_no_more_is_in_the_first_file_that_we_write(tmpdir, names, kept):
    configuration = read(tmpdir, *names)
    configuration.set_word("MAILADDR", "a@x")
    lines = ["ARRAY /dev/md/%s super-minor=1" % name.replace("/", "-") for name in kept]
    assert [line.split(" #")[0] for line in configuration.text().splitlines()] == lines + [
        "MAILADDR a@x"
    ]


def test_a_file_that_cannot_be_read_is_an_error(tmpdir):
    os.makedirs(os.path.join(str(tmpdir), OURS))
    with pytest.raises(EnvironmentError):
        md_state.read_configuration(Host(str(tmpdir)))
