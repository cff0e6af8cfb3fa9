# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong, one class per reaction of a caller.

CrossvirtError
  ConnectionFailed
    AuthenticationFailed  CertificateNotTrusted
  MissingLibrary  NotFound  Ambiguous  AlreadyExists  Busy  InvalidState  InvalidOption
  Unsupported  CapacityExceeded  Timeout  Cancelled  BackendError
  PermissionDenied
    PolicyRefused
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CrossvirtError(Exception):
    """Any failure of ours: a playbook tests its class name; its facts stand in the result beside the message."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts

    def report(self) -> dict[str, Any]:
        """Return what a result says of this failure."""
        return {"error": type(self).__name__, "msg": str(self), **self.facts}


class ConnectionFailed(CrossvirtError):
    """An endpoint does not answer, or not as a hypervisor of this type."""


class AuthenticationFailed(ConnectionFailed):
    """The endpoint refuses who we say we are."""


class CertificateNotTrusted(ConnectionFailed):
    """The endpoint's certificate does not convince us."""


class MissingLibrary(CrossvirtError):
    """A Python library is not there for the interpreter that runs the module."""


class NotFound(CrossvirtError):
    """There is no such thing."""


class Ambiguous(CrossvirtError):
    """More than one is meant, and nothing is guessed."""


class AlreadyExists(CrossvirtError):
    """A name or an address is taken."""


class Busy(CrossvirtError):
    """Something else is at work on the VM; trying later can help."""


class InvalidState(CrossvirtError):
    """The VM is not in a state, or of a shape, from which this can be done."""


class InvalidOption(CrossvirtError):
    """A value or a key that the user wrote is wrong."""


class Unsupported(CrossvirtError):
    """This hypervisor cannot do it, or not with this VM."""


class PermissionDenied(CrossvirtError):
    """The account lacks a right, which the message names."""


class PolicyRefused(PermissionDenied):
    """The policy of this machine forbids it, or cannot be read."""


class CapacityExceeded(CrossvirtError):
    """Too many VMs, or too little room."""


class Timeout(CrossvirtError):
    """A deadline has passed."""


class Cancelled(CrossvirtError):
    """The task was asked to end before this was done."""


class BackendError(CrossvirtError):
    """Anything unforeseen, with the hypervisor's own code."""


def all_of(reasons: Sequence[CrossvirtError]) -> CrossvirtError:
    """Return one error for every reason: of the first one's class, with each of them in `reasons`."""
    distinct: dict[str, CrossvirtError] = {}
    for reason in reasons:
        distinct.setdefault(str(reason), reason)
    return type(reasons[0])("; ".join(distinct), reasons=[reason.report() for reason in distinct.values()])
