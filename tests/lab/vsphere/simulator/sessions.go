// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const restSession = "vmware-api-session-id"

// sessions knows the open REST sessions, which the simulator keeps to itself, and the clone tickets that nobody has used:
// the simulator counts those as sessions, vSphere does not.
type sessions struct {
	mutex   sync.Mutex
	rest    map[string]bool
	tickets map[string]bool
}

// session is one that a test may see.
type session struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
	User string `json:"user,omitempty"`
}

// watch notes REST sessions as they are opened and closed.
func (s *sessions) watch(next http.Handler, w http.ResponseWriter, r *http.Request) {
	recorder := &recorded{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(recorder, r)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.rest == nil {
		s.rest = map[string]bool{}
	}
	var answer struct{ Value string }
	switch {
	case r.Method == http.MethodDelete:
		delete(s.rest, r.Header.Get(restSession))
		if cookie, err := r.Cookie(restSession); err == nil {
			delete(s.rest, cookie.Value)
		}
	case recorder.status == http.StatusOK && r.URL.RawQuery == "" && json.Unmarshal(recorder.body.Bytes(), &answer) == nil:
		s.rest[answer.Value] = true
	}
}

type recorded struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorded) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorded) Write(data []byte) (int, error) {
	r.body.Write(data)
	return r.ResponseWriter.Write(data)
}

func (l *lab) acquireCloneTicket(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	answer := pass(ctx, target, method)
	if body, fine := answer.(*methods.AcquireCloneTicketBody); fine && body.Res != nil {
		l.sessions.mutex.Lock()
		defer l.sessions.mutex.Unlock()
		if l.sessions.tickets == nil {
			l.sessions.tickets = map[string]bool{}
		}
		l.sessions.tickets[body.Res.Returnval] = true
	}
	return answer
}

func (l *lab) soapSessions() []types.UserSession {
	ctx := l.service.Context
	manager := ctx.Session.Get(l.registry().SessionManager().Self).(*simulator.SessionManager)
	l.sessions.mutex.Lock()
	defer l.sessions.mutex.Unlock()
	return slices.DeleteFunc(manager.SessionList, func(s types.UserSession) bool { return l.sessions.tickets[s.Key] })
}

func (l *lab) openSessions() []session {
	list := []session{}
	for _, s := range l.soapSessions() {
		list = append(list, session{"soap", s.Key, s.UserName})
	}
	l.sessions.mutex.Lock()
	defer l.sessions.mutex.Unlock()
	for key := range l.sessions.rest {
		list = append(list, session{"rest", key, ""})
	}
	return list
}

// endSessions does to all clients what time or an administrator does.
func (l *lab) endSessions() int {
	list := l.soapSessions()
	for _, s := range list {
		l.registry().SessionManager().TerminateSession(l.service.Context, &types.TerminateSession{SessionId: []string{s.Key}})
	}
	return len(list)
}
