// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// rule says which calls go wrong, and how. An empty condition fits everything.
type rule struct {
	Method string          `json:"method"` // PowerOnVM_Task, or "GET /rest/..."
	Type   string          `json:"type"`   // VirtualMachine
	Object string          `json:"object"` // name or managed object id; a snapshot has the name of its VM
	Skip   int             `json:"skip"`   // so many calls pass first
	Count  int             `json:"count"`  // so many are hit; 0 is all
	Delay  int             `json:"delay"`  // milliseconds before it happens
	Fault  string          `json:"fault"`  // type of the vSphere fault
	Detail json.RawMessage `json:"detail"` // its fields
	Task   bool            `json:"task"`   // the call succeeds, and its task ends with the fault
	HTTP   int             `json:"http"`   // this status instead of an answer
	Drop   string          `json:"drop"`   // close the connection "before" or "after" it is done
	Hang   bool            `json:"hang"`   // never answer, until the rules are replaced

	reason    fault
	seen, hit int
}

// rules are those in force.
type rules struct {
	mutex    sync.Mutex
	list     []*rule
	released chan struct{}
}

// replace puts other rules in force, and lets go what hangs.
func (r *rules) replace(body []byte) error {
	var list []*rule
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, rule := range list {
		if err := rule.complete(); err != nil {
			return err
		}
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.released != nil {
		close(r.released)
	}
	r.list, r.released = list, make(chan struct{})
	return nil
}

// complete makes the fault of its name and fields.
func (r *rule) complete() error {
	if r.Fault == "" {
		return nil
	}
	kind, known := types.TypeFunc()(r.Fault)
	if !known {
		return fmt.Errorf("vSphere knows no type %s", r.Fault)
	}
	value := reflect.New(kind).Interface()
	if r.Detail != nil {
		if err := json.Unmarshal(r.Detail, value); err != nil {
			return err
		}
	}
	reason, isFault := value.(fault)
	if !isFault {
		return fmt.Errorf("%s is not a fault", r.Fault)
	}
	r.reason = reason
	return nil
}

// hits says how often each rule was applied.
func (r *rules) hits() []int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	hits := make([]int, len(r.list))
	for i, rule := range r.list {
		hits[i] = rule.hit
	}
	return hits
}

// take finds the first rule of a kind that fits, and uses it up once.
func (r *rules) take(l *lab, call request, kind func(*rule) bool) *rule {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, rule := range r.list {
		if !kind(rule) || !rule.fits(l, call) {
			continue
		}
		rule.seen++
		if rule.seen <= rule.Skip || rule.Count > 0 && rule.hit >= rule.Count {
			continue
		}
		rule.hit++
		return rule
	}
	return nil
}

func (r *rule) fits(l *lab, call request) bool {
	if r.Method != "" && r.Method != call.name || r.Type != "" && r.Type != call.this.Type {
		return false
	}
	return r.Object == "" || r.Object == call.this.Value || r.Object == l.nameOf(call.this)
}

// trouble is what HTTP suffers from; without trouble it is empty.
func (r *rules) trouble(l *lab, call request) rule {
	found := r.take(l, call, func(rule *rule) bool { return rule.Fault == "" })
	if found == nil {
		return rule{}
	}
	time.Sleep(milliseconds(found.Delay))
	return *found
}

// fault is what a call ends with at once.
func (r *rules) fault(l *lab, method *simulator.Method) fault {
	return r.reason(l, method, false)
}

// taskFault is what the task of a call ends with.
func (r *rules) taskFault(l *lab, method *simulator.Method) fault {
	return r.reason(l, method, true)
}

func (r *rules) reason(l *lab, method *simulator.Method, ofTask bool) fault {
	call := request{name: method.Name, this: method.This}
	found := r.take(l, call, func(rule *rule) bool { return rule.Fault != "" && rule.Task == ofTask })
	if found == nil {
		return nil
	}
	time.Sleep(milliseconds(found.Delay))
	fillReferences(found.reason, method.This)
	return found.reason
}

// fillReferences completes what clients need in order to read a fault.
func fillReferences(reason fault, this ref) {
	switch reason := reason.(type) {
	case *types.NoPermission:
		if reason.Object == nil {
			reason.Object = &this
		}
	case *types.NotAuthenticated:
		if reason.Object == nil {
			reason.Object, reason.PrivilegeId = &this, "System.View"
		}
	case *types.ManagedObjectNotFound:
		if reason.Obj.Value == "" {
			reason.Obj = this
		}
	case *types.TaskInProgress:
		if reason.Task.Value == "" {
			reason.Task = ref{Type: "Task", Value: "task-of-somebody-else"}
		}
	}
}

// hang waits until the rules are replaced or the client has gone.
func (r *rules) hang(client context.Context) {
	r.mutex.Lock()
	released := r.released
	r.mutex.Unlock()
	select {
	case <-released:
	case <-client.Done():
	}
}

// nameOf names an object of the inventory; a snapshot goes by its VM.
func (l *lab) nameOf(r ref) string {
	switch object := l.registry().Get(r).(type) {
	case *simulator.VirtualMachineSnapshot:
		return l.nameOf(object.Vm)
	case mo.Entity:
		return object.Entity().Name
	}
	return ""
}
