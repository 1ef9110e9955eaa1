"""What the tests of disks in use and of stale data have in common: many calls at little cost, and
all that is written on a disk.
"""

import json
import os

BLOCK = 4096
BLANK = bytes(BLOCK)
LABEL = "python3.11 /bed/dom0/guest/labels.py"
# One client for many calls: starting it costs as much as a call of the plugin.
CALLS = """
import json, sys, XenAPI
session = XenAPI.xapi_local()
session.xenapi.login_with_password("root", "", "1.0", "miniature dom0")
host = session.xenapi.host.get_all()[0]
replies = []
for function, arguments in json.load(sys.stdin):
    try:
        replies.append(json.loads(session.xenapi.host.call_plugin(host, "xsraid", function, arguments)))
    except XenAPI.Failure as failure:
        replies.append(failure.details)
print(json.dumps(replies))
"""  # noqa: E501


def answers(dom0, calls):
    """Return the replies of many plugin calls [(function, arguments)]: what each replied, parsed,
    or [code, parameters ...] of its failure.
    """
    return json.loads(dom0.run(["python3.11", "-c", CALLS], stdin=json.dumps(calls)).out)


def names_of(dom0):
    """Return {name of a disk: [each kind of name that it goes by in a call]}: node, by-id link,
    number, roundabout path, serial number.
    """
    numbers = dict(line.split() for line in dom0.run("lsblk -dnro PATH,MAJ:MIN").out.splitlines())
    return {
        name: [
            disk.device,
            disk.by_id,
            "/dev/block/" + numbers[disk.device],
            "//dev/.." + disk.device,
            disk.serial,
        ]
        for name, disk in dom0.disks().items()
    }


def content(dom0, name):
    """Return what is written on a disk, {offset: block}, blank blocks left out. The guest's own
    caches must be clean: `sync` there first.
    """
    written = {}
    with open(f"{dom0.share}/{name}.img", "rb") as image:
        end = os.fstat(image.fileno()).st_size
        offset = 0
        while offset < end:
            block = image.read(BLOCK)
            if block != BLANK:
                written[offset] = block
            offset += BLOCK
    return written


def contents(dom0, names):
    """Return {name: `content`} of disks as they are now."""
    dom0.run("sync")
    return {name: content(dom0, name) for name in names}


def blocks_changed(before, after):
    """Return [(name, offset)] of the blocks in which two `contents` differ; [] if all is as it was.
    Whole, they would make a message of megabytes.
    """
    return [
        (name, offset)
        for name in before
        for offset in sorted(set(before[name]) | set(after[name]))
        if before[name].get(offset) != after[name].get(offset)
    ]
