// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"slices"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// planCreate checks what the simulator accepts or stumbles over.
func (l *lab) planCreate(j *job) fault {
	body, folder := j.method.Body.(*types.CreateVM_Task), j.entity.(*simulator.Folder)
	spec := &body.Config
	j.check = func() fault {
		pool, isPool := l.registry().Get(body.Pool).(*simulator.ResourcePool)
		if !isPool {
			return &types.ManagedObjectNotFound{Obj: body.Pool}
		}
		hosts, reason := l.hostsFor(pool, body.Host)
		if reason != nil {
			return reason
		}
		if spec.Files == nil || spec.Files.VmPathName == "" {
			return &types.InvalidVmConfig{Property: "configSpec.files.vmPathName"}
		}
		if spec.GuestId != "" && !slices.Contains(simulator.GuestID, types.VirtualMachineGuestOsIdentifier(spec.GuestId)) {
			return &types.InvalidArgument{InvalidProperty: "configSpec.guestId"}
		}
		if reason := l.nameFree(&folder.Folder, spec.Name, ref{}); reason != nil {
			return reason
		}
		if reason := l.datastoreKnown(spec.Files.VmPathName, hosts); reason != nil {
			return reason
		}
		return l.checkDevices(spec.DeviceChange, hosts, nil)
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		l.completeDevices(spec.DeviceChange, l.datacenterOf(folder), nil)
		return l.make(ctx, j, spec.Name)
	}
	return nil
}

// making is which VM is being made; the simulator can make one at a time only.
type making struct {
	mutex sync.Mutex
	name  string
}

// make lets the simulator make a VM of this name.
func (l *lab) make(ctx *simulator.Context, j *job, name string) (types.AnyType, fault) {
	l.making.mutex.Lock()
	defer l.making.mutex.Unlock()
	l.making.name = name
	return simulated(j.method)(ctx)
}

// hostsFor lists the hosts on which a VM of a pool may be: all, or the one that was chosen.
func (l *lab) hostsFor(pool *simulator.ResourcePool, chosen *ref) ([]*simulator.HostSystem, fault) {
	var list []*simulator.HostSystem
	for _, entity := range l.registry().All("HostSystem") {
		host := entity.(*simulator.HostSystem)
		if *host.Parent == pool.Owner && (chosen == nil || *chosen == host.Self) {
			list = append(list, host)
		}
	}
	if list != nil {
		return list, nil
	}
	if chosen != nil && l.registry().Get(*chosen) == nil {
		return nil, &types.ManagedObjectNotFound{Obj: *chosen}
	}
	return nil, &types.InvalidArgument{InvalidProperty: "host"}
}

func (l *lab) hostsOf(vm *machine) []*simulator.HostSystem {
	return []*simulator.HostSystem{l.registry().Get(*vm.Runtime.Host).(*simulator.HostSystem)}
}

// nameFree refuses a name that another object of the folder has.
func (l *lab) nameFree(folder *mo.Folder, name string, except ref) fault {
	for _, child := range folder.ChildEntity {
		if child != except && l.nameOf(child) == name {
			return &types.DuplicateName{Name: name, Object: child}
		}
	}
	return nil
}

// planRegister refuses a datastore that is not there.
func (l *lab) planRegister(j *job) fault {
	body, folder := j.method.Body.(*types.RegisterVM_Task), j.entity.(*simulator.Folder)
	j.check = func() fault {
		var path object.DatastorePath
		if !path.FromString(body.Path) || l.datastoreIn(l.datacenterOf(folder).Datastore, path.Datastore) == nil {
			return &types.InvalidDatastorePath{DatastorePath: body.Path}
		}
		return nil
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) { return l.make(ctx, j, body.Name) }
	return nil
}

// planRename keeps both names alike, and refuses one that is taken.
func (l *lab) planRename(j *job) fault {
	body := j.method.Body.(*types.Rename_Task)
	j.check = func() fault {
		if body.NewName == "" {
			return &types.InvalidName{Name: body.NewName, Entity: &j.vm.Self}
		}
		if folder, isFolder := l.registry().Get(*j.vm.Parent).(*simulator.Folder); isFolder {
			return l.nameFree(&folder.Folder, body.NewName, j.vm.Self)
		}
		return nil
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		ctx.WithLock(j.vm, func() {
			ctx.Update(j.vm, []types.PropertyChange{
				{Name: "name", Val: body.NewName}, {Name: "config.name", Val: body.NewName}, {Name: "summary.config.name", Val: body.NewName},
			})
		})
		return nil, nil
	}
	return nil
}

func (l *lab) planMoveIntoFolder(j *job) fault {
	body, folder := j.method.Body.(*types.MoveIntoFolder_Task), j.entity.(*simulator.Folder)
	j.check = func() fault {
		for _, each := range body.List {
			if l.registry().Get(each) == nil {
				return &types.ManagedObjectNotFound{Obj: each}
			}
			if reason := l.nameFree(&folder.Folder, l.nameOf(each), each); reason != nil {
				return reason
			}
		}
		return nil
	}
	return nil
}

// createFolder is refused by a host without a vCenter.
func (l *lab) createFolder(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	if l.onESX() {
		return refuse(new(types.NotSupported))
	}
	return pass(ctx, target, method)
}
