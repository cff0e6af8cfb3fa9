// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// planMigrate follows the documentation of MigrateVM_Task: another host or pool, with the files where they are.
func (l *lab) planMigrate(j *job) fault {
	if l.onESX() {
		return new(types.NotSupported)
	}
	body := j.method.Body.(*types.MigrateVM_Task)
	j.cancelable = true
	j.check = func() fault {
		if body.State != "" {
			if reason := powerIs(j.vm, body.State); reason != nil {
				return reason
			}
		}
		_, reason := l.destinationOf(j.vm, body.Host, body.Pool, j.vm.Datastore)
		return reason
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		to, reason := l.destinationOf(j.vm, body.Host, body.Pool, j.vm.Datastore)
		if reason == nil {
			l.move(ctx, j.vm, to)
		}
		return nil, reason
	}
	return nil
}

// planRelocate lets the simulator change datastore, folder and devices, and moves the VM itself.
func (l *lab) planRelocate(j *job) fault {
	if l.onESX() {
		return new(types.NotSupported)
	}
	body := j.method.Body.(*types.RelocateVM_Task)
	spec := body.Spec
	j.cancelable = true
	j.check = func() fault {
		_, reason := l.relocation(j.vm, &spec)
		return reason
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		to, reason := l.relocation(j.vm, &spec)
		if reason != nil {
			return nil, reason
		}
		rest := types.RelocateVM_Task{This: body.This, Spec: spec}
		rest.Spec.Host, rest.Spec.Pool = nil, nil
		if _, reason := simulated(&simulator.Method{Name: j.method.Name, This: body.This, Body: &rest})(ctx); reason != nil {
			return nil, reason
		}
		if to != nil {
			l.move(ctx, j.vm, to)
		}
		return nil, nil
	}
	return nil
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
	return l.planMoveCheck(j, body.Vm, func(vm *machine) fault {
		_, reason := l.destinationOf(vm, body.Host, body.Pool, vm.Datastore)
		return reason
	}, body.Host)
}

func (l *lab) planCheckRelocate(j *job) fault {
	body := j.method.Body.(*types.CheckRelocate_Task)
	return l.planMoveCheck(j, body.Vm, func(vm *machine) fault {
		_, reason := l.relocation(vm, &body.Spec)
		return reason
	}, body.Spec.Host)
}

// planMoveCheck is a task whose result says what a move would; as in vSphere its entity is the VM.
func (l *lab) planMoveCheck(j *job, vm ref, try func(*machine) fault, host *ref) fault {
	found := l.machine(vm)
	if found == nil {
		return &types.ManagedObjectNotFound{Obj: vm}
	}
	j.entity = found
	j.work = func(*simulator.Context) (types.AnyType, fault) {
		result := types.CheckResult{Vm: &vm, Host: host}
		if reason := try(found); reason != nil {
			result.Error = []types.LocalizedMethodFault{{Fault: reason, LocalizedMessage: faultText(reason)}}
		}
		return types.ArrayOfCheckResult{CheckResult: []types.CheckResult{result}}, nil
	}
	return nil
}
