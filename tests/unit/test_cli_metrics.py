"""The metrics of answers, and the dashboard that shows them."""

import io
import json
import os
import re

from tests.unit.test_cli_threads import ARRAY, answer
from xsraid_cli.export import metrics

DASHBOARD = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "grafana",
    "xsraid.json",
)
MEMBERS = [
    {
        "device": "/dev/sda",
        "serial": "Z0",
        "slot": 0,
        "state": "active",
        "errors": 3,
        "smart": {"pending_sectors": 8, "reallocated_sectors": None},
    },
    {"device": None, "serial": None, "slot": 1, "state": "missing", "errors": None, "smart": None},
]
RECORD = dict(
    ARRAY,
    uuid="u0",
    health="degraded",
    redundancy_left=0,
    members=MEMBERS,
    sync={"action": "recover", "done_ratio": 0.25},
)
AT = ("lab", "a", "uuid-a", "/dev/md0", "u0")


def samples(record, **alerts):
    alerts = dict({"waiting": 2}, **alerts)
    answered = answer("a", {"arrays": [record]}, of_pool="lab")
    return metrics.of_answers([answered._replace(replies=[{"arrays": [record]}, alerts])], ["lab"])


def test_an_array_and_its_members():
    found = samples(RECORD)
    assert found["xsraid_up"] == [(("lab", "a", "uuid-a"), 1)]
    assert found["xsraid_pool_up"] == [(("lab",), 1)]
    assert found["xsraid_array_degraded"] == [(AT, 1)]
    assert found["xsraid_array_redundancy_left"] == [(AT, 0)]
    assert found["xsraid_array_size_bytes"] == [(AT, 1 << 40)]
    assert found["xsraid_sync_ratio"] == [(AT + ("recover",), 0.25)]
    assert found["xsraid_alert_spool_entries"] == [(("lab", "a", "uuid-a"), 2)]
    assert found["xsraid_member_errors"] == [(AT + ("/dev/sda", "Z0"), 3)]
    assert found["xsraid_member_pending_sectors"] == [(AT + ("/dev/sda", "Z0"), 8)]
    assert found["xsraid_member_reallocated_sectors"] == []
    states = [labels[5:] for labels, value in found["xsraid_member_state"] if value == 1]
    assert states == [("/dev/sda", "Z0", "active"), ("slot 1", "", "missing")]


def test_one_health_of_all_holds_also_one_that_is_not_known_here():
    for word in metrics.HEALTHS + ("singing",):
        found = samples(dict(RECORD, health=word))["xsraid_array_health"]
        assert [labels[-1] for labels, value in found if value == 1] == [word]
        assert {labels[-1] for labels, _ in found} >= set(metrics.HEALTHS)


def test_what_is_not_known_is_left_out():
    found = samples(
        dict(RECORD, health="missing", size_bytes=None, sync=None, members=[]), waiting=None
    )
    assert (
        found["xsraid_array_size_bytes"]
        == found["xsraid_sync_ratio"]
        == found["xsraid_alert_spool_entries"]
        == []
    )


def test_who_did_not_answer_is_down():
    found = metrics.of_answers(
        [answer("a", None, ["LATE", "x"], "lab"), answer(None, None, ["NO_ANSWER", "x"], "shop")],
        ["lab", "shop"],
    )
    assert found["xsraid_up"] == [(("lab", "a", "uuid-a"), 0)]
    assert found["xsraid_pool_up"] == [(("lab",), 1), (("shop",), 0)]


def test_labels_and_values_go_together():
    names = {family.name: family for family in metrics.FAMILIES}
    for name, found in samples(RECORD).items():
        assert all(len(labels) == len(names[name].labels) for labels, _ in found)


def test_the_dashboard_loads_and_shows_what_is_exported():
    with io.open(DASHBOARD, encoding="utf-8") as source:
        dashboard = json.load(source)
    assert isinstance(dashboard["schemaVersion"], int)
    assert dashboard["title"]
    assert dashboard["id"] is None
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == (
        "datasource",
        "prometheus",
    )
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"]
        assert panel["title"]
        assert set(panel["gridPos"]) == set("hwxy")
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["refId"] and target["expr"] for target in panel["targets"])
    used = set(
        re.findall(
            r"\bxsraid_\w+",
            " ".join(target["expr"] for panel in panels for target in panel["targets"]),
        )
    )
    assert used == {family.name for family in metrics.FAMILIES}
    assert set(re.findall(r"\$(\w+)", json.dumps(dashboard))) - {"__all"} <= set(variables)


def test_hosts_of_one_name_have_samples_of_their_own():
    answers = [answer("a", None, ["LATE", "x"], "lab") for _ in range(2)]
    answers[1] = answers[1]._replace(host=answers[1].host._replace(uuid="another"))
    labels = [labels for labels, _ in metrics.of_answers(answers, ["lab"])["xsraid_up"]]
    assert len(set(labels)) == 2
