// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"log"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// work is what a task does at its end, all at once. Locks of objects belong to the context.
type work func(ctx *simulator.Context) (types.AnyType, fault)

// job is a call that is answered by a task. The simulator's own tasks end at once, wait in line and cannot be cancelled.
type job struct {
	method     *simulator.Method
	user       string
	vm         *machine                             // which can have one task at a time
	entity     mo.Entity                            // of the task; the VM if there is one
	shared     bool                                 // may run beside others that are shared
	cancelable bool                                 // before its work has begun
	check      func() fault                         // makes the task fail before it takes time
	wait       func(*simulator.Context, *job) fault // for something from outside
	work       work
	cancelled  chan struct{}
}

// taskStarted is the answer to every call with a task.
type taskStarted struct {
	method    string
	Returnval ref `xml:"returnval"`
}

func (t *taskStarted) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	type plain taskStarted
	start.Name.Local = t.method + "Response"
	return e.EncodeElement((*plain)(t), start)
}

type taskBody struct{ Res *taskStarted }

func (*taskBody) Fault() *soap.Fault { return nil }

// submit starts a job and answers with its task.
func (l *lab) submit(ctx *simulator.Context, j *job) soap.HasFault {
	task := l.newTask(ctx, j)
	rule := l.rules.taskFault(l, j.method)
	j.cancelled = make(chan struct{})
	l.busy.note(task.Self, j)
	own := *ctx
	go func() {
		result, reason := l.perform(&own, task, j, rule)
		l.busy.forget(task.Self)
		changes := []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()}, {Name: "info.cancelable", Val: false},
			{Name: "info.state", Val: types.TaskInfoStateSuccess}, {Name: "info.result", Val: result},
		}
		if reason != nil {
			failure := types.LocalizedMethodFault{Fault: reason, LocalizedMessage: faultText(reason)}
			changes[2].Val, changes[3] = types.TaskInfoStateError, types.PropertyChange{Name: "info.error", Val: failure}
		}
		own.Map.AtomicUpdate(&own, task, changes)
	}()
	return &taskBody{&taskStarted{j.method.Name, task.Self}}
}

func (l *lab) newTask(ctx *simulator.Context, j *job) *simulator.Task {
	name := strings.TrimSuffix(j.method.Name, "_Task")
	entity := j.entity
	if j.vm != nil {
		entity = j.vm
	}
	if entity == nil {
		entity = l.registry().Get(l.content().RootFolder).(mo.Entity)
	}
	task := simulator.CreateTask(entity, name, nil)
	now := time.Now()
	info := &task.Info
	info.Name, info.DescriptionId = j.method.Name, j.method.This.Type+"."+strings.ToLower(name[:1])+strings.TrimSuffix(name[1:], "VM")
	info.EntityName, info.Reason = entity.Entity().Name, &types.TaskReasonUser{UserName: j.user}
	info.State, info.StartTime, info.Cancelable = types.TaskInfoStateRunning, &now, j.cancelable
	ctx.Map.Put(task)
	own := *ctx
	ctx.Map.AtomicUpdate(&own, task, []types.PropertyChange{
		{Name: "info.key", Val: task.Self.Value}, {Name: "info.task", Val: task.Self},
	})
	return task
}

// perform is the life of a task. A rule decides its end, but not before its time.
func (l *lab) perform(ctx *simulator.Context, task *simulator.Task, j *job, rule fault) (result types.AnyType, reason fault) {
	defer func() {
		if panicked := recover(); panicked != nil {
			log.Printf("task of %s: %v\n%s", j.method.Name, panicked, debug.Stack())
			result, reason = nil, &types.SystemError{Reason: "the simulator cannot do this"}
		}
	}()
	if j.vm != nil {
		if other := l.busy.enter(j.vm.Self, task.Self, j.shared); other != nil {
			return nil, &types.TaskInProgress{Task: *other}
		}
		defer l.busy.leave(j.vm.Self, task.Self)
	}
	if j.check != nil {
		if reason := j.check(); reason != nil {
			return nil, reason
		}
	}
	if reason := l.takeTime(ctx, task, j); reason != nil {
		return nil, reason
	}
	if rule != nil {
		return nil, rule
	}
	if j.wait != nil {
		if reason := j.wait(ctx, j); reason != nil {
			return nil, reason
		}
	}
	return j.work(ctx)
}

// takeTime lets the time go by that the task is to last, in ten steps.
func (l *lab) takeTime(ctx *simulator.Context, task *simulator.Task, j *job) fault {
	lasts := l.delays.ofTask(strings.TrimSuffix(j.method.Name, "_Task"))
	if lasts == 0 {
		return nil
	}
	for percent := int32(0); percent < 100; percent += 10 {
		ctx.Map.AtomicUpdate(ctx, task, []types.PropertyChange{{Name: "info.progress", Val: percent}})
		select {
		case <-j.cancelled:
			return new(types.RequestCanceled)
		case <-time.After(lasts / 10):
		}
	}
	return nil
}

// simulated is the work that the simulator does itself, in a task of its own that nobody gets to see.
func simulated(method *simulator.Method) work {
	return func(ctx *simulator.Context) (types.AnyType, fault) {
		target := ctx.Map.Get(method.This)
		if target == nil {
			return nil, &types.ManagedObjectNotFound{Obj: method.This}
		}
		answer := pass(ctx, target, method)
		if refused := answer.Fault(); refused != nil {
			return nil, refused.VimFault().(fault)
		}
		response := reflect.ValueOf(answer).Elem().FieldByName("Res").Elem()
		return outcome(ctx, response.FieldByName("Returnval").Interface().(ref))
	}
}

// outcome waits for a task of the simulator's own, and removes its traces.
func outcome(ctx *simulator.Context, inner ref) (types.AnyType, fault) {
	task := ctx.Map.Get(inner).(*simulator.Task)
	var info types.TaskInfo
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		own := *ctx
		own.WithLock(task, func() { info = task.Info })
		if info.State == types.TaskInfoStateSuccess || info.State == types.TaskInfoStateError {
			break
		}
		time.Sleep(pause)
	}
	own := *ctx
	if entity, isEntity := ctx.Map.Get(*info.Entity).(mo.Entity); isEntity {
		own.WithLock(entity, func() { entity.Entity().RecentTask = without(entity.Entity().RecentTask, inner) })
	}
	content := ctx.Map.Get(serviceInstance).(*simulator.ServiceInstance).Content
	manager := ctx.Map.Get(*content.TaskManager).(*simulator.TaskManager)
	manager.Lock()
	manager.RecentTask = without(manager.RecentTask, inner)
	manager.Unlock()
	ctx.Map.Remove(&own, inner)
	if info.Error != nil {
		return nil, info.Error.Fault
	}
	return info.Result, nil
}

// without leaves the list alone, which somebody may be reading.
func without(list []ref, gone ref) []ref {
	return slices.DeleteFunc(slices.Clone(list), func(each ref) bool { return each == gone })
}

// cancelTask ends a task whose work has not begun.
func (l *lab) cancelTask(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	running := l.busy.job(method.This)
	switch {
	case running == nil:
		return refuse(new(types.InvalidState))
	case !running.cancelable:
		return refuse(new(types.NotSupported))
	}
	if l.busy.cancel(method.This) {
		own := *ctx
		ctx.Map.AtomicUpdate(&own, target, []types.PropertyChange{{Name: "info.cancelled", Val: true}})
	}
	return &methods.CancelTaskBody{Res: new(types.CancelTaskResponse)}
}
