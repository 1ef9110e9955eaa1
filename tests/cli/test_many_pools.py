"""The pools of an inventory at once: what is wrong with one is shown, and keeps none of the others
waiting.
"""

import json
import os
import signal
import time

import pytest

from tests.cli import tls
from tests.cli.processes import ARRAY, PASSWORD, Xsraid, wait_for_call

LISTED = {"arrays": [ARRAY]}


@pytest.fixture(scope="module")
def lab(simulated, certificates):
    """A pool of one host, and its address with TLS."""
    made = simulated("--name", "lab1")
    made.url = tls.Proxy(made.server.address, certificates.good).url
    return made


@pytest.fixture(scope="module")
def shop(simulated, certificates):
    made = simulated("--name", "shop1")
    made.url = tls.Proxy(made.server.address, certificates.good).url
    return made


@pytest.fixture(autouse=True)
def answering(lab, shop):
    for one in (lab, shop):
        one.answer(list_arrays=LISTED)


@pytest.fixture
def inventory(tmp_path, lab, shop, certificates):
    """Return a function that writes an inventory of both pools and more, and gives the options for
    it.
    """

    def write(more="", **urls):
        text = "".join(
            "[%s]\naddress = %s\nca_file = %s\n" % (name, urls.get(name, one.url), certificates.ca)
            for name, one in (("lab", lab), ("shop", shop))
        )
        (tmp_path / "pools.ini").write_text(text + more)
        return ["--all", "--inventory", str(tmp_path / "pools.ini")]

    return write


def no_session_is_left(*pools):
    return [one.session_count() for one in pools] == [0] * len(pools)


def test_all_pools_stand_in_one_table(inventory, lab, shop):
    done = Xsraid()("status", *inventory(), password=PASSWORD)
    assert done.status == 0
    assert "lab lab1    md0    raid1" in done.out
    assert "shop shop1  md0    raid1" in done.out
    assert no_session_is_left(lab, shop)


def test_the_usual_inventory(inventory, tmp_path):
    inventory()
    os.makedirs(tmp_path / ".config/xsraid")
    os.rename(tmp_path / "pools.ini", tmp_path / ".config/xsraid/pools.ini")
    replies = json.loads(
        Xsraid()("status", "--all", "--json", password=PASSWORD, more={"HOME": str(tmp_path)}).out
    )
    assert replies == {"lab": {"lab1": LISTED}, "shop": {"shop1": LISTED}}


def test_a_degraded_array_anywhere_sets_the_status(inventory, shop):
    shop.answer(list_arrays={"arrays": [dict(ARRAY, health="degraded")]})
    assert Xsraid()("status", *inventory(), password=PASSWORD).status == 3


def test_a_wrong_password_for_one_of_two(inventory, tmp_path, lab, shop):
    """Each has its own, from the keyring."""
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, user):\n    return %r if %r in service else 'wrong'\n"
        % (PASSWORD, lab.url)
    )
    command = Xsraid()
    done = command(
        "status",
        *inventory(),
        more={"PYTHONPATH": "%s:%s" % (tmp_path, command.environment["PYTHONPATH"])},
    )
    assert done.status == 1
    assert "lab lab1  md0" in done.out
    assert "shop User or password are wrong: root at %s" % shop.url in " ".join(done.out.split())
    assert no_session_is_left(lab, shop)


def test_a_dead_pool_and_one_that_never_answers(inventory, lab, shop):
    shop.answer(list_arrays="sleep")
    begun = time.monotonic()
    done = Xsraid()(
        "status",
        *inventory("[gone]\naddress = https://127.0.0.1:1\n"),
        "--timeout",
        "2",
        password=PASSWORD,
    )
    text = " ".join(done.out.split())
    assert time.monotonic() - begun < 15
    assert done.status == 1
    for piece in (
        "lab lab1 md0 raid1",
        "shop shop1 shop1 has not answered within 2 s.",
        "gone https://127.0.0.1:1 cannot be reached",
    ):
        assert piece in text
    assert no_session_is_left(lab)


def test_passwords_are_asked_for_once_for_each_pool(inventory, lab, shop):
    words = inventory("[lab again]\naddress = %s\nfingerprint = %s\n" % (lab.url, "00" * 32))
    shown = Xsraid().on_terminal(
        "status", *words, typed=[("at %s: " % one.url, PASSWORD + "\n") for one in (lab, shop)]
    )
    assert shown.status == 1
    assert shown.out.count("Password of") == 2
    assert PASSWORD not in shown.out
    assert "another certificate" in " ".join(shown.out.split())


def test_watching_leaves_no_session(inventory, lab, shop):
    shown = Xsraid().on_terminal(
        "status", *inventory(), "--watch", until="\x1b[3A\r\x1b[J", password=PASSWORD
    )
    assert shown.status == 130
    assert shown.out.count("HOST") == 2
    assert "Traceback" not in shown.out
    assert no_session_is_left(lab, shop)


def test_hosts_may_be_named(inventory, lab):
    done = Xsraid()("status", *inventory("hosts = shop1, shop7\n"), password=PASSWORD)
    assert done.status == 1
    assert "The pool has no host shop7." in " ".join(done.out.split())


@pytest.mark.parametrize(
    "words,said",
    [
        ([], "line 7: unknown key colour"),
        (["--pool", "https://m"], "Leave out --all"),
        (["--host", "all"], "Leave out --all"),
        (["--user", "olga"], "--user stands in the inventory"),
    ],
)
def test_wrong_usage(inventory, words, said):
    done = Xsraid()("status", *inventory("colour = red\n"), *words, password=PASSWORD)
    assert done.status == 2
    assert said in done.err


def test_what_changes_anything_knows_no_all():
    assert Xsraid()("alerts", "apply", "--all", "--yes").status == 2


def test_ctrl_c_leaves_no_session_anywhere(inventory, lab, shop):
    for one in (lab, shop):
        one.answer(list_arrays="sleep")
        one.server.write("calls", "")
    process = Xsraid().start("status", *inventory(), password=PASSWORD)
    wait_for_call(lab)
    wait_for_call(shop)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert no_session_is_left(lab, shop)
