"""Addresses of pools, fingerprints, and which host is meant."""

import pytest
import XenAPI

from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import certificates, pool, transport

DIGITS = "0123456789abcdef" * 4
HOSTS = [
    pool.Host("r1", "dom0", "u1", "8.3.0"),
    pool.Host("r2", "dom1", "u2", "8.3.0"),
    pool.Host("r3", "dom1", "u3", "8.3.0"),
]


@pytest.mark.parametrize(
    "address,url",
    [
        ("master", ("https", "master")),
        ("https://master:443/", ("https", "master:443")),
        ("http://m", ("http", "m")),
    ],
)
def test_addresses(address, url):
    assert transport.url(address) == url


@pytest.mark.parametrize(
    "address", ["", "ftp://m", "https://", "https://root:secret@m", "https://m/path", "m m"]
)
def test_what_is_no_address(address):
    with pytest.raises(Problem) as caught:
        transport.url(address)
    assert caught.value.status == USAGE


@pytest.mark.parametrize(
    "typed",
    [
        DIGITS,
        DIGITS.upper(),
        ":".join(DIGITS[at : at + 2] for at in range(0, 64, 2)),
        "SHA256 Fingerprint=" + DIGITS,
    ],
)
def test_fingerprints_may_be_typed_in_any_form(typed):
    assert certificates.normal(typed) == ":".join(
        ["01", "23", "45", "67", "89", "AB", "CD", "EF"] * 4
    )


def test_another_digest_is_no_fingerprint():
    with pytest.raises(Problem) as caught:
        certificates.normal("AA:BB")
    assert caught.value.status == USAGE
    assert "sha256" in caught.value.advice


@pytest.mark.parametrize(
    "hosts,name,ref", [(HOSTS[:1], None, "r1"), (HOSTS, "dom0", "r1"), (HOSTS, "u3", "r3")]
)
def test_a_host_by_name_or_uuid(hosts, name, ref):
    assert pool.choose(hosts, name).ref == ref


@pytest.mark.parametrize(
    "name,words", [(None, "dom0, dom1"), ("dom9", "dom0, dom1"), ("dom1", "u2")]
)
def test_a_host_that_is_not_clear_names_those_there_are(name, words):
    with pytest.raises(Problem) as caught:
        pool.choose(HOSTS, name)
    assert caught.value.status == USAGE
    assert words in caught.value.advice


@pytest.mark.parametrize("named", ["\x1b[31mhost", "a host", "x/y", "", "user@host", "a\nb"])
def test_a_master_that_is_no_address_is_refused_as_text(mocker, named):
    mocker.patch(
        "xsraid_cli.remote.pool._logged_in", side_effect=XenAPI.Failure(["HOST_IS_SLAVE", named])
    )
    with pytest.raises(Problem) as caught:
        pool.log_in("member", "root", "x")
    assert "\x1b" not in caught.value.what
    assert "\n" not in caught.value.what
    assert "member" in caught.value.what
