// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	poweredOn  = types.VirtualMachinePowerStatePoweredOn
	poweredOff = types.VirtualMachinePowerStatePoweredOff
	suspended  = types.VirtualMachinePowerStateSuspended

	guestTime = 200 * time.Millisecond // a guest takes to start, and half of it to stop
)

// planPowerOn refuses templates (NotSupported), VMs that cannot be reached, or whose host is in maintenance
// (InvalidState), and waits for an answer while there is a question.
func (l *lab) planPowerOn(j *job) fault {
	if j.vm.Config.Template {
		return new(types.NotSupported)
	}
	j.cancelable = true
	j.check = func() fault {
		if j.vm.Runtime.ConnectionState != types.VirtualMachineConnectionStateConnected {
			return new(types.InvalidState)
		}
		if host, known := l.registry().Get(*j.vm.Runtime.Host).(*simulator.HostSystem); known {
			return maintenanceIs(host, false)
		}
		return nil
	}
	j.wait = l.waitForAnswer
	return nil
}

// planReset keeps the VM on all the time. Only one that runs can be reset.
func (l *lab) planReset(j *job) fault {
	j.check = func() fault { return powerIs(j.vm, poweredOn) }
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		ctx.WithLock(j.vm, func() {
			ctx.Update(j.vm, []types.PropertyChange{
				{Name: "runtime.powerState", Val: poweredOn}, {Name: "summary.runtime.bootTime", Val: time.Now()},
			})
		})
		return nil, nil
	}
	return nil
}

func powerIs(vm *machine, wanted types.VirtualMachinePowerState) fault {
	if found := vm.Runtime.PowerState; found != wanted {
		return &types.InvalidPowerState{RequestedState: wanted, ExistingState: found}
	}
	return nil
}

// askGuest answers at once; the guest does it later, or never. As documented it needs a VM that runs, and its Tools.
func (l *lab) askGuest(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	vm := target.(*machine)
	if reason := powerIs(vm, poweredOn); reason != nil {
		return refuse(reason)
	}
	if other := l.busy.holder(vm.Self); other != nil {
		return refuse(&types.TaskInProgress{Task: *other})
	}
	if vm.Guest.ToolsRunningStatus != toolsRunning {
		return refuse(new(types.ToolsUnavailable))
	}
	var then func(*simulator.Context)
	var answer soap.HasFault
	switch method.Name {
	case "ShutdownGuest":
		answer = &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
		then = l.inner("PowerOffVM_Task", &types.PowerOffVM_Task{This: vm.Self}, vm.Self)
	case "StandbyGuest":
		answer = &methods.StandbyGuestBody{Res: new(types.StandbyGuestResponse)}
		then = l.inner("SuspendVM_Task", &types.SuspendVM_Task{This: vm.Self}, vm.Self)
	default:
		answer = &methods.RebootGuestBody{Res: new(types.RebootGuestResponse)}
		then = func(ctx *simulator.Context) {
			ctx.WithLock(vm, func() {
				ctx.Update(vm, []types.PropertyChange{{Name: "runtime.powerState", Val: poweredOn}})
			})
		}
	}
	if l.guestOf(vm) != deaf {
		own := *ctx
		time.AfterFunc(guestTime/2, func() {
			if powerIs(vm, poweredOn) == nil {
				then(&own)
			}
		})
	}
	return answer
}

// inner makes a call of the simulator's own into something to do later.
func (l *lab) inner(name string, body types.AnyType, this ref) func(*simulator.Context) {
	do := simulated(&simulator.Method{Name: name, This: this, Body: body})
	return func(ctx *simulator.Context) { do(ctx) }
}
