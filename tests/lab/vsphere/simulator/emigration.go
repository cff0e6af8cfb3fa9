// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	logins "github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const abroadTime = 10 * time.Second // for a call of the other vCenter

// emigration is a move to another vCenter, which is logged in to as anybody would be.
type emigration struct {
	client *vim25.Client
	ctx    context.Context
	cancel context.CancelFunc
	vm     *machine
	spec   *types.VirtualMachineRelocateSpec
	pool   ref
	stores []mo.Datastore // of the VM's own files, and of each disk
	into   *object.Datacenter
	folder *object.Folder
}

// planEmigration makes the VM at the other vCenter, hands it over, and lets it go from here. It never runs at both; where
// something fails it stays, as it was.
func (l *lab) planEmigration(j *job, spec *types.VirtualMachineRelocateSpec) fault {
	j.cancelable = true
	j.check = func() fault {
		abroad, reason := l.emigration(j.vm, spec)
		if reason == nil {
			abroad.close()
		}
		return reason
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		abroad, reason := l.emigration(j.vm, spec)
		if reason != nil {
			return nil, reason
		}
		defer abroad.close()
		running := powerIs(j.vm, poweredOn) == nil
		made, err := abroad.make(l)
		if err == nil && running {
			l.inner("PowerOffVM_Task", &types.PowerOffVM_Task{This: j.vm.Self}, j.vm.Self)(ctx)
		}
		if err == nil {
			err = abroad.finish(made, running)
		}
		if err != nil {
			abroad.takeBack(made)
			if running && powerIs(j.vm, poweredOff) == nil {
				l.inner("PowerOnVM_Task", &types.PowerOnVM_Task{This: j.vm.Self}, j.vm.Self)(ctx)
			}
			return nil, faultOf(err)
		}
		l.inner("Destroy_Task", &types.Destroy_Task{This: j.vm.Self}, j.vm.Self)(ctx)
		return nil, nil
	}
	return nil
}

// emigration logs in at the other vCenter, and checks there what a move needs. As documented it has to be told host or
// pool, and datastore. That snapshots come along is not played.
func (l *lab) emigration(vm *machine, spec *types.VirtualMachineRelocateSpec) (*emigration, fault) {
	switch {
	case spec.Host == nil:
		return nil, &types.InvalidArgument{InvalidProperty: "spec.host"}
	case spec.Datastore == nil:
		return nil, &types.InvalidArgument{InvalidProperty: "spec.datastore"}
	case vm.Snapshot != nil || powerIs(vm, suspended) == nil:
		return nil, new(types.NotSupported)
	}
	e := &emigration{vm: vm, spec: spec}
	e.ctx, e.cancel = context.WithTimeout(context.Background(), abroadTime)
	if reason := e.logIn(); reason != nil {
		e.cancel()
		return nil, reason
	}
	if reason := e.check(l); reason != nil {
		e.close()
		return nil, reason
	}
	return e, nil
}

func (e *emigration) logIn() fault {
	service := e.spec.Service
	where, err := url.Parse(service.Url)
	if err != nil || where.Host == "" {
		return &types.InvalidArgument{InvalidProperty: "spec.service.url"}
	}
	credential, byName := service.Credential.(*types.ServiceLocatorNamePassword)
	if !byName {
		return &types.InvalidArgument{InvalidProperty: "spec.service.credential"}
	}
	wire := soap.NewClient(where, false)
	wire.SetThumbprint(where.Host, service.SslThumbprint)
	client, err := vim25.NewClient(e.ctx, wire)
	if err != nil {
		return &types.SSLVerifyFault{Thumbprint: service.SslThumbprint}
	}
	if client.ServiceContent.About.InstanceUuid != service.InstanceUuid {
		return &types.InvalidArgument{InvalidProperty: "spec.service.instanceUuid"}
	}
	if err := logins.NewManager(client).Login(e.ctx, url.UserPassword(credential.Username, credential.Password)); err != nil {
		return new(types.InvalidLogin)
	}
	e.client = client
	return nil
}

func (e *emigration) close() {
	logins.NewManager(e.client).Logout(e.ctx)
	e.client.CloseIdleConnections()
	e.cancel()
}

