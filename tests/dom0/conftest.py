"""Fixtures of the miniature dom0, and of three as a pool: one boot serves the tests of a module,
for each Python that a dom0 can have.
"""

import os
import random

import pytest

from tests.dom0 import failed, interpreters, unrest
from tests.dom0.dom0 import Dom0
from tests.dom0.pools import Pool
from tests.dom0.uml import HERE

PYTHONS = "2.7,3.6"
ONE = "one"
BOOTING = ("dom0", "dom0s")  # the fixtures that boot
HAS_FAILED = pytest.StashKey[bool]()
BUSY = pytest.StashKey[list]()
STOPPER = pytest.StashKey[unrest.Stopper]()


def pytest_addoption(parser):
    parser.addoption(
        "--dom0-python",
        default=PYTHONS,
        metavar="LIST",
        help="the Pythons that play dom0's, of 2.7, 3.6 and system (default: %(default)s; system "
        "where neither is there); "
        "one: for each module the one that it names, PREFERRED_PYTHON",
    )
    parser.addoption(
        "--dom0-kernel",
        choices=("old", "young"),
        help="of uml.KERNELS (default: the young one, which is twice as fast; with several Pythons "
        "the old one for 2.7, whose dom0s "
        "have older kernels)",
    )
    parser.addoption(
        "--unrest",
        metavar="SEED",
        help="keep the processors busy and stop guests for some seconds now and then; 0: by "
        "another seed each time",
    )


def pytest_configure(config):
    """Begin to disturb the guests, if that is asked for: the processors once in the run, the guests
    in each process that has some.
    """
    seed = config.getoption("unrest", default=None)
    if not seed:
        return
    worker = getattr(config, "workerinput", None)
    if worker is None:
        config.option.unrest = str(random.randrange(1, 10**6)) if seed == "0" else seed
        config.stash[BUSY] = unrest.keep_busy()
    config.stash[STOPPER] = unrest.Stopper(
        f"{config.option.unrest}-{worker['workerid'] if worker else 'only'}"
    )


def pytest_report_header(config):
    return (
        f"unrest by seed {config.option.unrest}"
        if config.getoption("unrest", default=None)
        else None
    )


def pytest_unconfigure(config):
    if STOPPER in config.stash:
        config.stash[STOPPER].close()
    for process in config.stash.get(BUSY, []):
        process.kill()
        process.wait()


def _booted_for(item):
    """Return the one of BOOTING that a test, or what makes tests of a function, asks for; or
    None.
    """
    return next((name for name in BOOTING if name in getattr(item, "fixturenames", ())), None)


def pytest_generate_tests(metafunc):
    fixture = _booted_for(metafunc)
    if fixture:
        wanted = metafunc.config.getoption("--dom0-python", default=PYTHONS)
        choices = _choices(
            [metafunc.module.PREFERRED_PYTHON] if wanted == ONE else wanted.split(",")
        )
        metafunc.parametrize(
            fixture, choices, indirect=True, scope="module", ids=lambda choice: f"python-{choice}"
        )


def _choices(wanted):
    """Return the wanted Pythons, or the guest's own where the machine has none of them; in CI they
    must be there.
    """

    def is_there(choice):
        try:
            return interpreters.find(choice)
        except interpreters.NoInterpreter:
            return None

    return wanted if os.environ.get("CI") == "true" or any(map(is_there, wanted)) else ["system"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep the tests of one guest together when several processes share the work (pytest -n 2
    --dist loadgroup), and begin with the longest.

    A module that takes minutes for one test says so, IS_LONG. First, since xdist's own hook of this
    name reads the marks.
    """
    items.sort(key=lambda item: not getattr(item.module, "IS_LONG", False))
    for item in items:
        fixture = _booted_for(item)
        if fixture:
            item.add_marker(
                pytest.mark.xdist_group(f"{item.module.__name__}-{item.callspec.params[fixture]}")
            )
        if str(item.path).startswith(HERE):
            item.add_marker(pytest.mark.flaky(reruns=1))


def _kernel(request):
    """Return which of uml.KERNELS a guest has."""
    chosen, pythons = (
        request.config.getoption("--dom0-kernel"),
        request.config.getoption("--dom0-python"),
    )
    return chosen or ("old" if request.param == "2.7" and pythons != ONE else "young")


def _made(kind, request, **options):
    """Return kind(Python, **options), or skip the test where the machine lacks that Python."""
    try:
        machine = kind(request.param, **options)
    except interpreters.NoInterpreter as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    if STOPPER in request.config.stash:
        request.config.stash[STOPPER].machines[:] = getattr(machine, "all", [machine])
    return machine


@pytest.fixture(scope="module")
def dom0(request):
    """A running Dom0, in the state that the test before left it in. A module may set DOM0_OPTIONS,
    keyword arguments of Dom0.
    """
    with _made(
        Dom0, request, kernel=_kernel(request), **getattr(request.module, "DOM0_OPTIONS", {})
    ) as machine:
        machine.is_fresh = True
        yield machine


@pytest.fixture(scope="module")
def dom0s(request):
    """A running Pool of three, in the state that the test before left it in."""
    with _made(Pool, request) as machines:
        yield machines


@pytest.fixture
def fresh_dom0(dom0):
    """A running Dom0 with blank disks, no array, no SR, no mail, and the files as they were when
    the RPM had been installed.
    """
    if not dom0.is_fresh:
        dom0.reset()
    dom0.is_fresh = False
    return dom0


def pytest_collection_finish(session):
    """Fail at once where xdist did not see the marks: it would share one guest's tests out quietly,
    and each process would boot its own.
    """
    if session.config.getoption("loadgroup", False):
        assert all(
            "@" in item.nodeid for item in session.items if item.get_closest_marker("xdist_group")
        ), "xdist has not read its marks"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Keep what the guests of a failed test have to say, and show the end of it."""
    report = (yield).get_result()
    if not report.failed or not str(item.path).startswith(HERE):
        return
    item.stash[HAS_FAILED] = True
    machine = getattr(item, "funcargs", {}).get(_booted_for(item))
    machines = getattr(machine, "all", [machine]) if machine else []
    folder = failed.folder_of(item.nodeid, getattr(item, "execution_count", 1))
    failed.keep(folder, report, machines)
    report.sections.append(("kept in", folder))
    for dom0 in machines:
        if dom0.guest:
            report.sections.append(
                (f"console of the miniature dom0 {dom0.name}", dom0.console()[-4000:])
            )
            report.sections.append((f"journal of the miniature dom0 {dom0.name}", dom0.journal()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item):
    """End the guest of a test that failed, with all that its module has made in it: neither the
    second try nor the next test inherits it.
    """
    if item.stash.get(HAS_FAILED, False):
        item.stash[HAS_FAILED] = False
        item.session._setupstate.teardown_exact(None)


def pytest_terminal_summary(terminalreporter):
    """Name every test that needed its second try, and what became of the first."""
    tries = terminalreporter.stats.get("rerun", [])
    if tries:
        terminalreporter.section("passed or failed on a second try only: to be mended at the root")
    for report in tries:
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(
            f"SECOND TRY {report.nodeid} ({report.when}): "
            f"{crash.message if crash else report.longreprtext[-500:]}"
        )
        terminalreporter.write_line(f"    kept in {failed.folder_of(report.nodeid, 1)}")
