# SPDX-License-Identifier: GPL-3.0-or-later
"""One suite for every backend: `pytest tests/conformance --backend memory`, or another of BACKENDS."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import ConnectionFailed

from tests.conformance.bed import Bed
from tests.conformance.results import Results

RESULTS = pytest.StashKey[Results]()
PARTLY = pytest.StashKey[bool]()
BACKENDS = ("memory", "libvirt", "libvirt-test", "xen", "vsphere", "vsphere-esx")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=BACKENDS, default="memory", help="which hypervisor to test")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = Results(config.getoption("--backend"))


def bed_of(backend: str) -> Bed:
    """Return the bed of a backend; imports are written out, because each needs libraries of its own."""
    match backend:
        case "libvirt":
            from tests.conformance.backends.libvirt import LibvirtBed

            return LibvirtBed()
        case "libvirt-test":
            from tests.conformance.backends.libvirt_test import LibvirtTestBed

            return LibvirtTestBed()
        case "xen":
            from tests.conformance.backends.xen import XenBed

            return XenBed()
        case "vsphere":
            from tests.conformance.backends.vsphere import VsphereBed

            return VsphereBed()
        case "vsphere-esx":
            from tests.conformance.backends.vsphere import EsxBed

            return EsxBed()
    from tests.conformance.backends.memory import MemoryBed

    return MemoryBed()


@pytest.fixture(scope="session")
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    made = bed_of(request.config.getoption("--backend"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def connected(bed: Bed) -> Iterator[Callable[[], Driver]]:
    """What returns a driver connected to the first host; a new one where that one's daemon has died since."""
    drivers: list[Driver] = []

    def alive() -> Driver:
        try:
            drivers[-1].about()
        except (IndexError, ConnectionFailed):
            drivers.append(bed.connect(bed.hosts[0]))
        return drivers[-1]

    yield alive
    for one in drivers:
        one.close()


@pytest.fixture
def driver(bed: Bed, connected: Callable[[], Driver], results: Results) -> Driver:
    """A driver connected to the first host."""
    found = connected()
    results.describe(found.about(), bed.played_by)
    return found


@pytest.fixture
def snapshots_are_there(driver: Driver) -> None:
    """Skip what is about snapshots where there are none; that they are refused is proved by the claims."""
    if reason := driver.refuses(Capability.CREATE_SNAPSHOT):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Results:
    return request.config.stash[RESULTS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or report.failed or (report.when == "setup" and report.skipped):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        item.config.stash[RESULTS].count(item.nodeid, report.outcome, reason)
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items[:1]:
        item.config.stash[PARTLY] = True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[RESULTS].lines():
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    whole = all(Path(argument).is_dir() for argument in session.config.args)
    if whole and not session.config.stash.get(PARTLY, False):
        session.config.stash[RESULTS].save()
