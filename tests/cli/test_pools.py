"""A pool from anywhere: certificates, passwords, hosts, roles, and what is said when one of them is
not right.
"""

import os
import pathlib

import pytest

from tests.cli import tls
from tests.cli.processes import PASSWORD, PROJECT, Xsraid

ARRAYS = {"arrays": []}


@pytest.fixture(autouse=True)
def answering(one):
    one.answer(list_arrays=ARRAYS)


@pytest.fixture(scope="module")
def addresses(one, certificates):
    """Where that pool answers with each kind of certificate."""
    return {
        name: tls.Proxy(one.server.address, getattr(certificates, name)).url
        for name in ("good", "expired", "other_name")
    }


@pytest.fixture(scope="module")
def two(simulated):
    """A pool of a master and a member that lacks the plugin."""
    master = simulated("--name", "first", version="8.2.1")
    member = simulated("--name", "second", "--master", master.server.address, version="8.2.1")
    return master, member


def lines(done):
    """Return the two lines of a refusal."""
    what, advice = done.err.splitlines()
    assert what.startswith("xsraid: ")
    assert done.out == ""
    assert done.status in (1, 2)
    return what, advice


def test_a_certificate_of_a_known_authority(remote, one):
    assert remote("status", password=PASSWORD).status == 0
    assert one.session_count() == 0


def test_an_unknown_authority_is_refused_with_the_fingerprint(addresses, certificates):
    what, advice = lines(Xsraid()("--pool", addresses["good"], "status", password=PASSWORD))
    shown = tls.with_colons(tls.fingerprint(certificates.good))
    assert "signed by nobody that is known here" in what
    assert shown in what
    assert "--ca-file" in advice
    assert advice.endswith("--fingerprint " + shown)


@pytest.mark.parametrize(
    "kind,words", [("expired", "has expired"), ("other_name", "is for another name")]
)
def test_a_certificate_that_is_not_right_says_how(addresses, certificates, kind, words):
    what, advice = lines(
        Xsraid()(
            "--pool", addresses[kind], "--ca-file", certificates.ca, "status", password=PASSWORD
        )
    )
    assert words in what
    assert advice.endswith(
        "--fingerprint " + tls.with_colons(tls.fingerprint(getattr(certificates, kind)))
    )


@pytest.mark.parametrize("kind", ["good", "expired", "other_name"])
def test_a_fingerprint_is_enough_and_another_is_refused(addresses, certificates, kind):
    right, wrong = tls.fingerprint(getattr(certificates, kind)), "ab" * 32
    assert (
        Xsraid()(
            "--pool", addresses[kind], "--fingerprint", right, "status", password=PASSWORD
        ).status
        == 0
    )
    assert (
        Xsraid()(
            "--pool",
            addresses[kind],
            "--fingerprint",
            wrong,
            "--fingerprint",
            right,
            "status",
            password=PASSWORD,
        ).status
        == 0
    )
    what, advice = lines(
        Xsraid()("--pool", addresses[kind], "--fingerprint", wrong, "status", password=PASSWORD)
    )
    assert "another certificate" in what
    assert tls.with_colons(right) in what
    assert "Nothing was sent" in advice


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_certificates_are_judged_alike_by_the_pythons_of_dom0(addresses, certificates, version):
    python = pathlib.Path(PROJECT, f"build/venv-{version}", "bin/python")
    if not os.access(python, os.X_OK):
        pytest.skip("`make units` makes it, where this Python is installed")
    command = Xsraid(python=str(python))

    def said(kind, *words):  # 2.7 knows certificates for names only, not for IP addresses
        return command(
            "--pool",
            addresses[kind].replace("127.0.0.1", "localhost"),
            *words,
            "status",
            password=PASSWORD,
        ).err

    assert (
        said("good", "--ca-file", certificates.ca)
        == said("other_name", "--fingerprint", tls.fingerprint(certificates.other_name))
        == ""
    )
    assert "signed by nobody that is known here, or has expired" in said("good")
    assert "is for another name" in said("other_name", "--ca-file", certificates.ca)
    assert "or has expired" in said("expired", "--ca-file", certificates.ca)
    assert "another certificate" in said(
        "good", "--fingerprint", tls.fingerprint(certificates.expired)
    )


def test_insecure_says_so_each_time(addresses):
    for _ in range(2):
        done = Xsraid()("--pool", addresses["expired"], "--insecure", "status", password=PASSWORD)
        assert done.status == 0
        assert done.err.startswith("Warning: --insecure")
        assert len(done.err.splitlines()) == 1


def test_http_needs_insecure(one):
    assert (
        "--insecure"
        in lines(Xsraid()("--pool", "http://" + one.server.address, "status", password=PASSWORD))[1]
    )
    assert (
        Xsraid()(
            "--pool", "http://" + one.server.address, "--insecure", "status", password=PASSWORD
        ).status
        == 0
    )


