// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// freight is what a VM takes along to other datastores: its files by their paths, before and after.
type freight struct {
	stores  []ref // of its own files, and of each disk
	renamed map[string]string
	moves   []carriage
	loads   []load
}

// load is the room that a disk gives back in one datastore and takes in another.
type load struct {
	from, to *simulator.Datastore
	bytes    int64
}

// carriage is one file on the disk of this machine; a disk that others build on stays there as well.
type carriage struct {
	from, to string
	keep     bool
}

// freightOf says what goes where. Disks without a locator go with the VM's own files, if those go at all.
func (l *lab) freightOf(vm *machine, spec *types.VirtualMachineRelocateSpec) (*freight, fault) {
	f := &freight{renamed: map[string]string{}}
	home := l.storeOf(vm, vm.Config.Files.VmPathName)
	target := home
	if spec.Datastore != nil {
		target = l.registry().Get(*spec.Datastore).(*simulator.Datastore)
	}
	f.stores = []ref{target.Self}
	folders := map[ref]string{}
	if target == home {
		folders[home.Self] = folderIn(vm.Config.Files.VmPathName)
	} else {
		l.packHome(f, vm, home, target, folders)
	}
	disks := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	for _, locator := range spec.Disk {
		if disks.FindByKey(locator.DiskId) == nil {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.disk.diskId"}
		}
	}
	for number, disk := range disks {
		backing, isFlat := disk.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !isFlat {
			continue
		}
		from := l.storeOf(vm, backing.FileName)
		to := from
		if spec.Datastore != nil {
			to = target
		}
		for _, locator := range spec.Disk {
			if locator.DiskId == disk.GetVirtualDevice().Key {
				to = l.registry().Get(locator.Datastore).(*simulator.Datastore)
			}
		}
		f.stores = append(f.stores, to.Self)
		if to != from {
			f.loads = append(f.loads, load{from, to, disk.(*types.VirtualDisk).CapacityInKB * 1024})
		}
		for depth := 0; backing != nil && to != from; depth, backing = depth+1, backing.Parent {
			name := vm.Name
			if number > 0 || depth > 0 {
				name = fmt.Sprintf("%s_%d", vm.Name, number+100*depth)
			}
			l.packDisk(f, from, to, backing.FileName, path.Join(l.folderFor(vm, to, folders), name+".vmdk"), depth > 0)
		}
	}
	return f, nil
}

// packHome takes all files beside the disks.
func (l *lab) packHome(f *freight, vm *machine, from, to *simulator.Datastore, folders map[ref]string) {
	old, fresh := folderIn(vm.Config.Files.VmPathName), l.folderFor(vm, to, folders)
	f.renamed[fmt.Sprintf("[%s] %s", from.Name, old)] = fmt.Sprintf("[%s] %s", to.Name, fresh)
	entries, _ := os.ReadDir(filepath.Join(from.Summary.Url, old))
	for _, entry := range entries {
		if path.Ext(entry.Name()) != ".vmdk" {
			f.pack(from, to, path.Join(old, entry.Name()), path.Join(fresh, entry.Name()), false)
		}
	}
}

// packDisk takes a disk, and the file with its contents.
func (l *lab) packDisk(f *freight, from, to *simulator.Datastore, name, fresh string, keep bool) {
	var at object.DatastorePath
	at.FromString(name)
	f.pack(from, to, at.Path, fresh, keep)
	f.pack(from, to, simulator.VirtualDiskBackingFileName(at.Path), simulator.VirtualDiskBackingFileName(fresh), keep)
}

func (f *freight) pack(from, to *simulator.Datastore, old, fresh string, keep bool) {
	f.renamed[fmt.Sprintf("[%s] %s", from.Name, old)] = fmt.Sprintf("[%s] %s", to.Name, fresh)
	f.moves = append(f.moves, carriage{filepath.Join(from.Summary.Url, old), filepath.Join(to.Summary.Url, fresh), keep})
}

// folderFor names the folder of a VM in a datastore: as the VM is called, with a number where that is taken.
func (l *lab) folderFor(vm *machine, store *simulator.Datastore, folders map[ref]string) string {
	if _, known := folders[store.Self]; !known {
		name := vm.Name
		for number := 1; ; number++ {
			if _, err := os.Stat(filepath.Join(store.Summary.Url, name)); err != nil {
				break
			}
			name = fmt.Sprintf("%s_%d", vm.Name, number)
		}
		folders[store.Self] = name
	}
	return folders[store.Self]
}

func folderIn(name string) string {
	var at object.DatastorePath
	at.FromString(name)
	return path.Dir(at.Path)
}

