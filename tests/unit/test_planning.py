"""What is decided about a new array before anything is done."""

import pytest

from tests import made
from xsraid.actions import planning
from xsraid.disks import claim
from xsraid.errors import BadArgument, StaleData, Unsupported
from xsraid.host.files import Host


def disks(*sizes):
    return [
        made.disk(device="/dev/sd" + letter, size_bytes=size, stale=[], refusals=[])
        for letter, size in zip("abcdef", sizes)
    ]


@pytest.mark.parametrize(
    "sizes,unused_bytes", [((100, 100), 0), ((100, 125), 25), ((100, 100, 100, 140), 40)]
)
def test_a_tenth_of_the_disks_may_stay_unused(sizes, unused_bytes):
    if unused_bytes * 10 <= sum(sizes):
        assert planning._unused_bytes(disks(*sizes), False) == unused_bytes
    else:
        with pytest.raises(BadArgument) as caught:
            planning._unused_bytes(disks(*sizes), False)
        assert "/dev/sda" in caught.value.sentence
        assert "11 %" in caught.value.sentence
    assert planning._unused_bytes(disks(*sizes), True) == unused_bytes


def test_what_is_stale_is_named_on_all_disks():
    chosen = disks(100, 100, 100)
    for disk in chosen[1:]:
        disk.stale = [
            {"type": "ext4", "label": "old", "device": disk.device + "1", "offset_bytes": 1080}
        ]
    with pytest.raises(StaleData) as caught:
        claim.refuse_used(chosen, wipe=False)
    assert caught.value.parameters[:2] == ["/dev/sdb", "ext4 'old' on /dev/sdb1 (at byte 1080)"]
    assert "/dev/sdc still carries ext4 'old' on /dev/sdc1" in caught.value.sentence
    claim.refuse_used(chosen, wipe=True)


@pytest.mark.parametrize(
    "text,version",
    [
        ("mdadm - v4.2 - 2021-12-30 - Debian 4.2-5", (4, 2)),
        ("mdadm - v3.3.2 - 21st August 2014", (3, 3)),
        ("4.19.0+1", (4, 19)),
        ("what?", (0, 0)),
    ],
)
def test_versions(text, version):
    assert planning.version_of(text) == version


NO_NODE = "mdadm: an md device must be given in this mode"
NO_OPTION = "/usr/sbin/mdadm: unrecognized option '--consistency-policy"
NO_POLICY = "mdadm: Invalid consistency policy: "


@pytest.mark.parametrize(
    "version,to_ppl,to_another,linux,is_supported",
    [
        ("4.0", NO_OPTION, NO_OPTION, "4.19.0+1", False),
        ("4.0", NO_POLICY, NO_POLICY, "4.19.0+1", False),
        ("4.0", NO_NODE, NO_POLICY, "4.19.0+1", True),  # it was given ppl
        ("4.2", NO_NODE, NO_POLICY, "4.19.0+1", True),
        ("4.2", NO_NODE, NO_POLICY, "4.4.0+10", False),
        ("4.2", NO_NODE, NO_NODE, "4.19.0+1", False),  # it is no mdadm that would refuse anything
        ("4.2", NO_OPTION, NO_OPTION, "4.19.0+1", False),  # nor has a later one to know it
    ],
)
def test_mdadm_itself_is_asked_for_ppl(
    tmpdir, mocker, version, to_ppl, to_another, linux, is_supported
):
    mocker.patch("os.uname", return_value=("Linux", "dom0", linux))
    tmpdir.join("mdadm").write(
        """#!/bin/sh
echo "$*" >>%s/log
case $* in
    --version) echo "mdadm - v%s - 2017" ;;
    *=ppl) echo "%s" ;;
    *=*-policy) echo "%s" ;;
    *) echo "%s" ;;
esac >&2
exit 2
"""
        % (tmpdir, version, to_ppl, to_another, NO_NODE)
    )
    tmpdir.join("mdadm").chmod(0o755)
    host = Host("/", "%s:/bin" % tmpdir)
    if is_supported:
        planning.refuse_unsupported(host, "ppl", None)
    else:
        with pytest.raises(Unsupported) as caught:
            planning.refuse_unsupported(host, "ppl", None)
        assert "mdadm 4.1 (here is %s) and Linux 4.16" % version in caught.value.parameters[1]
    asked = tmpdir.join("log").read()
    assert "/dev" not in asked, "nothing that it could touch is named"
    assert "devices" not in asked, "nothing that it could touch is named"


def test_nobody_is_asked_for_what_nobody_wants(tmpdir):
    planning.refuse_unsupported(Host("/", str(tmpdir)), "bitmap", None)
    planning.refuse_unsupported(Host("/", str(tmpdir)), None, None)


@pytest.mark.parametrize(
    "version,linux,is_supported",
    [("3.4", "4.12", True), ("3.3.2", "4.12", False), ("3.4", "4.11.9", False)],
)
def test_the_versions_that_a_journal_needs(tmpdir, mocker, version, linux, is_supported):
    mocker.patch("os.uname", return_value=("Linux", "dom0", linux))
    tmpdir.join("mdadm").write("#!/bin/sh\necho mdadm - v%s - 2016 >&2\n" % version)
    tmpdir.join("mdadm").chmod(0o755)
    if is_supported:
        planning.refuse_unsupported(Host("/", "%s:/bin" % tmpdir), None, "/dev/sdf")
    else:
        with pytest.raises(Unsupported):
            planning.refuse_unsupported(Host("/", "%s:/bin" % tmpdir), None, "/dev/sdf")
