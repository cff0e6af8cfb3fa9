// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is what can be known of a call before anything is done for it.
type request struct {
	name string // of the SOAP method, or "POST /rest/..." with the query
	this ref
	rest bool
}

// guard counts what comes in, and lets rules spoil it before or after it is done.
func (l *lab) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := identify(r)
		l.calls.count(call, r.RemoteAddr)
		time.Sleep(l.delays.ofCall(call.name))
		trouble := l.rules.trouble(l, call)
		switch {
		case trouble.Hang:
			l.rules.hang(r.Context())
			panic(http.ErrAbortHandler)
		case trouble.HTTP > 0:
			http.Error(w, "trouble", trouble.HTTP)
		case trouble.Drop == "before":
			panic(http.ErrAbortHandler) // the connection is closed without an answer
		case trouble.Drop == "after":
			next.ServeHTTP(&discarded{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		case call.rest && strings.HasSuffix(r.URL.Path, "/com/vmware/cis/session"):
			l.sessions.watch(next, w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// identify reads the name and the target of a SOAP call, and leaves the body as it was.
func identify(r *http.Request) request {
	if !strings.HasPrefix(r.URL.Path, "/sdk") || r.Method != http.MethodPost {
		name := r.Method + " " + r.URL.Path
		if r.URL.RawQuery != "" {
			name += "?" + r.URL.RawQuery
		}
		return request{name: name, rest: true}
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var envelope struct {
		Body struct {
			Call struct {
				XMLName xml.Name
				This    struct {
					Type  string `xml:"type,attr"`
					Value string `xml:",chardata"`
				} `xml:"_this"`
			} `xml:",any"`
		}
	}
	xml.Unmarshal(body, &envelope)
	call := envelope.Body.Call
	return request{name: call.XMLName.Local, this: ref{Type: call.This.Type, Value: call.This.Value}}
}

// discarded swallows an answer.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header            { return d.header }
func (d *discarded) Write(data []byte) (int, error) { return len(data), nil }
func (d *discarded) WriteHeader(int)                {}

// calls counts, since the last reset.
type calls struct {
	mutex       sync.Mutex
	soap, rest  map[string]int
	connections map[string]bool
}

func (c *calls) count(call request, peer string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.connections[peer] = true
	if call.rest {
		c.rest[call.name]++
	} else {
		c.soap[call.name]++
	}
}

func (c *calls) reset() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.soap, c.rest, c.connections = map[string]int{}, map[string]int{}, map[string]bool{}
}

func (c *calls) read() any {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return map[string]any{"soap": maps.Clone(c.soap), "rest": maps.Clone(c.rest), "connections": len(c.connections)}
}

// delays are how long things take, as set at the control port, in milliseconds.
type delays struct {
	mutex sync.Mutex
	set   struct {
		Call, Task int
		Method     map[string]int // by name: PowerOnVM_Task is the call, PowerOnVM its task
	}
}

func (d *delays) ofCall(name string) time.Duration {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return milliseconds(d.set.Call + d.set.Method[name])
}

func (d *delays) ofTask(name string) time.Duration {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if own, known := d.set.Method[name]; known {
		return milliseconds(own)
	}
	return milliseconds(d.set.Task)
}
