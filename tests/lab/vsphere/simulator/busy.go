// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "sync"

// busy knows which tasks run, and which VMs they hold.
type busy struct {
	mutex sync.Mutex
	jobs  map[ref]*job
	held  map[ref]*hold
}

type hold struct {
	tasks  []ref
	shared bool
}

func (b *busy) note(task ref, j *job) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.jobs == nil {
		b.jobs, b.held = map[ref]*job{}, map[ref]*hold{}
	}
	b.jobs[task] = j
}

func (b *busy) forget(task ref) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delete(b.jobs, task)
}

func (b *busy) job(task ref) *job {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.jobs[task]
}

// cancel is true for the first who asks.
func (b *busy) cancel(task ref) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	j := b.jobs[task]
	if j == nil {
		return false
	}
	select {
	case <-j.cancelled:
		return false
	default:
		close(j.cancelled)
		return true
	}
}

// enter takes a VM for a task, or says which one has it.
func (b *busy) enter(vm, task ref, shared bool) *ref {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.held[vm]; found == nil {
		b.held[vm] = &hold{[]ref{task}, shared}
	} else if shared && found.shared {
		found.tasks = append(found.tasks, task)
	} else {
		other := found.tasks[0]
		return &other
	}
	return nil
}

func (b *busy) leave(vm, task ref) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.held[vm]; found != nil {
		if found.tasks = without(found.tasks, task); len(found.tasks) == 0 {
			delete(b.held, vm)
		}
	}
}

// holder is the task that has a VM to itself.
func (b *busy) holder(vm ref) *ref {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.held[vm]; found != nil && !found.shared {
		other := found.tasks[0]
		return &other
	}
	return nil
}

// boots counts the starts of each VM, so that a late guest knows that it is out of date.
type boots struct {
	mutex  sync.Mutex
	counts map[ref]int
}

func (b *boots) next(vm ref) int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.counts == nil {
		b.counts = map[ref]int{}
	}
	b.counts[vm]++
	return b.counts[vm]
}

func (b *boots) last(vm ref) int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.counts[vm]
}
