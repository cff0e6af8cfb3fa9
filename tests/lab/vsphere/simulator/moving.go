// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// destination is where a VM would go.
type destination struct {
	host *simulator.HostSystem
	pool ref
}

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

// relocation checks a whole specification. Without host and pool the VM stays where it is.
func (l *lab) relocation(vm *machine, spec *types.VirtualMachineRelocateSpec) (*destination, fault) {
	stores := vm.Datastore
	if spec.Datastore != nil {
		stores = []ref{*spec.Datastore}
	}
	for _, disk := range spec.Disk {
		stores = append(slices.Clone(stores), disk.Datastore)
	}
	for _, needed := range append(slices.Clone(stores), present(spec.Folder)...) {
		if l.registry().Get(needed) == nil {
			return nil, &types.ManagedObjectNotFound{Obj: needed}
		}
	}
	if spec.Folder != nil {
		if _, isFolder := l.registry().Get(*spec.Folder).(*simulator.Folder); !isFolder {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.folder"}
		}
	}
	if reason := l.checkDevices(spec.DeviceChange, l.hostsOf(vm), vm); reason != nil {
		return nil, reason
	}
	if spec.Host == nil && spec.Pool == nil {
		host := l.registry().Get(*vm.Runtime.Host).(*simulator.HostSystem)
		return nil, reachable(host, stores)
	}
	return l.destinationOf(vm, spec.Host, spec.Pool, stores)
}

func present(r *ref) []ref {
	if r == nil {
		return nil
	}
	return []ref{*r}
}

// destinationOf resolves host and pool as documented for MigrateVM_Task: an unset pool is the present one, an unset host
// the only one of the pool or, where DRS chooses, any that can be used.
func (l *lab) destinationOf(vm *machine, host, pool *ref, stores []ref) (*destination, fault) {
	if host == nil && pool == nil {
		return nil, &types.InvalidArgument{InvalidProperty: "host"}
	}
	if pool == nil {
		if pool = vm.ResourcePool; pool == nil { // a template
			pool = l.rootPool(*host)
		}
	}
	target, isPool := l.registry().Get(*pool).(*simulator.ResourcePool)
	if !isPool {
		return nil, &types.ManagedObjectNotFound{Obj: *pool}
	}
	if host == nil {
		chosen, reason := l.hostFor(target)
		if reason != nil {
			return nil, reason
		}
		host = chosen
	}
	to, isHost := l.registry().Get(*host).(*simulator.HostSystem)
	switch {
	case !isHost:
		return nil, &types.ManagedObjectNotFound{Obj: *host}
	case *to.Parent != target.Owner:
		return nil, &types.InvalidArgument{InvalidProperty: "pool"}
	}
	if reason := usable(to); reason != nil {
		return nil, reason
	}
	return &destination{to, target.Self}, reachable(to, stores)
}

func (l *lab) rootPool(host ref) *ref {
	if found, isHost := l.registry().Get(host).(*simulator.HostSystem); isHost {
		switch parent := l.registry().Get(*found.Parent).(type) {
		case *simulator.ClusterComputeResource:
			return parent.ResourcePool
		case *mo.ComputeResource:
			return parent.ResourcePool
		}
	}
	return &host
}

func (l *lab) hostFor(pool *simulator.ResourcePool) (*ref, fault) {
	switch owner := l.registry().Get(pool.Owner).(type) {
	case *simulator.ClusterComputeResource:
		if !isTrue(owner.ConfigurationEx.(*types.ClusterConfigInfoEx).DrsConfig.Enabled) {
			return nil, &types.InvalidArgument{InvalidProperty: "host"}
		}
		for i := range owner.Host {
			if usable(l.registry().Get(owner.Host[i]).(*simulator.HostSystem)) == nil {
				return &owner.Host[i], nil
			}
		}
	case *mo.ComputeResource:
		return &owner.Host[0], nil
	}
	return nil, new(types.NoCompatibleHost)
}

func usable(host *simulator.HostSystem) fault {
	state := types.InvalidHostState{Host: &host.Self}
	switch {
	case host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected:
		return &types.InvalidHostConnectionState{InvalidHostState: state}
	case host.Runtime.InMaintenanceMode:
		return &state
	}
	return nil
}

// reachable says whether a host sees all the datastores.
func reachable(host *simulator.HostSystem, stores []ref) fault {
	for _, store := range stores {
		if !slices.Contains(host.Datastore, store) {
			why := &types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Datastore: &store}}
			return &types.CannotAccessVmDisk{Fault: types.LocalizedMethodFault{Fault: why, LocalizedMessage: faultText(why)}}
		}
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
