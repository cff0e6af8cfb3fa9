// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// planMigrate follows the documentation of MigrateVM_Task: another host or pool, with the files where they are.
func (l *lab) planMigrate(j *job) fault {
	if l.onESX() || j.vm.Config.Template {
		return new(types.NotSupported)
	}
	body := j.method.Body.(*types.MigrateVM_Task)
	if body.Host == nil && body.Pool == nil {
		return &types.InvalidArgument{InvalidProperty: "host"}
	}
	spec := types.VirtualMachineRelocateSpec{Host: body.Host, Pool: body.Pool}
	l.planMove(j, &spec)
	check := j.check
	j.check = func() fault {
		if body.State != "" {
			if reason := powerIs(j.vm, body.State); reason != nil {
				return reason
			}
		}
		return check()
	}
	return nil
}

// planRelocate follows that of RelocateVM_Task.
func (l *lab) planRelocate(j *job) fault {
	if l.onESX() {
		return new(types.NotSupported)
	}
	spec := &j.method.Body.(*types.RelocateVM_Task).Spec
	if spec.Service != nil {
		return l.planEmigration(j, spec)
	}
	l.planMove(j, spec)
	return nil
}

// planMove checks everything before anything is changed, and again when it has taken its time.
func (l *lab) planMove(j *job, spec *types.VirtualMachineRelocateSpec) {
	j.cancelable = true
	j.check = func() fault {
		_, reason := fit(l.relocation(j.vm, spec))
		return reason
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		to, reason := fit(l.relocation(j.vm, spec))
		if reason != nil {
			return nil, reason
		}
		there := l.datacenterOf(to.host)
		folder := l.folderOf(j.vm, spec, there)
		cards := l.replugged(j.vm, spec.DeviceChange, there)
		if reason := l.relocateFiles(ctx, j.vm, to.freight); reason != nil {
			return nil, reason
		}
		l.replug(ctx, j.vm, cards)
		if folder.Self != *j.vm.Parent {
			body := &types.MoveIntoFolder_Task{This: folder.Self, List: []ref{j.vm.Self}}
			l.inner("MoveIntoFolder_Task", body, folder.Self)(ctx)
		}
		l.move(ctx, j.vm, to)
		return nil, nil
	}
}

// move changes what can be seen of a move: the VM's own properties, and the lists of both ends.
func (l *lab) move(ctx *simulator.Context, vm *machine, to *destination) {
	from := l.registry().Get(*vm.Runtime.Host).(*simulator.HostSystem)
	if vm.ResourcePool != nil {
		if pool, isPool := l.registry().Get(*vm.ResourcePool).(*simulator.ResourcePool); isPool {
			ctx.Map.RemoveReference(ctx, pool, &pool.Vm, vm.Self)
		}
		pool := l.registry().Get(to.pool).(*simulator.ResourcePool)
		ctx.Map.AddReference(ctx, pool, &pool.Vm, vm.Self)
	}
	ctx.Map.RemoveReference(ctx, from, &from.Vm, vm.Self)
	ctx.Map.AddReference(ctx, to.host, &to.host.Vm, vm.Self)
	changes := []types.PropertyChange{
		{Name: "runtime.host", Val: &to.host.Self}, {Name: "summary.runtime.host", Val: &to.host.Self},
	}
	if vm.ResourcePool != nil {
		changes = append(changes, types.PropertyChange{Name: "resourcePool", Val: &to.pool})
	}
	ctx.WithLock(vm, func() { ctx.Update(vm, changes) })
	l.migrated(ctx, vm, from, to.host)
}

func (l *lab) migrated(ctx *simulator.Context, vm *machine, from, to *simulator.HostSystem) {
	named := func(host *simulator.HostSystem) types.HostEventArgument {
		return types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: host.Name}, Host: host.Self}
	}
	event, there := &types.VmMigratedEvent{SourceHost: named(from)}, named(to)
	event.Host = &there
	event.Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: vm.Name}, Vm: vm.Self}
	manager := ctx.Map.EventManager()
	ctx.WithLock(manager, func() { manager.PostEvent(ctx, &types.PostEvent{EventToPost: event}) })
}

func (l *lab) planCheckMigrate(j *job) fault {
	body := j.method.Body.(*types.CheckMigrate_Task)
	return l.planMoveCheck(j, body.Vm, func(vm *machine) ([]*destination, fault) {
		return l.relocation(vm, &types.VirtualMachineRelocateSpec{Host: body.Host, Pool: body.Pool})
	}, body.Host)
}

func (l *lab) planCheckRelocate(j *job) fault {
	body := j.method.Body.(*types.CheckRelocate_Task)
	return l.planMoveCheck(j, body.Vm, func(vm *machine) ([]*destination, fault) {
		if body.Spec.Service != nil {
			abroad, reason := l.emigration(vm, &body.Spec)
			if reason == nil {
				abroad.close()
			}
			return nil, reason
		}
		return l.relocation(vm, &body.Spec)
	}, body.Spec.Host)
}

// planMoveCheck is a task whose results say what a move would, for each host that may be meant; as in vSphere its entity
// is the VM.
func (l *lab) planMoveCheck(j *job, vm ref, try func(*machine) ([]*destination, fault), host *ref) fault {
	found := l.machine(vm)
	if found == nil {
		return &types.ManagedObjectNotFound{Obj: vm}
	}
	j.entity = found
	j.work = func(*simulator.Context) (types.AnyType, fault) {
		possible, reason := try(found)
		results := []types.CheckResult{}
		if possible == nil {
			results = append(results, checked(found, host, reason))
		}
		for _, each := range possible {
			results = append(results, checked(found, &each.host.Self, each.reason))
		}
		return types.ArrayOfCheckResult{CheckResult: results}, nil
	}
	return nil
}

// checked is one result; whether a host can go back to a snapshot that was taken on another is documented as a warning.
func checked(vm *machine, host *ref, reason fault) types.CheckResult {
	result := types.CheckResult{Vm: &vm.Self, Host: host}
	told := func(reason fault) []types.LocalizedMethodFault {
		return []types.LocalizedMethodFault{{Fault: reason, LocalizedMessage: faultText(reason)}}
	}
	if reason != nil {
		result.Error = told(reason)
	}
	if vm.Snapshot != nil && host != nil && *host != *vm.Runtime.Host {
		result.Warning = told(new(types.SnapshotRevertIssue))
	}
	return result
}
