"""The house stands as the README says: imports point one way, stand at the top, and nothing happens when a room is loaded."""

import ast
import glob
import io
import os

import pytest

import xsraid

FOLDER = os.path.dirname(xsraid.__file__)
# A room may import only rooms before it.
ORDER = [
    "text",
    "host.clock",
    "errors",
    "host.files",
    "host.process",
    "host.workers",
    "host.config",
    "md.levels",
    "md.conf",
    "md.mdadm",
    "md.superblocks",
    "arguments",
    "host.sysfs",
    "host.enclosures",
    "xapi.objects",
    "xapi.pool_calls",
    "host.store",
    "md.summary",
    "host.physical_volume",
    "host.stack",
    "xapi.sr_types",
    "md.state",
    "disks.lvm",
    "disks.signatures",
    "disks.refusals",
    "disks.identity",
    "disks.snapshot",
    "disks.inventory",
    "disks.claim",
    "alerts.mail",
    "disks.smart",
    "xapi.tasks",
    "alerts.spool",
    "alerts.rules",
    "alerts.messages",
    "md.resync",
    "actions.rollback",
    "actions.planning",
    "actions.initrd",
    "alerts.monitor",
    "actions.arrays",
    "actions.members",
    "actions.growth",
    "actions.identify",
    "actions.check",
    "alerts.settings",
    "alerts.xo_alarms",
    "alerts.recipients",
    "alerts.by_mail",
    "alerts.by_xapi",
    "alerts.by_webhook",
    "alerts.channels",
    "alerts.deliver",
    "actions.alert_reports",
    "actions.storage",
    "actions.assemble",
    "units",
    "api",
]
# What takes the time of day, as it is shown or kept. Whatever waits takes `clock`.
TIME_OF_DAY = {
    "alerts.settings": ["_note_webhook"],
    "units": ["_look_after_the_monitor", "_tell_of_conflicts", "_tell_of_nodes"],
    "actions.check": ["_look_at_checks", "_look_at_disks"],
    "alerts.by_mail": ["_refused_login", "send"],
    "alerts.by_xapi": ["_posted_before"],
    "alerts.channels": ["_undelivered", "attempt"],
    "alerts.deliver": ["_collect"],
    "actions.identify": ["_end", "_shine", "put_out"],  # a note says until when a LED is on
    "actions.members": ["_note_replacing"],
    "alerts.recipients": ["note", "paused", "sent"],
    "actions.rollback": ["note_deleted"],
    "actions.alert_reports": ["_set_back_to", "test_alert"],  # compared with the time that an event has
}


def path_of(room):
    return os.path.join(FOLDER, *room.split(".")) + ".py"


def tree(room):
    with open(path_of(room)) as source:
        return ast.parse(source.read())


def imported_rooms(node, package="xsraid"):
    """Return the modules of a package that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name[len(package) + 1:] for alias in node.names if alias.name.startswith(package + ".")]
    if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != package:
        return []
    module = node.module[len(package) + 1:]
    if os.path.isfile(os.path.join(os.path.dirname(FOLDER), *node.module.split(".")) + ".py"):
        return [module]
    names = [alias.name for alias in node.names if alias.name != "__version__"]
    return [module + "." + name if module else name for name in names]


def test_every_room_has_its_place():
    found = []
    for folder, _, names in os.walk(FOLDER):
        place = os.path.relpath(folder, FOLDER).split(os.sep) if folder != FOLDER else []
        found += [".".join(place + [name[:-3]]) for name in names if name.endswith(".py") and name != "__init__.py"]
    assert sorted(found) == sorted(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_imports_point_one_way(room):
    used = [other for node in ast.walk(tree(room)) for other in imported_rooms(node)]
    assert [other for other in used if ORDER.index(other) >= ORDER.index(room)] == []


@pytest.mark.parametrize("room", ORDER)
def test_imports_stand_at_the_top(room):
    inner = [
        node
        for function in ast.walk(tree(room))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert inner == []


@pytest.mark.parametrize("room", ORDER)
def test_public_names_are_explained(room):
    module = tree(room)
    assert ast.get_docstring(module)
    public = [node for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node) and room != "arguments"] == []


def takers_of_time_of_day(module):
    """The functions that look at the system's clock; an import of its function by itself counts as one of no name."""
    found = [
        function.name
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "time" and isinstance(node.value, ast.Name) and node.value.id == "time"
    ]
    return sorted(set(found + ["" for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module == "time"]))


@pytest.mark.parametrize("room", ORDER)
def test_nothing_waits_by_the_time_of_day(room):
    assert takers_of_time_of_day(tree(room)) == TIME_OF_DAY.get(room, [])


def test_faults_are_played_in_one_way():
    """With pytest-mock's `mocker`, those of the system by `system_faults`."""
    by_hand = []
    for path in glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "*", "test_*.py")):
        with io.open(path, encoding="utf-8") as source:
            by_hand += [path] if "monkey" + "patch" in source.read() else []
    assert by_hand == []


def test_what_only_reads_loads_nothing_that_runs():
    """list_arrays must stay cheap: neither subprocess nor the rooms that need it are on its way."""
    seen, waiting = set(), ["api", "md.state"]
    while waiting:
        room = waiting.pop()
        seen.add(room)
        waiting += [other for node in ast.walk(tree(room)) for other in imported_rooms(node) if other not in seen]
    assert not seen & {"host.process", "disks.signatures", "actions.arrays", "host.config", "alerts.mail"}
