# SPDX-License-Identifier: GPL-3.0-or-later
"""By which ways a VM may go to a target, and what libvirt's numbers say of how far it is (recorded on libvirt 9.0)."""

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.job_progress import (
    downtime_seconds,
    progress_from,
    progress_of_copies,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.live_move import Way, ways
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Progress

TLS, TCP = "qemu+tls://kvm2/system", "qemu+tcp://kvm2/system"
ELSEWHERE = ["qemu+ssh://root@kvm2/system", "qemu+unix:///system?socket=/run/x", "qemu:///system", "qemu+tcp://[::1]/"]
UNDER_WAY = {
    "type": 2,
    "operation": 5,
    "time_elapsed": 4002,
    "downtime": 300,
    "data_total": 135012352,
    "data_processed": 30466328,
    "data_remaining": 103653376,
    "memory_bps": 10402396,
}
ENDED = UNDER_WAY | {"type": 3, "time_elapsed": 7085, "data_remaining": 0, "downtime": 39, "downtime_net": 37}


def vias(uri: str, encryption: str = "auto", *, held: bool = False, qemu: bool = True) -> list[str]:
    return list(dict.fromkeys(way.via for way in ways(uri, encryption, qemu=qemu, held=held)))


@pytest.mark.parametrize("uri", [TLS, TCP])
def test_hosts_that_reach_each_other_do_it_among_themselves(uri: str) -> None:
    assert vias(uri) == ["peer_to_peer", "client"]


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_what_only_the_client_reaches_goes_through_it(uri: str) -> None:
    assert vias(uri) == ["client"]


def test_a_vm_that_is_held_back_goes_through_the_client_that_will_wake_it() -> None:
    assert vias(TLS, held=True) == ["client"]


@pytest.mark.parametrize("uri", [TLS, TCP, *ELSEWHERE])
def test_required_encryption_leaves_no_way_without(uri: str) -> None:
    found = list(ways(uri, "required", qemu=True, held=False))
    assert found
    assert all(way.sealed for way in found)


def test_disabled_encryption_leaves_no_way_with() -> None:
    assert [way.sealed for way in ways(TLS, "disabled", qemu=True, held=False)] == [None, None]


def test_a_tunnel_needs_an_encrypted_connection_between_the_hosts() -> None:
    assert Way("peer_to_peer", "tunnel") in list(ways(TLS, "auto", qemu=True, held=False))
    assert Way("peer_to_peer", "tunnel") not in list(ways(TCP, "auto", qemu=True, held=False))


def test_xen_has_no_encryption_of_its_own() -> None:
    assert {way.sealed for way in ways("xen+tls://x/system", "auto", qemu=False, held=False)} == {None}


def test_progress_counts_what_need_not_be_sent_as_done() -> None:
    assert progress_from(UNDER_WAY) == Progress(
        percent=23.2, bytes_done=31358976, bytes_total=135012352, bytes_per_second=10402396, seconds=4.002
    )


def test_a_job_that_has_ended_did_everything() -> None:
    ended = progress_from(ENDED, ended=True)
    assert ended is not None
    assert (ended.percent, ended.bytes_done) == (100, 135012352)
    assert downtime_seconds(ENDED) == 0.037


def test_no_job_is_no_progress() -> None:
    assert progress_from({"type": 0}) is None
    assert progress_of_copies([{}, {}]) is None


def test_copies_of_disks_count_together() -> None:
    progress = progress_of_copies([{"cur": 10, "end": 20}, {}, {"cur": 0, "end": 20}], seconds=2)
    assert progress == Progress(percent=25, bytes_done=10, bytes_total=40, bytes_per_second=5, seconds=2)
