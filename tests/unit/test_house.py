"""The house stands as the README says: imports point one way, stand at the top, and nothing happens when a room is loaded."""

import ast
import os

import pytest

import xsraid

FOLDER = os.path.dirname(xsraid.__file__)
# A room may import only rooms before it.
ORDER = [
    "text",
    "errors",
    "host",
    "commands",
    "settings",
    "levels",
    "mdadm",
    "arguments",
    "sysfs",
    "enclosures",
    "xapi",
    "poolwide",
    "notes",
    "summary",
    "md",
    "lvm",
    "probe",
    "usage",
    "survey",
    "disks",
    "mail",
    "smart",
    "progress",
    "spool",
    "sense",
    "words",
    "recovery",
    "taking",
    "planning",
    "initrd",
    "monitor",
    "arrays",
    "members",
    "growth",
    "identify",
    "care",
    "alerts",
    "delivery",
    "reports",
    "storage",
    "assembly",
    "boot",
    "api",
]


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


def test_what_only_reads_loads_nothing_that_runs():
    """list_arrays must stay cheap: neither subprocess nor the rooms that need it are on its way."""
    seen, waiting = set(), ["api", "md"]
    while waiting:
        room = waiting.pop()
        seen.add(room)
        waiting += [other for node in ast.walk(tree(room)) for other in imported_rooms(node) if other not in seen]
    assert not seen & {"commands", "probe", "arrays", "settings", "mail"}
