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
