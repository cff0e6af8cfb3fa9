// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"log"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var serviceInstance = vim25.ServiceInstance

type (
	ref     = types.ManagedObjectReference
	fault   = types.BaseMethodFault
	machine = simulator.VirtualMachine
)

// lab stands in front of the simulator. It is a managed object itself: every call of a logged-in client is led to its
// method Serve, which answers it or passes it on.
type lab struct {
	mo.ExtensibleManagedObject // the first field, because searches look for such a type inside every object

	service   *simulator.Service
	listeners listeners
	calls     calls
	rules     rules
	delays    delays
	sessions  sessions
	busy      busy
	viewer    string
	boots     boots
	making    making
}

func newLab(service *simulator.Service) *lab {
	l := &lab{service: service}
	l.Self = ref{Type: "Lab", Value: "lab"}
	l.calls.reset()
	l.registry().Put(l)
	l.registry().AddHandler(l)
	simulator.TaskDelay.MethodDelay = map[string]int{"LockHandoff": 0} // a VM can be read while it has a task
	return l
}

func (l *lab) registry() *simulator.Registry { return l.service.Context.Map }

// The simulator locks the target of a call; calls to the lab run side by side.
func (l *lab) Lock()   {}
func (l *lab) Unlock() {}

// allow sets who may log in, and leads calls to Serve from now on.
func (l *lab) allow(o *options) {
	l.viewer = o.viewer
	known := map[string]bool{o.user: true, o.viewer: true}
	l.registry().SessionManager().ValidLogin = func(login *types.Login) bool {
		return known[login.UserName] && login.Password == o.password
	}
	if o.idle > 0 {
		setOption(l.registry().OptionManager(), "config.vmacore.soap.sessionTimeout", o.idle.String())
	}
	l.registry().Handler = l.handle
}

// handle sees each call first. Which object it returns matters to nobody who has a session, so a call is taken over by
// changing its target; what it was goes along as the body.
func (l *lab) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, fault) {
	if ctx.Session == nil {
		return nil, l.rules.fault(l, method)
	}
	original := *method
	method.This, method.Name, method.Body = l.Self, "Serve", &original
	return nil, nil
}

// Serve answers a call. One that makes the simulator panic is a fault, not the end of the process.
func (l *lab) Serve(ctx *simulator.Context, method *simulator.Method) (answer soap.HasFault) {
	defer func() {
		if reason := recover(); reason != nil {
			log.Printf("%s of %s: %v\n%s", method.Name, method.This, reason, debug.Stack())
			answer = refuse(&types.SystemError{Reason: "the simulator cannot do this"})
		}
	}()
	ctx.Caller = &method.This
	target := ctx.Session.Get(method.This)
	if target == nil {
		return refuse(&types.ManagedObjectNotFound{Obj: method.This})
	}
	if fault := l.rules.fault(l, method); fault != nil {
		return refuse(fault)
	}
	if fault := l.denied(ctx, method); fault != nil {
		return refuse(fault)
	}
	if answer, done := l.override(ctx, target, method); done {
		return answer
	}
	return pass(ctx, target, method)
}

// pass lets the simulator answer. Its lock is given back even after a panic.
func pass(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	function := functionOf(target, method)
	if !function.IsValid() {
		return refuse(&types.MethodNotFound{Receiver: method.This, Method: method.Name})
	}
	arguments := []reflect.Value{reflect.ValueOf(method.Body)}
	if function.Type().NumIn() == 2 {
		arguments = append([]reflect.Value{reflect.ValueOf(ctx)}, arguments...)
	}
	defer ctx.Map.AcquireLock(ctx, target)()
	return function.Call(arguments)[0].Interface().(soap.HasFault)
}

// functionOf finds PowerOnVMTask for PowerOnVM_Task; the zero Value if the simulator lacks it.
func functionOf(target mo.Reference, method *simulator.Method) reflect.Value {
	name := strings.ToUpper(method.Name[:1]) + method.Name[1:]
	if plain, isTask := strings.CutSuffix(name, "_Task"); isTask {
		name = plain + "Task"
	}
	return reflect.ValueOf(target).MethodByName(name)
}

// refusal is the answer to any call that fails at once.
type refusal struct{ reason *soap.Fault }

func (r *refusal) Fault() *soap.Fault { return r.reason }

func refuse(reason fault) soap.HasFault {
	return &refusal{simulator.Fault(faultText(reason), reason)}
}

// faultText is a message like those of a vCenter: words, without a promise.
func faultText(reason fault) string {
	name := reflect.TypeOf(reason).Elem().Name()
	return "The operation failed: " + name + "."
}

func setOption(manager *simulator.OptionManager, key, value string) {
	manager.UpdateOptions(&types.UpdateOptions{
		ChangedValue: []types.BaseOptionValue{&types.OptionValue{Key: key, Value: value}},
	})
}

func milliseconds(count int) time.Duration { return time.Duration(count) * time.Millisecond }
