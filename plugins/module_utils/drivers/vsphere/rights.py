# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges that vSphere asks for, by what needs them, and which of them an account lacks.

Source: the "Required Privileges" of each method in the vSphere Web Services API 8.0; docs/vsphere.md shows them.
"""

from __future__ import annotations

from .session import Session

NEEDED: tuple[tuple[str, str], ...] = (
    ("start, resume", "VirtualMachine.Interact.PowerOn"),
    ("stop, shutdown, discard_state", "VirtualMachine.Interact.PowerOff"),
    ("suspend", "VirtualMachine.Interact.Suspend"),
    ("reset", "VirtualMachine.Interact.Reset"),
    ("create_snapshot", "VirtualMachine.State.CreateSnapshot"),
    ("revert_snapshot", "VirtualMachine.State.RevertToSnapshot"),
    ("delete_snapshot", "VirtualMachine.State.RemoveSnapshot"),
    ("create", "VirtualMachine.Inventory.Create"),
    ("create, with disks", "VirtualMachine.Config.AddNewDisk"),
    ("create, with an image", "VirtualMachine.Config.AddExistingDisk"),
    ("create, with an image", "Datastore.FileManagement"),
    ("create, clone", "Datastore.AllocateSpace"),
    ("create, clone", "Datastore.Browse"),
    ("create, clone", "Resource.AssignVMToPool"),
    ("create, clone: nics", "Network.Assign"),
    ("clone", "VirtualMachine.Inventory.CreateFromExisting"),
    ("clone", "VirtualMachine.Provisioning.Clone"),
    ("clone of a template", "VirtualMachine.Provisioning.DeployTemplate"),
    ("migrate of a VM that runs", "Resource.HotMigrate"),
    ("migrate of any other", "Resource.ColdMigrate"),
    ("migrate to another cluster or pool", "Resource.AssignVMToPool"),
    ("migrate to another storage", "Datastore.AllocateSpace"),
    ("migrate: network_map", "Network.Assign"),
    ("migrate: folder", "VirtualMachine.Inventory.Move"),
    ("migrate to another vCenter: there", "VirtualMachine.Inventory.Register"),
    ("migrate: name", "VirtualMachine.Config.Rename"),
    ("enter_maintenance, exit_maintenance", "Host.Config.Maintenance"),
    ("labels that are custom attributes", "Global.SetCustomField"),
    ("labels that are tags", "InventoryService.Tagging.AttachTag"),
    ("delete", "VirtualMachine.Inventory.Unregister"),
    ("delete, with remove: [disks]", "VirtualMachine.Inventory.Delete"),
    ("delete, with remove: [nvram] alone", "Datastore.FileManagement"),
)


def lacking(session: Session) -> list[str]:
    """Return the privileges of all these that the account does not have on the inventory's root.

    One that was granted lower down only, on a folder or a cluster, counts as lacking: nobody knows yet where it is
    needed.
    """
    names = list(dict.fromkeys(privilege for _use, privilege in NEEDED))

    def ask() -> list[str]:
        content = session.content
        own = content.sessionManager.currentSession
        granted = content.authorizationManager.HasPrivilegeOnEntity(content.rootFolder, own.key, names)
        return [name for name, has in zip(names, granted, strict=True) if not has]

    return session.call("asking for the account's rights", ask)