@pytest.mark.parametrize(
    "address,words",
    [
        ("127.0.0.1:1", "refused"),
        ("https://nowhere.invalid", "not known"),
        ("https://root:secret@m", "no address"),
    ],
)
def test_an_address_where_nobody_answers(address, words):
    assert words in lines(Xsraid()("--pool", address, "status", password=PASSWORD))[0]


def test_what_speaks_no_tls(one):
    assert (
        "No secure connection"
        in lines(Xsraid()("--pool", one.server.address, "status", password=PASSWORD))[0]
    )


def test_a_wrong_password(remote, one):
    what, advice = lines(remote("status", password="wrong"))
    assert "User or password are wrong: root at https://127.0.0.1" in what
    assert "wrong" not in advice
    assert one.session_count() == 0


def test_nobody_to_ask_for_the_password(remote):
    assert "--password-fd N" in lines(remote("status"))[1]
    assert "file descriptor 77" in lines(remote("status", "--password-fd", "77"))[0].lower()


def test_the_password_is_asked_for_unseen(remote):
    shown = remote.on_terminal(
        "status", typed=[("Password of root at https://127.0.0.1", PASSWORD + "\n")]
    )
    assert shown.status == 0
    assert PASSWORD not in shown.out


def test_the_password_from_a_keyring(remote, tmp_path):
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, user):\n"
        "    return %r if service.startswith('xsraid:https://127') and user == 'root' else None\n"
        % PASSWORD
    )
    path = "%s:%s" % (tmp_path, remote.environment["PYTHONPATH"])
    assert remote("status", more={"PYTHONPATH": path}).status == 0
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, user):\n    raise RuntimeError('locked')\n"
    )
    assert "no terminal" in lines(remote("status", more={"PYTHONPATH": path}))[0]


def test_a_role_that_is_too_low(remote):
    what, advice = lines(remote("status", "--user", "olga", password="o"))
    assert "role of olga is too low" in what
    assert "pool-admin" in advice


def test_a_member_says_who_the_master_is(two):
    master, member = two
    master.answer(list_arrays=ARRAYS)
    done = Xsraid()(
        "--pool",
        "http://" + member.server.address,
        "--insecure",
        "--host",
        "first",
        "status",
        password=PASSWORD,
    )
    assert done.status == 0, done
    assert master.session_count() == 0


def test_the_master_that_a_member_named_shows_its_own_certificate(two, certificates):
    """Over TLS the simulated master, which has none, is what does not answer."""
    proxy = tls.Proxy(two[1].server.address, certificates.good)
    what, _ = lines(
        Xsraid()(
            "--pool",
            proxy.url,
            "--ca-file",
            certificates.ca,
            "--host",
            "first",
            "status",
            password=PASSWORD,
        )
    )
    assert two[0].server.address in what


def test_a_pool_of_several_needs_a_host(two):
    command = Xsraid(options=["--pool", "http://" + two[0].server.address, "--insecure"])
    for words, pieces in (
        ([], ("2 hosts", "--host NAME", "first, second")),
        (["--host", "third"], ("no host third", "first, second")),
    ):
        done = command("disks", *words, password=PASSWORD)
        assert done.status == 2
        assert all(piece in done.err for piece in pieces)


@pytest.mark.parametrize("by", ["name", "uuid"])
def test_a_host_without_the_plugin_says_which_rpm_it_needs(two, by):
    name = "second" if by == "name" else two[1].server.host_uuid
    done = Xsraid()(
        "--pool",
        "http://" + two[0].server.address,
        "--insecure",
        "--host",
        name,
        "status",
        password=PASSWORD,
    )
    assert done.status == 1
    assert done.err.splitlines()[1:] == [
        "xsraid: xsraid is not installed on second.",
        "Install the .xs7 RPM there: yum install xsraid.",
    ]


def test_a_host_that_is_down(simulated):
    master = simulated("--name", "first")
    member = simulated("--name", "second", "--master", master.server.address)
    command = Xsraid(
        options=["--pool", "http://" + master.server.address, "--insecure", "--host", "second"]
    )
    while "no host second" in command("status", password=PASSWORD).err:
        pass
    member.server.kill()
    done = command("status", password=PASSWORD)
    assert done.status == 1
    assert "master cannot reach second" in done.err


def test_a_plugin_that_crashes(remote, one):
    one.server.plugin("xsraid", "'nonsense'")
    what, advice = lines(remote("status", password=PASSWORD))
    assert "ended without an answer" in what
    assert "journalctl" in advice
    one.answer(
        list_arrays=[
            "XSRAID_BUSY",
            "create_array (pid 7)",
            "Another call is at work on this host: create_array (pid 7).",
        ]
    )
    assert "Another call is at work" in remote("status", password=PASSWORD).err


def test_no_password_is_in_the_log_or_in_argv(remote, one):
    remote("status", password=PASSWORD)
    assert PASSWORD not in pathlib.Path(one.folder, "log").read_text()