// storeOf finds the datastore of a path of a VM's.
func (l *lab) storeOf(vm *machine, name string) *simulator.Datastore {
	var at object.DatastorePath
	at.FromString(name)
	return l.datastoreIn(l.datacenterOf(vm).Datastore, at.Datastore)
}

// deliver moves the files, and removes folders that are empty then.
func (f *freight) deliver(ctx *simulator.Context) {
	for _, each := range f.loads {
		makeRoom(ctx, each.from, each.bytes)
		makeRoom(ctx, each.to, -each.bytes)
	}
	for _, each := range f.moves {
		os.MkdirAll(filepath.Dir(each.to), 0o700)
		if each.keep {
			copyContent(each.from, each.to)
		} else {
			os.Rename(each.from, each.to)
		}
		os.Remove(filepath.Dir(each.from))
	}
}

// makeRoom counts as the simulator does when it makes and destroys disks: by their capacity.
func makeRoom(ctx *simulator.Context, store *simulator.Datastore, bytes int64) {
	ctx.WithLock(store, func() {
		store.Summary.FreeSpace += bytes
		store.Info.GetDatastoreInfo().FreeSpace = store.Summary.FreeSpace
	})
}

// readdress writes a configuration anew: of a VM, or as one of its snapshots holds it.
func (f *freight) readdress(config *types.VirtualMachineConfigInfo, at func(string) *ref) {
	for _, name := range []*string{
		&config.Files.VmPathName, &config.Files.SnapshotDirectory, &config.Files.SuspendDirectory, &config.Files.LogDirectory,
	} {
		*name = f.path(*name)
	}
	for _, device := range config.Hardware.Device {
		backing, _ := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		for ; backing != nil; backing = backing.Parent {
			backing.FileName = f.path(backing.FileName)
			backing.Datastore = at(backing.FileName)
		}
	}
}

// path is the new path of a file or a folder.
func (f *freight) path(name string) string {
	if fresh, known := f.renamed[name]; known {
		return fresh
	}
	folder, file, below := cutLast(name)
	if fresh, known := f.renamed[folder]; below && known && path.Ext(file) != ".vmdk" {
		return fresh + "/" + file
	}
	return name
}

func cutLast(name string) (string, string, bool) {
	at := strings.LastIndex(name, "/")
	if at < 0 {
		return name, "", false
	}
	return name[:at], name[at+1:], true
}

// relocateFiles moves the files of a VM, and all that names them.
func (l *lab) relocateFiles(ctx *simulator.Context, vm *machine, f *freight) fault {
	byName := map[string]ref{}
	for _, each := range append(slices.Clone(vm.Datastore), f.stores...) {
		byName[l.nameOf(each)] = each
	}
	at := func(name string) *ref {
		var path object.DatastorePath
		path.FromString(name)
		found, known := byName[path.Datastore]
		if !known {
			return nil
		}
		return &found
	}
	config := new(types.VirtualMachineConfigInfo)
	if err := copyOf(vm.Config, config); err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	f.readdress(config, at)
	f.deliver(ctx)
	for _, entity := range snapshotsOf(vm) {
		snapshot, recorded := l.registry().Get(entity).(*simulator.VirtualMachineSnapshot), types.VirtualMachineConfigInfo{}
		if copyOf(snapshot.Config, &recorded) == nil {
			f.readdress(&recorded, at)
			ctx.WithLock(snapshot, func() { snapshot.Config = recorded })
		}
	}
	layout := *vm.LayoutEx
	layout.File = slices.Clone(layout.File)
	for i := range layout.File {
		layout.File[i].Name = f.path(layout.File[i].Name)
	}
	stores := slices.Compact(slices.SortedFunc(slices.Values(f.stores), func(a, b ref) int { return strings.Compare(a.Value, b.Value) }))
	for _, each := range vm.Datastore {
		store := l.registry().Get(each).(*simulator.Datastore)
		ctx.Map.RemoveReference(ctx, store, &store.Vm, vm.Self)
	}
	for _, each := range stores {
		store := l.registry().Get(each).(*simulator.Datastore)
		ctx.Map.AddReference(ctx, store, &store.Vm, vm.Self)
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config", Val: config}, {Name: "summary.config.vmPathName", Val: config.Files.VmPathName},
			{Name: "layoutEx", Val: &layout}, {Name: "datastore", Val: stores},
		})
	})
	return nil
}

// snapshotsOf lists all snapshots of a VM.
func snapshotsOf(vm *machine) []ref {
	var list []ref
	if vm.Snapshot != nil {
		for i := range vm.Snapshot.RootSnapshotList {
			list = append(list, leavesFirst(&vm.Snapshot.RootSnapshotList[i])...)
		}
	}
	return list
}
