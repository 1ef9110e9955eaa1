"""The command line's package stands as the plugin's does, beside it: it may use the plugin's rooms, the plugin knows nothing of it."""

import ast
import os

import pytest
import test_house

import xsraid_cli

FOLDER = os.path.dirname(xsraid_cli.__file__)
PLUGIN_ROOMS = ("api", "arguments", "errors", "host.clock", "host.files", "md.levels", "text", "xapi.objects")
# A room may import only rooms before it.
ORDER = [
    "problems",
    "words",
    "health",
    "layout",
    "screen",
    "commands",
    "parser",
    "views",
    "certificates",
    "transport",
    "passwords",
    "versions",
    "pool",
    "advice",
    "asking",
    "secret",
    "watch",
    "together",
    "everywhere",
    "rows",
    "inventory",
    "connecting",
    "fleet",
    "many",
    "metrics",
    "exporter",
    "proposals",
    "keys",
    "dialogue",
    "manual",
    "completion",
    "main",
    "__main__",
]


def tree(folder, room):
    with open(os.path.join(folder, *room.split(".")) + ".py") as source:
        return ast.parse(source.read())


def imports(folder, room, package):
    return [other for node in ast.walk(tree(folder, room)) for other in test_house.imported_rooms(node, package)]


def test_every_room_has_its_place():
    assert sorted(name[:-3] for name in os.listdir(FOLDER) if name.endswith(".py") and name != "__init__.py") == sorted(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_imports_point_one_way(room):
    assert [other for other in imports(FOLDER, room, "xsraid_cli") if ORDER.index(other) >= ORDER.index(room)] == []
    assert [other for other in imports(FOLDER, room, "xsraid") if other not in PLUGIN_ROOMS] == []


@pytest.mark.parametrize("room", test_house.ORDER)
def test_the_plugin_knows_nothing_of_it(room):
    assert imports(test_house.FOLDER, room, "xsraid_cli") == []


@pytest.mark.parametrize("room", ORDER)
def test_imports_stand_at_the_top(room):
    functions = [node for node in ast.walk(tree(FOLDER, room)) if isinstance(node, ast.FunctionDef)]
    assert [node for function in functions for node in ast.walk(function) if isinstance(node, (ast.Import, ast.ImportFrom))] == []


@pytest.mark.parametrize("room", ORDER)
def test_rooms_are_explained_and_short(room):
    module = tree(FOLDER, room)
    assert ast.get_docstring(module)
    with open(os.path.join(FOLDER, room + ".py")) as source:
        assert len(source.readlines()) <= 250


@pytest.mark.parametrize("room", ORDER)
def test_nothing_waits_by_the_time_of_day(room):
    assert test_house.takers_of_time_of_day(tree(FOLDER, room)) == []
