"""Metrics as Prometheus reads them: to standard output, to a file, and served."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli import tls
from tests.cli.processes import ARRAY, PASSWORD, PROJECT, Xsraid
from xsraid_cli.export import metrics

MEMBER = {
    "device": "/dev/sda",
    "serial": 'Z"0\\',
    "slot": 0,
    "state": "active",
    "errors": 3,
    "smart": {"pending_sectors": 8},
}
LISTED = {
    "arrays": [
        dict(
            ARRAY,
            uuid="u0",
            members=[MEMBER],
            sync={"action": "resync", "done_ratio": 0.5},
            mismatch_count=0,
        )
    ]
}
ALERTS = {"monitor": "running", "waiting": 2, "warnings": []}


@pytest.fixture(autouse=True)
def answering(one):
    one.answer(list_arrays=LISTED, get_alerts=ALERTS)


def families(text):
    """Return {name: family} as Prometheus' own client reads them."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(text, name):
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for sample in families(text)[name].samples
    }


def test_what_is_written_is_what_prometheus_reads(remote, one):
    done = remote("export", password=PASSWORD)
    assert (done.status, done.err) == (0, "")
    read = families(done.out)
    assert {name: (family.type, family.documentation) for name, family in read.items()} == {
        family.name: ("gauge", family.help) for family in metrics.FAMILIES
    }
    (sample,) = read["xsraid_member_pending_sectors"].samples
    assert sample.value == 8
    assert sample.labels["serial"] == MEMBER["serial"]
    assert sample.labels["host"] == "dom0"
    assert [
        sample.labels["health"] for sample in read["xsraid_array_health"].samples if sample.value
    ] == ["optimal"]
    assert one.session_count() == 0


def test_a_file_for_node_exporter(remote, tmp_path):
    path = tmp_path / "xsraid.prom"
    path.write_text("old")
    done = remote("export", "--output", str(path), password=PASSWORD)
    assert (done.status, done.out) == (0, "")
    assert "xsraid_up" in families(path.read_text())
    assert os.listdir(tmp_path) == ["xsraid.prom"]
    assert path.stat().st_mode & 0o777 == 0o644
    done = remote("export", "--output", str(tmp_path / "nowhere/xsraid.prom"), password=PASSWORD)
    assert done.status == 1
    assert "cannot be written" in done.err


def test_who_does_not_answer_is_down_and_sets_the_status(one, certificates, tmp_path):
    url = tls.Proxy(one.server.address, certificates.good).url
    (tmp_path / "pools.ini").write_text(
        "[lab]\naddress = %s\nca_file = %s\n[gone]\naddress = https://127.0.0.1:1\n"
        % (url, certificates.ca)
    )
    done = Xsraid()(
        "export", "--all", "--inventory", str(tmp_path / "pools.ini"), password=PASSWORD
    )
    assert done.status == 1
    assert values(done.out, "xsraid_pool_up") == {(("pool", "lab"),): 1, (("pool", "gone"),): 0}
    one.answer(
        list_arrays=["XSRAID_INTERNAL", "list_arrays", "KeyError", "met an error"],
        get_alerts=ALERTS,
    )
    done = Xsraid()(
        "export", "--pool", url, "--ca-file", certificates.ca, "--host", "dom0", password=PASSWORD
    )
    assert done.status == 1
    assert list(values(done.out, "xsraid_up").values()) == [0]


def test_it_is_served_and_asks_at_each_request(remote, one):
    process = remote.start("export", "--listen", "0", password=PASSWORD)
    address = re.search("http://[^ ]*", process.stderr.readline()).group()

    def served():
        with urllib.request.urlopen(address, timeout=20) as answer:
            return values(answer.read().decode(), "xsraid_alert_spool_entries")

    try:
        assert list(served().values()) == [2]
        one.answer(list_arrays=LISTED, get_alerts=dict(ALERTS, waiting=5))
        assert list(served().values()) == [5]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert one.session_count() == 0


@pytest.mark.parametrize(
    "words,said",
    [
        (["--listen", "nowhere"], "[HOST:]PORT"),
        (["--listen", "0", "--output", "x"], "exclude each other"),
    ],
)
def test_wrong_usage(remote, words, said):
    done = remote("export", *words)
    assert done.status == 2
    assert said in done.err


def test_without_the_library_it_says_what_to_install(remote, tmp_path):
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    done = remote(
        "export", more={"PYTHONPATH": "%s:%s" % (tmp_path, remote.environment["PYTHONPATH"])}
    )
    assert done.status == 2
    assert "needs the Python library prometheus_client" in done.err
    assert "[export]" in done.err


def test_the_extra_is_what_the_tests_use():
    pin = re.search(
        r'export = \["(.*)"\]', pathlib.Path(PROJECT, "pyproject.toml").read_text()
    ).group(1)
    installed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib.metadata as m; print(m.version('prometheus_client'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert pin == "prometheus_client==" + installed.strip()


def test_the_host_it_runs_on(local, sysfs):
    """The real plugin counts the alerts that wait."""
    sysfs.array()
    done = local("export")
    assert done.status == 0
    assert list(values(done.out, "xsraid_alert_spool_entries").values()) == [0]
    assert json.loads(local("alerts", "show", "--json").out)["waiting"] == 0