// check reads host, datastores and folder at the other vCenter.
func (e *emigration) check(l *lab) fault {
	var host mo.HostSystem
	if err := e.read(*e.spec.Host, &host, "parent", "runtime", "datastore", "network"); err != nil {
		return &types.ManagedObjectNotFound{Obj: *e.spec.Host}
	}
	if reason := usable(&simulator.HostSystem{HostSystem: host}); reason != nil {
		return reason
	}
	var compute mo.ComputeResource
	if err := e.read(*host.Parent, &compute, "resourcePool"); err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	e.pool = *compute.ResourcePool
	if e.spec.Pool != nil {
		var pool mo.ResourcePool
		if err := e.read(*e.spec.Pool, &pool, "owner"); err != nil || pool.Owner != *host.Parent {
			return &types.InvalidArgument{InvalidProperty: "spec.pool"}
		}
		e.pool = pool.Self
	}
	wanted := []ref{*e.spec.Datastore}
	for _, disk := range e.disks() {
		store := *e.spec.Datastore
		for _, locator := range e.spec.Disk {
			if locator.DiskId == disk.Key {
				store = locator.Datastore
			}
		}
		wanted = append(wanted, store)
	}
	if reason := reachable(&simulator.HostSystem{HostSystem: host}, wanted); reason != nil {
		return reason
	}
	for _, each := range wanted {
		var store mo.Datastore
		if err := e.read(each, &store, "name"); err != nil {
			return &types.ManagedObjectNotFound{Obj: each}
		}
		e.stores = append(e.stores, store)
	}
	for _, device := range object.VirtualDeviceList(e.vm.Config.Hardware.Device).SelectByType((*types.VirtualEthernetCard)(nil)) {
		if plug := l.networkOf(e.plug(device)); plug == nil || !slices.Contains(host.Network, *plug) {
			reason := new(types.CannotAccessNetwork)
			reason.Device, reason.Backing, reason.Connected = labelOf(device), "network", true
			return reason
		}
	}
	return e.checkFolder(*host.Parent)
}

// checkFolder finds the datacenter of the host, and a name that is free in the folder.
func (e *emigration) checkFolder(above ref) fault {
	for above.Type != "Datacenter" {
		var entity mo.ManagedEntity
		if err := e.read(above, &entity, "parent"); err != nil || entity.Parent == nil {
			return &types.ManagedObjectNotFound{Obj: above}
		}
		above = *entity.Parent
	}
	e.into = object.NewDatacenter(e.client, above)
	folders, err := e.into.Folders(e.ctx)
	if err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	e.folder = folders.VmFolder
	if e.spec.Folder != nil {
		e.folder = object.NewFolder(e.client, *e.spec.Folder)
	}
	var folder mo.Folder
	if err := e.read(e.folder.Reference(), &folder, "childEntity"); err != nil {
		return &types.InvalidArgument{InvalidProperty: "spec.folder"}
	}
	if len(folder.ChildEntity) == 0 {
		return nil
	}
	var children []mo.ManagedEntity
	if err := property.DefaultCollector(e.client).Retrieve(e.ctx, folder.ChildEntity, []string{"name"}, &children); err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	for _, child := range children {
		if child.Name == e.vm.Name {
			return &types.DuplicateName{Name: e.vm.Name, Object: child.Self}
		}
	}
	return nil
}

func (e *emigration) read(what ref, into any, properties ...string) error {
	return property.DefaultCollector(e.client).RetrieveOne(e.ctx, what, properties, into)
}

// plug is a card as it will be; one that nobody plugs in anew would be in no network there.
func (e *emigration) plug(card types.BaseVirtualDevice) types.BaseVirtualEthernetCard {
	other := shallow(card)
	other.GetVirtualDevice().Backing = nil
	for _, each := range e.spec.DeviceChange {
		if change := each.GetVirtualDeviceConfigSpec(); change.Device.GetVirtualDevice().Key == card.GetVirtualDevice().Key {
			other.GetVirtualDevice().Backing = change.Device.GetVirtualDevice().Backing
		}
	}
	return other.(types.BaseVirtualEthernetCard)
}

func (e *emigration) disks() []*types.VirtualDisk {
	var list []*types.VirtualDisk
	for _, device := range e.vm.Config.Hardware.Device {
		if disk, isDisk := device.(*types.VirtualDisk); isDisk {
			list = append(list, disk)
		}
	}
	return list
}
