# SPDX-License-Identifier: GPL-3.0-or-later
"""Which calls of vSphere's interfaces change nothing."""

import re

# Of these the documentation promises that they read, or that they concern the caller's session alone: login and logout,
# the caller's views and filters. Everything else counts as a write.
READS = re.compile(
    r"""
    Fetch | Retrieve\w* | Query\w* | Find\w* | Search\w* | Read\w* | Has\w* | Check\w* | CurrentTime
    | WaitForUpdates(Ex)? | CancelWaitForUpdates | Continue\w* | CancelRetrievePropertiesEx
    | (Create|Destroy)(PropertyCollector|PropertyFilter|View) | CreateFilter | ResetCollector | ReadNextTasks
    | Create(Container|List|Inventory)View | ModifyListView | ResetListView
    | Login\w* | Logout | CloneSession | AcquireCloneTicket | SessionIsActive | PlaceVm
    """,
    re.VERBOSE,
)
REST_READS = re.compile(r"GET .*|(POST|DELETE) \S*/cis/session|POST \S*~action=(list|get)\S*")


def writes(name: str) -> bool:
    """Say whether a call of this name may change something: a SOAP method, or a verb and a path of REST."""
    return not (REST_READS if " " in name else READS).fullmatch(name.removesuffix("_Task"))
