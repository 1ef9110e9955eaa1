"""The table of classes and messages against xapi's own data model: what the simulation has, the
real one has, in the same form.
"""

import json
import pathlib

import pytest

from xapi import messages, model

# Of xapi's published data model (xapi-project.github.io), the classes, fields, messages and
# enumerations that the simulation has.
DATA_MODEL = pathlib.Path(__file__).parent / "datamodel.json"


@pytest.fixture(scope="module")
def data_model():
    with open(DATA_MODEL) as stream:
        return json.load(stream)


def first_release(lifecycle):
    return lifecycle.get("published") or lifecycle["prototyped"]


def test_every_field_is_xapis(data_model):
    for cls, fields in model.classes().items():
        for field in fields.values():
            known = data_model[cls]["fields"].get(field.name)
            assert known, "%s.%s" % (cls, field.name)
            assert (model.QUALIFIERS[field.access], field.type) == (
                known["qualifier"],
                known["type"],
            ), "%s.%s" % (cls, field.name)


@pytest.mark.parametrize("name", sorted(model.messages()))
def test_message_is_xapis(data_model, name):
    message = model.messages()[name]
    known = data_model[message.cls]["messages"].get(name.split(".")[1])
    assert known, name
    params = [tuple(param) for param in known["params"]]
    if params and params[0] == ("session_id", "session ref"):
        params.pop(0)
    assert [(param.name, param.type) for param in message.params] == params
    assert message.result == known["result"]
    assert sorted(message.roles) == sorted(known["roles"])
    assert message.release == first_release(known["lifecycle"])


def test_enumerations_are_xapis(data_model):
    known = {name: members for cls in data_model.values() for name, members in cls["enums"].items()}
    for name, members in messages.ENUMS.items():
        assert members == known[name]
