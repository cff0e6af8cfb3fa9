# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator itself: who gets in, what is counted, and what goes wrong when a test wants it to."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, RemoteDisconnected
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.integration.vsphere.plain import connected, everything, fails
from tests.lab.commands import LabError, run, wait_until
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.program import binary
from tests.lab.vsphere.server import Layout, Simulator

VM = "DC0_H0_VM0"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator.start() as started:
        yield started


@pytest.fixture
def content(sim: Simulator) -> Iterator[Any]:
    with connected(sim) as found:
        yield found
        sim.control.faults()


@pytest.mark.parametrize("certificate", ["expired", "foreign", "elsewhere"])
def test_a_wrong_certificate_is_refused(certificate: str) -> None:
    with Simulator.start(Layout(certificate=certificate, vms=0)) as sim:
        with pytest.raises(ssl.SSLCertVerificationError), connected(sim):
            pass
        assert sim.control.calls().total == 0


def test_only_who_knows_the_password_gets_in(sim: Simulator) -> None:
    with pytest.raises(vim.fault.InvalidLogin), connected(sim, password="wrong"):  # noqa: S106
        pass
    assert sim.control.sessions() == []


def test_the_viewer_only_reads(sim: Simulator) -> None:
    with connected(sim, sim.viewer) as content:
        vm = everything(content, vim.VirtualMachine)[VM]
        assert vm.runtime.powerState == "poweredOff"
        with pytest.raises(vim.fault.NoPermission) as refused:
            vm.PowerOn()
        assert (refused.value.object, refused.value.privilegeId) == (vm, "VirtualMachine.Interact.PowerOn")
        key = content.sessionManager.currentSession.key
        asked = ["System.Read", "VirtualMachine.Interact.PowerOn"]
        found = content.authorizationManager.HasPrivilegeOnEntities([vm], key, asked)
        assert [each.isGranted for each in found[0].privAvailability] == [True, False]


def test_calls_and_sessions_are_counted(sim: Simulator, content: Any) -> None:
    vm = everything(content, vim.VirtualMachine)[VM]
    sim.control.reset()
    assert vm.name == VM
    assert sim.control.calls().soap == {"Fetch": 1}
    assert fails(vm.PowerOn()) == ""
    assert fails(vm.PowerOff()) == ""
    assert sim.control.writes() == {"PowerOnVM_Task": 1, "PowerOffVM_Task": 1}
    content.sessionManager.AcquireCloneTicket()
    assert [session["user"] for session in sim.control.sessions()] == [sim.username]


def test_an_ended_session_is_a_fault_here_and_a_missing_set_there(sim: Simulator, content: Any) -> None:
    vm = everything(content, vim.VirtualMachine)[VM]
    assert sim.control.end_sessions() == 1
    collector = vmodl.query.PropertyCollector
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=vm)],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    (found,) = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions()).objects
    assert [type(each.fault) for each in found.missingSet] == [vim.fault.NotAuthenticated]
    with pytest.raises(vim.fault.NotAuthenticated):
        vm.name  # noqa: B018


def test_an_idle_session_ends() -> None:
    with Simulator.start(Layout(idle="100ms", vms=0)) as sim, connected(sim):
        wait_until(lambda: sim.control.sessions() == [], "the end of the session", 5)


def test_calls_and_tasks_fail_by_rule(sim: Simulator, content: Any) -> None:
    vm = everything(content, vim.VirtualMachine)[VM]
    busy, broken = Rule("PowerOnVM_Task", fault="TaskInProgress", count=1), Rule("PowerOnVM_Task", "", VM, task=True)
    sim.control.faults(busy, Rule(**{**vars(broken), "fault": "GenericVmConfigFault", "detail": {"reason": "no"}}))
    with pytest.raises(vim.fault.TaskInProgress):
        vm.PowerOn()
    assert fails(vm.PowerOn()) == "GenericVmConfigFault"
    assert sim.control.hits() == [1, 1]
    assert vm.runtime.powerState == "poweredOff"


@pytest.mark.parametrize(
    ("rule", "error", "done"),
    [
        (Rule("PowerOnVM_Task", http=503), HTTPException, "poweredOff"),
        (Rule("PowerOnVM_Task", drop="before"), RemoteDisconnected, "poweredOff"),
        (Rule("PowerOnVM_Task", drop="after"), RemoteDisconnected, "poweredOn"),
    ],
)
def test_connections_fail_by_rule(rule: Rule, error: type[Exception], done: str) -> None:
    with Simulator.start(Layout(vms=1)) as sim, connected(sim) as content:
        vm = everything(content, vim.VirtualMachine)[VM]
        sim.control.faults(rule)
        with pytest.raises(error):
            vm.PowerOn()
        sim.control.faults()
        time.sleep(0.1)
        assert vm.runtime.powerState == done


def test_a_call_that_hangs_is_let_go_with_its_rule(sim: Simulator, content: Any) -> None:
    vm = everything(content, vim.VirtualMachine)[VM]
    sim.control.faults(Rule("Fetch", hang=True, count=1))
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: vm.name)
        wait_until(lambda: sim.control.hits() == [1], "the call")
        assert not asked.done()
        sim.control.faults()
        with pytest.raises(RemoteDisconnected):
            asked.result(timeout=5)


def test_twins_have_the_same_uuids_unless_seeds_differ() -> None:
    def look(layout: Layout) -> tuple[str, set[str]]:
        with Simulator.start(layout) as sim, connected(sim) as content:
            uuids = {vm.config.instanceUuid for vm in everything(content, vim.VirtualMachine).values()}
            return content.about.instanceUuid, uuids

    one, two, three = look(Layout()), look(Layout(name="vcenter2")), look(Layout(seed="other"))
    assert one[0] == three[0] != two[0]
    assert one[1] == two[1]
    assert not one[1] & three[1]


def test_nobody_else_on_the_network_can_reach_it() -> None:
    with pytest.raises(LabError, match="is not a loopback address"):
        run(binary("simulator"), "-listen=0.0.0.0:0")
