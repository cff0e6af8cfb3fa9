# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere's faults in our words, by their class: https://developer.broadcom.com/xapis/vsphere-web-services-api/latest/.

The most derived class that is listed decides; a fault's own text is for people only.
"""

from __future__ import annotations

from typing import Any

from ...errors import (
    AlreadyExists,
    AuthenticationFailed,
    BackendError,
    Busy,
    Cancelled,
    CapacityExceeded,
    CrossvirtError,
    InvalidOption,
    InvalidState,
    NotFound,
    PermissionDenied,
    Timeout,
    Unsupported,
)

FAULTS: dict[str, type[CrossvirtError]] = {
    "AlreadyExists": AlreadyExists,
    "DuplicateName": AlreadyExists,
    "FileAlreadyExists": AlreadyExists,
    "InvalidLogin": AuthenticationFailed,
    "NotAuthenticated": AuthenticationFailed,
    "ConcurrentAccess": Busy,
    "FileLocked": Busy,
    "ResourceInUse": Busy,
    "TaskInProgress": Busy,
    "RequestCanceled": Cancelled,
    "InsufficientResourcesFault": CapacityExceeded,
    "InsufficientStorageSpace": CapacityExceeded,
    "NoDiskSpace": CapacityExceeded,
    "TooManySnapshotLevels": CapacityExceeded,
    "InvalidArgument": InvalidOption,
    "InvalidName": InvalidOption,
    "InvalidState": InvalidState,
    "ApplicationQuiesceFault": BackendError,
    "FilesystemQuiesceFault": BackendError,
    "GenericVmConfigFault": BackendError,
    "ToolsUnavailable": InvalidState,
    "VmToolsUpgradeFault": InvalidState,
    "FileNotFound": NotFound,
    "ManagedObjectNotFound": NotFound,
    "NotFound": NotFound,
    "NoPermission": PermissionDenied,
    "RestrictedVersion": PermissionDenied,  # also a licence that does not allow the call
    "SecurityError": PermissionDenied,
    "LicenseEntityNotFound": PermissionDenied,
    "NotEnoughLicenses": PermissionDenied,
    "Timedout": Timeout,
    "CannotAccessVmComponent": Unsupported,
    "DisallowedOperationOnFailoverHost": Unsupported,
    "MethodNotFound": Unsupported,
    "MigrationFault": Unsupported,
    "NoCompatibleHost": Unsupported,
    "NotImplemented": Unsupported,
    "NotSupported": Unsupported,
    "SnapshotFault": Unsupported,
    "VirtualHardwareCompatibilityIssue": Unsupported,
}


def name_of(fault: Any) -> str:
    """Return the class of a fault as vSphere names it."""
    return str(type(fault).__name__).rpartition(".")[2]


def is_a(fault: Any, name: str) -> bool:
    """Say whether a fault is of this class of vSphere's, or of one derived from it."""
    return any(kind.__name__.rpartition(".")[2] == name for kind in type(fault).__mro__)


def ours(fault: Any, where: str, doing: str) -> CrossvirtError:
    """Return our error for a fault, direct or of a task; `where` is the endpoint."""
    kinds = (FAULTS.get(kind.__name__.rpartition(".")[2]) for kind in type(fault).__mro__)
    kind = next((one for one in kinds if one), BackendError)
    facts = {"code": name_of(fault)} if kind is BackendError else {}
    return kind(f"{where}: {doing}: {explained(fault)}", **facts)


def explained(fault: Any) -> str:
    """Return what a fault says: the right that is missing and where, the reason, the messages, always its class."""
    name = name_of(fault)
    if is_a(fault, "NoPermission") and getattr(fault, "privilegeId", None):
        return f"the account lacks the privilege {fault.privilegeId}{place_of(fault)} ({name})"
    texts = [getattr(fault, key, None) for key in ("reason", "text", "msg")]  # `text` is that of a pending question
    texts += [getattr(one, "message", None) for one in getattr(fault, "faultMessage", None) or ()]
    told = list(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))
    return f"{'; '.join(told)} ({name})" if told else name


def place_of(fault: Any) -> str:
    """Return where a privilege is missing, by id and, where the account may read it, by name: that is one more call."""
    place = getattr(fault, "object", None)
    if place is None:
        return ""
    where = str(getattr(place, "_moId", place))
    try:
        return f" on {place.name} ({where})"
    except Exception:  # noqa: BLE001 - who lacks one right may lack that one, too; the id says enough
        return f" on {where}"
