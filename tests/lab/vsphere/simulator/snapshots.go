// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type tree = types.VirtualMachineSnapshotTree

const deepest = 32 // levels of snapshots that a VM can have

// planSnapshot checks the name, Tools where a running guest is to be quiesced, and the depth of the tree.
func (l *lab) planSnapshot(j *job) fault {
	var name string
	var quiesce bool
	switch body := j.method.Body.(type) {
	case *types.CreateSnapshot_Task:
		name, quiesce = body.Name, body.Quiesce
	case *types.CreateSnapshotEx_Task:
		name, quiesce = body.Name, body.QuiesceSpec != nil
	}
	j.cancelable = true
	j.check = func() fault {
		switch vm := j.vm; {
		case name == "":
			return &types.InvalidName{Name: name, Entity: &vm.Self}
		case vm.Config.Template:
			return new(types.NotSupported)
		case quiesce && powerIs(vm, poweredOn) == nil && vm.Guest.ToolsRunningStatus != toolsRunning:
			return new(types.FilesystemQuiesceFault)
		case vm.Snapshot != nil && vm.Snapshot.CurrentSnapshot != nil &&
			len(pathTo(vm.Snapshot.RootSnapshotList, *vm.Snapshot.CurrentSnapshot)) >= deepest:
			return new(types.TooManySnapshotLevels)
		}
		return nil
	}
	return nil
}

// pathTo lists the nodes from a root to a snapshot, both included.
func pathTo(nodes []tree, snapshot ref) []*tree {
	for i := range nodes {
		if nodes[i].Snapshot == snapshot {
			return []*tree{&nodes[i]}
		}
		if below := pathTo(nodes[i].ChildSnapshotList, snapshot); below != nil {
			return append([]*tree{&nodes[i]}, below...)
		}
	}
	return nil
}

// node finds a snapshot in the tree of its VM; nil if it is gone.
func node(vm *machine, snapshot ref) *tree {
	if vm.Snapshot == nil {
		return nil
	}
	if path := pathTo(vm.Snapshot.RootSnapshotList, snapshot); path != nil {
		return path[len(path)-1]
	}
	return nil
}

// leavesFirst lists a node and all below it, children before parents.
func leavesFirst(n *tree) []ref {
	var list []ref
	for i := range n.ChildSnapshotList {
		list = append(list, leavesFirst(&n.ChildSnapshotList[i])...)
	}
	return append(list, n.Snapshot)
}

// planRemoveSnapshot removes children one by one: the simulator leaves their objects behind, and the current mark on them.
func (l *lab) planRemoveSnapshot(j *job) fault {
	body := j.method.Body.(*types.RemoveSnapshot_Task)
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		found := node(j.vm, body.This)
		if found == nil {
			return nil, &types.ManagedObjectNotFound{Obj: body.This}
		}
		doomed := []ref{body.This}
		if body.RemoveChildren {
			doomed = leavesFirst(found)
		}
		for _, snapshot := range doomed {
			l.leaveRoot(ctx, j.vm, snapshot)
			one := &simulator.Method{Name: j.method.Name, This: snapshot, Body: &types.RemoveSnapshot_Task{This: snapshot}}
			if _, reason := simulated(one)(ctx); reason != nil {
				return nil, reason
			}
		}
		return nil, nil
	}
	return nil
}

// leaveRoot takes the current mark off a root that will be removed: the simulator wants a parent to give it to, or panics.
func (l *lab) leaveRoot(ctx *simulator.Context, vm *machine, snapshot ref) {
	current := vm.Snapshot.CurrentSnapshot
	if current != nil && *current == snapshot && len(pathTo(vm.Snapshot.RootSnapshotList, snapshot)) == 1 {
		ctx.WithLock(vm, func() {
			ctx.Update(vm, []types.PropertyChange{{Name: "snapshot.currentSnapshot", Val: nil}})
		})
	}
}

func (l *lab) planRevertToCurrent(j *job) fault {
	if j.vm.Snapshot == nil || j.vm.Snapshot.CurrentSnapshot == nil {
		return new(types.NotFound)
	}
	body := j.method.Body.(*types.RevertToCurrentSnapshot_Task)
	current := *j.vm.Snapshot.CurrentSnapshot
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		return nil, l.revert(ctx, j.vm, current, isTrue(body.SuppressPowerOn))
	}
	return nil
}

func (l *lab) planRevert(j *job) fault {
	body := j.method.Body.(*types.RevertToSnapshot_Task)
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		return nil, l.revert(ctx, j.vm, body.This, isTrue(body.SuppressPowerOn))
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// revert brings back the configuration, and the power state if the snapshot has the memory. The VM keeps its name.
func (l *lab) revert(ctx *simulator.Context, vm *machine, snapshot ref, suppress bool) fault {
	found, recorded := node(vm, snapshot), new(types.VirtualMachineConfigInfo)
	if found == nil {
		return &types.ManagedObjectNotFound{Obj: snapshot}
	}
	if err := copyOf(l.registry().Get(snapshot).(*simulator.VirtualMachineSnapshot).Config, recorded); err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	recorded.Name, recorded.Modified, recorded.ChangeVersion = vm.Name, time.Now(), time.Now().Format(time.RFC3339Nano)
	power := found.State
	if power == poweredOn && suppress {
		power = poweredOff
	}
	var booted types.AnyType
	if power == poweredOn {
		booted = time.Now()
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config", Val: recorded}, {Name: "snapshot.currentSnapshot", Val: snapshot},
			{Name: "summary.config.numCpu", Val: recorded.Hardware.NumCPU},
			{Name: "summary.config.memorySizeMB", Val: recorded.Hardware.MemoryMB},
			{Name: "summary.config.annotation", Val: recorded.Annotation},
			{Name: "summary.runtime.powerState", Val: power}, {Name: "summary.runtime.bootTime", Val: booted},
			{Name: "runtime.powerState", Val: power},
		})
	})
	return nil
}

// copyOf copies what has interfaces in it, as it would travel.
func copyOf(from, to any) error {
	var travelling bytes.Buffer
	if err := types.NewJSONEncoder(&travelling).Encode(from); err != nil {
		return err
	}
	return types.NewJSONDecoder(&travelling).Decode(to)
}

// renameSnapshot changes what is given.
func (l *lab) renameSnapshot(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	body, vm := method.Body.(*types.RenameSnapshot), l.machine(target.(*simulator.VirtualMachineSnapshot).Vm)
	if other := l.busy.holder(vm.Self); other != nil {
		return refuse(&types.TaskInProgress{Task: *other})
	}
	ctx.WithLock(vm, func() {
		roots := slices.Clone(vm.Snapshot.RootSnapshotList)
		if path := pathTo(roots, body.This); path != nil {
			found := path[len(path)-1]
			if body.Name != "" {
				found.Name = body.Name
			}
			if body.Description != "" {
				found.Description = body.Description
			}
		}
		ctx.Update(vm, []types.PropertyChange{{Name: "snapshot.rootSnapshotList", Val: roots}})
	})
	return &methods.RenameSnapshotBody{Res: new(types.RenameSnapshotResponse)}
}

func (l *lab) planConsolidate(j *job) fault {
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		ctx.WithLock(j.vm, func() {
			ctx.Update(j.vm, []types.PropertyChange{{Name: "runtime.consolidationNeeded", Val: false}})
		})
		return nil, nil
	}
	return nil
}
