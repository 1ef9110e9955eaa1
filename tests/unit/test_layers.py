"""The folders of xsraid stand in layers: imports point downwards, no modules import each other in a
circle, nothing is loaded in a function.
"""

import ast
import glob
import io
import os

import pytest

import xsraid
from tests.unit import syntax
from xsraid.host import store

# Folders and single modules, the lowest first: each imports from its own layer and from those
# before it.
LAYERS = (
    "text",
    "states",
    "errors",
    "records",
    "host",
    "xapi",
    "md",
    "arguments",
    "functions",
    "disks",
    "alerts",
    "actions",
    "units",
    "api",
)
# api reaches an action through the table alone.
APART = {"api": ("disks", "alerts", "actions", "units"), "units": ("api",)}
FILES_MAX = 14  # in a folder
# What takes the time of day, as it is shown or kept. Whatever waits takes `clock`.
TIME_OF_DAY = {
    "alerts.settings": ["_note_webhook"],
    "units": ["_look_after_the_monitor", "_report_conflicts", "_report_nodes"],
    "actions.check": ["_look_at_checks", "_look_at_disks", "_note", "check_array", "note_ends"],
    "alerts.by_mail": ["_refused_login", "send"],
    "alerts.by_xapi": ["_posted_before"],
    "alerts.channels": ["_undelivered", "attempt"],
    "alerts.deliver": ["_collect"],
    "actions.identify": ["_end", "_shine", "put_out"],  # a note says until when a LED is on
    "actions.members": ["_note_replacing"],
    "alerts.recipients": ["note", "paused", "sent"],
    "actions.rollback": ["note_deleted"],
    # Compared with the time that an event has.
    "actions.alert_reports": ["_set_back_to", "test_alert"],
}


MODULES = syntax.modules_of(xsraid)
STATES = {
    "optimal",
    "no_redundancy",
    "resyncing",
    "rebuilding",
    "degraded",
    "resync",
    "recover",
    "reshape",
}
KINDS = {getattr(store, name) for name in dir(store) if name.isupper() and name != "STATE_DIR"}


def imports(module):
    return syntax.imports(MODULES[module], "xsraid", MODULES)


def layer(module):
    return LAYERS.index(module.split(".")[0])


def test_a_folder_can_be_taken_in_at_a_glance():
    sizes = {
        name: len([module for module in MODULES if module.startswith(name + ".")])
        for name in LAYERS
    }
    assert [name for name, size in sizes.items() if size > FILES_MAX] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module):
    assert [other for other in imports(module) if layer(other) > layer(module)] == []
    assert [
        other for other in imports(module) if other.split(".")[0] in APART.get(module, ())
    ] == []


def test_no_modules_import_each_other_in_a_circle():
    assert syntax.circle(MODULES, "xsraid") == {}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_stand_at_the_top(module):
    assert syntax.inner_imports(MODULES[module]) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_public_names_are_explained(module):
    tree = MODULES[module]
    assert ast.get_docstring(tree)
    public = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    assert [
        node.name for node in public if not ast.get_docstring(node) and module != "arguments"
    ] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_waits_by_the_time_of_day(module):
    assert syntax.takers_of_time_of_day(MODULES[module]) == TIME_OF_DAY.get(module, [])


def test_faults_are_played_in_one_way():
    """With pytest-mock's `mocker`, those of the system by `system_faults`."""
    by_hand = []
    for path in glob.glob(
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "*", "test_*.py")
    ):
        with io.open(path, encoding="utf-8") as source:
            by_hand += [path] if "monkey" + "patch" in source.read() else []
    assert by_hand == []


def test_what_only_reads_loads_nothing_that_runs():
    """list_arrays must stay cheap: neither subprocess nor the modules that need it are on its
    way.
    """
    seen, waiting = set(), ["api", "md.state"]
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting += [other for other in imports(module) if other not in seen]
    assert not seen & {
        "host.process",
        "disks.signatures",
        "actions.arrays",
        "host.config",
        "alerts.mail",
    }


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_statement_has_at_most_one_comprehension_or_conditional_expression(module):
    assert syntax.dense_lines(MODULES[module]) == []


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"states"}))
def test_words_for_states_stand_in_one_module(module):
    """Those that mean nothing else; `failed`, say, is systemd's as well."""
    assert sorted(syntax.texts(MODULES[module]) & STATES) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_kinds_of_notes_stand_in_one_module(module):
    calls = [
        node
        for node in ast.walk(MODULES[module])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "store"
    ]
    assert [texts for texts in map(syntax.texts, calls) if texts & KINDS] == []
