// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// reading are the beginnings of methods that change nothing, or nothing but what belongs to the caller's session.
var reading = []string{
	"Acquire", "Cancel", "CheckForUpdates", "CheckMigrate", "CheckRelocate", "Continue", "CreateContainerView", "CreateFilter",
	"CreateListView", "CreatePropertyCollector", "CurrentTime", "DestroyPropertyCollector", "DestroyPropertyFilter", "DestroyView",
	"Fetch", "Find", "Has", "Logout", "ModifyListView", "Query", "Read", "ResetCollector", "Retrieve", "Search", "Session",
	"WaitForUpdates",
}

// privileges are the names of the rights that calls need; Section "Required Privileges" of each method.
var privileges = map[string]string{
	"PowerOnVM_Task":               "VirtualMachine.Interact.PowerOn",
	"EnterMaintenanceMode_Task":    "Host.Config.Maintenance",
	"ExitMaintenanceMode_Task":     "Host.Config.Maintenance",
	"PowerOffVM_Task":              "VirtualMachine.Interact.PowerOff",
	"ShutdownGuest":                "VirtualMachine.Interact.PowerOff",
	"SuspendVM_Task":               "VirtualMachine.Interact.Suspend",
	"StandbyGuest":                 "VirtualMachine.Interact.Suspend",
	"ResetVM_Task":                 "VirtualMachine.Interact.Reset",
	"RebootGuest":                  "VirtualMachine.Interact.Reset",
	"AnswerVM":                     "VirtualMachine.Interact.AnswerQuestion",
	"CreateSnapshot_Task":          "VirtualMachine.State.CreateSnapshot",
	"CreateSnapshotEx_Task":        "VirtualMachine.State.CreateSnapshot",
	"RemoveSnapshot_Task":          "VirtualMachine.State.RemoveSnapshot",
	"RemoveAllSnapshots_Task":      "VirtualMachine.State.RemoveSnapshot",
	"RevertToSnapshot_Task":        "VirtualMachine.State.RevertToSnapshot",
	"RevertToCurrentSnapshot_Task": "VirtualMachine.State.RevertToSnapshot",
	"RenameSnapshot":               "VirtualMachine.State.RenameSnapshot",
	"MigrateVM_Task":               "Resource.HotMigrate",
	"RelocateVM_Task":              "Resource.ColdMigrate",
	"CreateVM_Task":                "VirtualMachine.Inventory.Create",
	"CloneVM_Task":                 "VirtualMachine.Provisioning.Clone",
	"RegisterVM_Task":              "VirtualMachine.Inventory.Register",
	"UnregisterVM":                 "VirtualMachine.Inventory.Unregister",
	"Destroy_Task":                 "VirtualMachine.Inventory.Delete",
	"Rename_Task":                  "VirtualMachine.Config.Rename",
	"ReconfigVM_Task":              "VirtualMachine.Config.Settings",
	"MarkAsTemplate":               "VirtualMachine.Provisioning.MarkAsTemplate",
	"MarkAsVirtualMachine":         "VirtualMachine.Provisioning.MarkAsVM",
	"MoveIntoFolder_Task":          "VirtualMachine.Inventory.Move",
	"CreateFolder":                 "Folder.Create",
	"SetField":                     "Global.SetCustomField",
	"AddCustomFieldDef":            "Global.ManageCustomFields",
	"ConsolidateVMDisks_Task":      "VirtualMachine.State.RemoveSnapshot",
	"CopyVirtualDisk_Task":         "Datastore.FileManagement",
	"DeleteVirtualDisk_Task":       "Datastore.FileManagement",
	"DeleteDatastoreFile_Task":     "Datastore.FileManagement",
	"MakeDirectory":                "Datastore.FileManagement",
}

// denied refuses the viewer whatever changes something.
func (l *lab) denied(ctx *simulator.Context, method *simulator.Method) fault {
	if ctx.Session.UserName != l.viewer {
		return nil
	}
	for _, beginning := range reading {
		if strings.HasPrefix(method.Name, beginning) {
			return nil
		}
	}
	needed, known := privileges[method.Name]
	if !known {
		needed = method.This.Type + ".Modify"
	}
	this := method.This
	return &types.NoPermission{Object: &this, PrivilegeId: needed}
}

// may says whether a user has a privilege; the viewer has those of the role ReadOnly.
func (l *lab) may(user, privilege string) bool {
	return user != l.viewer || strings.HasPrefix(privilege, "System.")
}

// hasPrivileges is true of all for all but the viewer.
func (l *lab) hasPrivileges(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	grants := func(user string, entities []ref, privileges []string) []types.EntityPrivilege {
		var list []types.EntityPrivilege
		for _, entity := range entities {
			found := types.EntityPrivilege{Entity: entity}
			for _, privilege := range privileges {
				found.PrivAvailability = append(found.PrivAvailability,
					types.PrivilegeAvailability{PrivId: privilege, IsGranted: l.may(user, privilege)})
			}
			list = append(list, found)
		}
		return list
	}
	if asked, ofUser := method.Body.(*types.HasUserPrivilegeOnEntities); ofUser {
		return &methods.HasUserPrivilegeOnEntitiesBody{Res: &types.HasUserPrivilegeOnEntitiesResponse{
			Returnval: grants(asked.UserName, asked.Entities, asked.PrivId),
		}}
	}
	asked := method.Body.(*types.HasPrivilegeOnEntities) // of a session, which is the caller's own
	return &methods.HasPrivilegeOnEntitiesBody{Res: &types.HasPrivilegeOnEntitiesResponse{
		Returnval: grants(ctx.Session.UserName, asked.Entity, asked.PrivId),
	}}
}

// fetchPrivileges lists what a user may.
func (l *lab) fetchPrivileges(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	asked := method.Body.(*types.FetchUserPrivilegeOnEntities)
	if asked.UserName != l.viewer {
		return pass(ctx, target, method)
	}
	answer := &types.FetchUserPrivilegeOnEntitiesResponse{}
	for _, entity := range asked.Entities {
		answer.Returnval = append(answer.Returnval,
			types.UserPrivilegeResult{Entity: entity, Privileges: []string{"System.Anonymous", "System.Read", "System.View"}})
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: answer}
}
