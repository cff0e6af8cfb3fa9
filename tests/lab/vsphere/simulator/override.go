// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type answerer func(l *lab, ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault

// planner says how a call with a task differs from what the simulator does. It may refuse the call.
type planner func(l *lab, j *job) fault

// answers are calls without a task that the lab answers; the simulator lacks them or answers them wrongly.
var answers = map[string]answerer{
	"AuthorizationManager.FetchUserPrivilegeOnEntities": (*lab).fetchPrivileges,
	"AuthorizationManager.HasPrivilegeOnEntities":       (*lab).hasPrivileges,
	"AuthorizationManager.HasUserPrivilegeOnEntities":   (*lab).hasPrivileges,
	"Folder.CreateFolder":                               (*lab).createFolder,
	"PropertyCollector.Fetch":                           (*lab).fetch,
	"PropertyCollector.RetrievePropertiesEx":            (*lab).retrieve,
	"PropertyCollector.WaitForUpdatesEx":                (*lab).waitForUpdates,
	"SessionManager.AcquireCloneTicket":                 (*lab).acquireCloneTicket,
	"Task.CancelTask":                                   (*lab).cancelTask,
	"VirtualMachine.AnswerVM":                           (*lab).answerQuestion,
	"VirtualMachine.RebootGuest":                        (*lab).askGuest,
	"VirtualMachine.ShutdownGuest":                      (*lab).askGuest,
	"VirtualMachine.StandbyGuest":                       (*lab).askGuest,
	"VirtualMachine.UnregisterVM":                       (*lab).unlessBusy,
	"VirtualMachine.MarkAsTemplate":                     (*lab).unlessBusy,
	"VirtualMachine.MarkAsVirtualMachine":               (*lab).unlessBusy,
	"VirtualMachineSnapshot.RenameSnapshot":             (*lab).renameSnapshot,
}

// plans are calls with a task that are checked, done or lasting in a way of their own.
var plans = map[string]planner{
	"Folder.CreateVM_Task":                                 (*lab).planCreate,
	"Folder.MoveIntoFolder_Task":                           (*lab).planMoveIntoFolder,
	"Folder.RegisterVM_Task":                               (*lab).planRegister,
	"HostDatastoreBrowser.SearchDatastore_Task":            (*lab).planSearch,
	"HostDatastoreBrowser.SearchDatastoreSubFolders_Task":  (*lab).planSearch,
	"HostSystem.EnterMaintenanceMode_Task":                 (*lab).planEnterMaintenance,
	"HostSystem.ExitMaintenanceMode_Task":                  (*lab).planExitMaintenance,
	"VirtualDiskManager.CopyVirtualDisk_Task":              (*lab).planCopy,
	"VirtualMachine.CloneVM_Task":                          (*lab).planClone,
	"VirtualMachine.ConsolidateVMDisks_Task":               (*lab).planConsolidate,
	"VirtualMachine.CreateSnapshot_Task":                   (*lab).planSnapshot,
	"VirtualMachine.CreateSnapshotEx_Task":                 (*lab).planSnapshot,
	"VirtualMachine.MigrateVM_Task":                        (*lab).planMigrate,
	"VirtualMachine.PowerOnVM_Task":                        (*lab).planPowerOn,
	"VirtualMachine.ReconfigVM_Task":                       (*lab).planReconfigure,
	"VirtualMachine.RelocateVM_Task":                       (*lab).planRelocate,
	"VirtualMachine.Rename_Task":                           (*lab).planRename,
	"VirtualMachine.ResetVM_Task":                          (*lab).planReset,
	"VirtualMachine.RevertToCurrentSnapshot_Task":          (*lab).planRevertToCurrent,
	"VirtualMachineProvisioningChecker.CheckMigrate_Task":  (*lab).planCheckMigrate,
	"VirtualMachineProvisioningChecker.CheckRelocate_Task": (*lab).planCheckRelocate,
	"VirtualMachineSnapshot.RemoveSnapshot_Task":           (*lab).planRemoveSnapshot,
	"VirtualMachineSnapshot.RevertToSnapshot_Task":         (*lab).planRevert,
}

// override answers what the lab answers.
func (l *lab) override(ctx *simulator.Context, target mo.Reference, method *simulator.Method) (soap.HasFault, bool) {
	name := method.This.Type + "." + method.Name
	if answer, known := answers[name]; known {
		return answer(l, ctx, target, method), true
	}
	plan, known := plans[name]
	if !strings.HasSuffix(method.Name, "_Task") || !known && !functionOf(target, method).IsValid() {
		return nil, false
	}
	j := &job{method: method, user: ctx.Session.UserName, work: simulated(method)}
	switch target := target.(type) {
	case *machine:
		j.vm = target
	case *simulator.VirtualMachineSnapshot:
		j.vm = l.machine(target.Vm)
	case mo.Entity:
		j.entity = target
	}
	if plan != nil {
		if reason := plan(l, j); reason != nil {
			return refuse(reason), true
		}
	}
	if j.vm != nil && j.wait == nil {
		j.check = both(l.noQuestion(j.vm), j.check)
	}
	return l.submit(ctx, j), true
}

// machine is nil for a VM that is gone.
func (l *lab) machine(r ref) *machine {
	vm, _ := l.registry().Get(r).(*machine)
	return vm
}

func (l *lab) content() types.ServiceContent {
	return l.registry().Get(serviceInstance).(*simulator.ServiceInstance).Content
}

// onESX says that there is no vCenter.
func (l *lab) onESX() bool { return l.registry().IsESX() }

// both makes one check of two, of which each may be missing.
func both(first, second func() fault) func() fault {
	if second == nil {
		return first
	}
	return func() fault {
		if reason := first(); reason != nil {
			return reason
		}
		return second()
	}
}

// unlessBusy passes on what a VM with a task refuses.
func (l *lab) unlessBusy(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	if other := l.busy.holder(method.This); other != nil {
		return refuse(&types.TaskInProgress{Task: *other})
	}
	return pass(ctx, target, method)
}
