"""The command line's package stands beside the plugin's: it uses few modules of it, and the plugin
knows nothing of the command line.
"""

import ast
import os

import pytest

import xsraid
import xsraid_cli
from tests.unit import syntax

OF_THE_PLUGIN = (
    "api",
    "arguments",
    "errors",
    "functions",
    "host.clock",
    "host.files",
    "md.levels",
    "states",
    "text",
    "xapi.objects",
)
# Folders and single modules, the lowest first: each imports from its own layer and from those
# before it.
LAYERS = (
    "problems",
    "formats",
    "table",
    "show",
    "remote",
    "ask",
    "many",
    "export",
    "main",
    "__main__",
)
MODULES, PLUGIN_MODULES = syntax.modules_of(xsraid_cli), syntax.modules_of(xsraid)
LINES_MAX = 350  # of 100 columns


def layer(module):
    return LAYERS.index(module.split(".")[0])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module):
    tree = MODULES[module]
    assert [
        other
        for other in syntax.imports(tree, "xsraid_cli", MODULES)
        if layer(other) > layer(module)
    ] == []
    assert [
        other
        for other in syntax.imports(tree, "xsraid", PLUGIN_MODULES)
        if other not in OF_THE_PLUGIN
    ] == []


def test_no_modules_import_each_other_in_a_circle():
    assert syntax.circle(MODULES, "xsraid_cli") == {}


@pytest.mark.parametrize("module", sorted(PLUGIN_MODULES))
def test_the_plugin_knows_nothing_of_it(module):
    assert syntax.imports(PLUGIN_MODULES[module], "xsraid_cli", MODULES) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_stand_at_the_top(module):
    assert syntax.inner_imports(MODULES[module]) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_explained_and_short(module):
    tree = MODULES[module]
    assert ast.get_docstring(tree)
    with open(
        os.path.join(os.path.dirname(xsraid_cli.__file__), *module.split(".")) + ".py"
    ) as source:
        assert len(source.readlines()) <= LINES_MAX


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_waits_by_the_time_of_day(module):
    assert syntax.takers_of_time_of_day(MODULES[module]) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_statement_has_at_most_one_comprehension_or_conditional_expression(module):
    assert syntax.dense_lines(MODULES[module]) == []
