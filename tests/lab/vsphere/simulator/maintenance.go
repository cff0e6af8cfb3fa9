// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const lookAgain = 20 * time.Millisecond

// planEnterMaintenance waits until no VM of the host runs, as the documentation of EnterMaintenanceMode_Task has it;
// after its timeout the task fails.
func (l *lab) planEnterMaintenance(j *job) fault {
	host := j.entity.(*simulator.HostSystem)
	request := j.method.Body.(*types.EnterMaintenanceMode_Task)
	j.cancelable = true
	j.check = func() fault { return maintenanceIs(host, false) }
	j.wait = func(ctx *simulator.Context, j *job) fault {
		begun := time.Now()
		for l.anyRuns(host) {
			if seconds := time.Duration(request.Timeout) * time.Second; seconds > 0 && time.Since(begun) > seconds {
				return new(types.Timedout)
			}
			select {
			case <-j.cancelled:
				return new(types.RequestCanceled)
			case <-time.After(lookAgain):
			}
		}
		return nil
	}
	j.work = setMaintenance(host, true)
	return nil
}

// planExitMaintenance needs a host in maintenance.
func (l *lab) planExitMaintenance(j *job) fault {
	host := j.entity.(*simulator.HostSystem)
	j.cancelable = true
	j.check = func() fault { return maintenanceIs(host, true) }
	j.work = setMaintenance(host, false)
	return nil
}

func (l *lab) anyRuns(host *simulator.HostSystem) bool {
	for _, each := range host.Vm {
		if vm := l.machine(each); vm != nil && vm.Runtime.PowerState == poweredOn {
			return true
		}
	}
	return false
}

func maintenanceIs(host *simulator.HostSystem, wanted bool) fault {
	if host.Runtime.InMaintenanceMode != wanted {
		return new(types.InvalidState)
	}
	return nil
}

func setMaintenance(host *simulator.HostSystem, on bool) work {
	return func(ctx *simulator.Context) (types.AnyType, fault) {
		ctx.WithLock(host, func() { ctx.Update(host, maintenance(on)) })
		return nil, nil
	}
}

func maintenance(on bool) []types.PropertyChange {
	return []types.PropertyChange{
		{Name: "runtime.inMaintenanceMode", Val: on}, {Name: "summary.runtime.inMaintenanceMode", Val: on},
	}
}
