"""The mail server's password: a secret of XAPI is all that the plugin hears of it."""

import pytest

from tests.cli.processes import PASSWORD

SETTINGS = [
    "--mail-to",
    "a@example.com",
    "--mail-from",
    "b@example.com",
    "--smtp-host",
    "smtp.example.com",
    "--smtp-user",
    "b@example.com",
]
REPLY = {
    "settings": {"mail_to": "a@example.com", "smtp_password_set": True},
    "monitor": "running",
    "warnings": [],
}
MAIL_PASSWORD = "hunter2 of the mail server"


@pytest.fixture
def pool(one):
    one.answer(configure_alerts=REPLY)
    one.server.write("calls", "")
    yield one
    session = one.server.session()
    for secret in session.xenapi.secret.get_all():
        session.xenapi.secret.destroy(secret)
    session.xenapi.session.logout()


def secrets(pool):
    """Return {uuid: value} of all secrets that XAPI keeps."""
    session = pool.server.session()
    try:
        return {
            record["uuid"]: record["value"]
            for record in session.xenapi.secret.get_all_records().values()
        }
    finally:
        session.xenapi.session.logout()


def test_the_password_becomes_a_secret(remote, pool):
    shown = remote.on_terminal(
        "alerts",
        "set",
        *SETTINGS,
        "--yes",
        typed=[
            ("Password of root", PASSWORD + "\n"),
            ("at the mail server: ", MAIL_PASSWORD + "\n"),
        ],
    )
    assert shown.status == 0, shown.out
    ((uuid, value),) = secrets(pool).items()
    assert value == MAIL_PASSWORD
    assert MAIL_PASSWORD not in shown.out
    ((_, arguments),) = pool.calls()
    assert arguments["smtp_password_secret"] == uuid
    assert MAIL_PASSWORD not in str(arguments)


def test_a_call_that_fails_leaves_no_secret(remote, pool):
    pool.answer(
        configure_alerts=["XSRAID_BAD_ARGUMENT", "mail_to", "is wrong", "mail_to: is wrong."]
    )
    shown = remote.on_terminal(
        "alerts",
        "set",
        *SETTINGS,
        "--yes",
        typed=[("at the mail server: ", MAIL_PASSWORD + "\n")],
        password=PASSWORD,
    )
    assert shown.status == 1
    assert "is wrong" in shown.out
    assert secrets(pool) == {}


def test_both_passwords_may_come_on_one_descriptor(remote, pool):
    process = remote.start(
        "alerts",
        "set",
        *SETTINGS,
        "--yes",
        "--password-fd",
        "0",
        "--smtp-password-fd",
        "0",
        stdin=-1,
    )
    _, err = process.communicate("%s\n%s\n" % (PASSWORD, MAIL_PASSWORD), timeout=30)
    assert process.returncode == 0, err
    assert list(secrets(pool).values()) == [MAIL_PASSWORD]


def test_a_secret_of_ones_own_is_taken_as_it_is(remote, pool):
    uuid = "b8d5f3c2-0d6e-4f3a-9d53-1f7c1f6b0a11"
    assert (
        remote(
            "alerts", "set", *SETTINGS, "--smtp-password-secret", uuid, "--yes", password=PASSWORD
        ).status
        == 0
    )
    assert pool.calls()[0][1]["smtp_password_secret"] == uuid
    assert secrets(pool) == {}


def test_without_a_user_no_password_is_asked_for(remote, pool):
    assert (
        remote("alerts", "set", "--mail-to", "a@example.com", "--yes", password=PASSWORD).status
        == 0
    )
    assert pool.calls() == [["configure_alerts", {"mail_to": "a@example.com"}]]
