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
    "clock",
    "errors",
    "host",
    "commands",
    "together",
    "settings",
    "levels",
    "mdadmconf",
    "mdadm",
    "halves",
    "arguments",
    "sysfs",
    "enclosures",
    "xapi",
    "poolwide",
    "notes",
    "summary",
    "physical_volume",
    "layers",
    "srs",
    "md",
    "lvm",
    "probe",
    "usage",
    "paths",
    "survey",
    "disks",
    "taking",
    "mail",
    "smart",
    "progress",
    "spool",
    "sense",
    "words",
    "resync",
    "recovery",
    "planning",
    "initrd",
    "monitor",
    "arrays",
    "members",
    "growth",
    "identify",
    "care",
    "alerts",
    "alarms",
    "recipients",
    "by_mail",
    "by_xapi",
    "by_webhook",
    "channels",
    "delivery",
    "reports",
    "storage",
    "assembly",
    "boot",
    "api",
]
# What takes the time of day, as it is shown or kept. Whatever waits takes `clock`.
TIME_OF_DAY = {
    "alerts": ["_note_webhook"],
    "boot": ["_look_after_the_monitor", "_tell_of_conflicts", "_tell_of_nodes"],
    "care": ["_look_at_checks", "_look_at_disks"],
    "by_mail": ["_refused_login", "send"],
    "by_xapi": ["_posted_before"],
    "channels": ["_undelivered", "attempt"],
    "delivery": ["_collect"],
    "identify": ["_end", "_shine", "put_out"],  # a note says until when a LED is on
    "members": ["_note_replacing"],
    "recipients": ["note", "paused", "sent"],
    "recovery": ["note_deleted"],
    "reports": ["_set_back_to", "test_alert"],  # compared with the time that an event has
}


def tree(room):
    with open(os.path.join(FOLDER, room + ".py")) as source:
        return ast.parse(source.read())


def imported_rooms(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("xsraid.")]
    if isinstance(node, ast.ImportFrom) and node.module == "xsraid":
        return [alias.name for alias in node.names if alias.name != "__version__"]
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xsraid."):
        return [node.module.split(".")[1]]
    return []


def test_every_room_has_its_place():
    assert sorted(name[:-3] for name in os.listdir(FOLDER) if name.endswith(".py") and name != "__init__.py") == sorted(ORDER)


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
    seen, waiting = set(), ["api", "md"]
    while waiting:
        room = waiting.pop()
        seen.add(room)
        waiting += [other for node in ast.walk(tree(room)) for other in imported_rooms(node) if other not in seen]
    assert not seen & {"commands", "probe", "arrays", "settings", "mail"}
