# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver claims is what it implements, what the contract page demands, and what the session allows."""

from __future__ import annotations

import inspect

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import Unsupported

from tests.conformance.bed import Bed
from tests.conformance.results import Results
from tests.unit.contract_page import SECTIONS, words

TABLE = {words(row["capability"])[0]: row for row in SECTIONS["10. Capabilities"].rows}


def is_claimed(driver: Driver, capability: Capability) -> bool:
    return getattr(type(driver), capability) is not getattr(Driver, capability)


@pytest.mark.parametrize("capability", Capability)
def test_claims_are_those_of_the_page(
    bed: Bed, driver: Driver, capability: Capability, results: Results, request: pytest.FixtureRequest
) -> None:
    demanded = bed.column is None or TABLE[capability][bed.column] == "claimed"
    reason = driver.refuses(capability)
    assert is_claimed(driver, capability) >= demanded
    assert (reason is None) == demanded, reason
    if reason:
        results.refuse(request.node.nodeid, capability.value, reason)
        parameters = list(inspect.signature(getattr(driver, capability)).parameters)
        with bed.watching() as writes, pytest.raises(Unsupported):
            getattr(driver, capability)(*["x"] * len(parameters)).result(10)
        assert writes == []


@pytest.mark.parametrize("capability", Capability)
def test_signatures_are_those_of_the_contract(driver: Driver, capability: Capability) -> None:
    ours, contract = (inspect.signature(getattr(one, capability)) for one in (type(driver), Driver))
    assert list(ours.parameters) == list(contract.parameters)
