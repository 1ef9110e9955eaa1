"""The command line's package stands beside the plugin's: it uses few modules of it, and the plugin knows nothing of the command line."""

import ast

import pytest

import syntax
import xsraid
import xsraid_cli

OF_THE_PLUGIN = ("api", "arguments", "errors", "host.clock", "host.files", "md.levels", "text", "xapi.objects")
# A module imports only modules before it.
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
MODULES, PLUGIN_MODULES = syntax.modules_of(xsraid_cli), syntax.modules_of(xsraid)
LINES_MAX = 250


def test_every_module_has_its_place():
    assert sorted(MODULES) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_one_way(module):
    tree = MODULES[module]
    assert [other for other in syntax.imports(tree, "xsraid_cli", MODULES) if ORDER.index(other) >= ORDER.index(module)] == []
    assert [other for other in syntax.imports(tree, "xsraid", PLUGIN_MODULES) if other not in OF_THE_PLUGIN] == []


@pytest.mark.parametrize("module", sorted(PLUGIN_MODULES))
def test_the_plugin_knows_nothing_of_it(module):
    assert syntax.imports(PLUGIN_MODULES[module], "xsraid_cli", MODULES) == []


@pytest.mark.parametrize("module", ORDER)
def test_imports_stand_at_the_top(module):
    assert syntax.inner_imports(MODULES[module]) == []


@pytest.mark.parametrize("module", ORDER)
def test_modules_are_explained_and_short(module):
    tree = MODULES[module]
    assert ast.get_docstring(tree)
    assert max([node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")]) <= LINES_MAX


@pytest.mark.parametrize("module", ORDER)
def test_nothing_waits_by_the_time_of_day(module):
    assert syntax.takers_of_time_of_day(MODULES[module]) == []
