// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// listeners are the property collectors that wait for changes, by session. The simulator knows them by their reference,
// which the first one of every session has: of several sessions only the last to wait would hear of anything.
type listeners struct {
	mutex     sync.Mutex
	bySession map[string][]*listener
}

// listener is a property collector with a reference of its own.
type listener struct {
	*simulator.PropertyCollector
	self ref
}

func (l *listener) Reference() ref { return l.self }

func (l *lab) waitForUpdates(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	collector, known := target.(*simulator.PropertyCollector)
	if body, first := method.Body.(*types.WaitForUpdatesEx); known && first && body.Version == "" {
		key := ctx.Session.Key
		l.hear(key, &listener{collector, ref{Type: "Listener", Value: key + collector.Self.Value}})
		defer l.registry().RemoveHandler(collector)
	}
	return pass(ctx, target, method)
}

// hear registers a listener, and forgets those whose session has ended.
func (l *lab) hear(session string, one *listener) {
	open := map[string]bool{}
	for _, each := range l.soapSessions() {
		open[each.Key] = true
	}
	l.listeners.mutex.Lock()
	defer l.listeners.mutex.Unlock()
	for key, gone := range l.listeners.bySession {
		if !open[key] {
			for _, each := range gone {
				l.registry().RemoveHandler(each)
			}
			delete(l.listeners.bySession, key)
		}
	}
	if l.listeners.bySession == nil {
		l.listeners.bySession = map[string][]*listener{}
	}
	l.listeners.bySession[session] = append(l.listeners.bySession[session], one)
	l.registry().AddHandler(one)
}
