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

// questionKey, in the extraConfig of a VM, is a question that it asks whenever it is to be powered on.
const questionKey = "lab.question"

// cancelChoice makes the power-on fail that asked the question.
const cancelChoice = "cancel"

func newQuestion(text string) *types.VirtualMachineQuestionInfo {
	choice := types.ChoiceOption{}
	for _, key := range []string{"ok", cancelChoice} {
		choice.ChoiceInfo = append(choice.ChoiceInfo, &types.ElementDescription{
			Description: types.Description{Label: key, Summary: key}, Key: key,
		})
	}
	return &types.VirtualMachineQuestionInfo{Id: "_vmx1", Text: text, Choice: choice}
}

func (l *lab) setQuestion(ctx *simulator.Context, vm *machine, question *types.VirtualMachineQuestionInfo) {
	change := types.PropertyChange{Name: "runtime.question"}
	if question != nil {
		change.Val = question
	}
	summary := change
	summary.Name = "summary.runtime.question"
	ctx.WithLock(vm, func() { ctx.Update(vm, []types.PropertyChange{change, summary}) })
}

// noQuestion is the check of what cannot be done before a question is answered.
func (l *lab) noQuestion(vm *machine) func() fault {
	return func() fault {
		if question := vm.Runtime.Question; question != nil {
			return &types.QuestionPending{Text: question.Text}
		}
		return nil
	}
}

// waitForAnswer asks what the VM has to ask, and waits until nothing is left to answer.
func (l *lab) waitForAnswer(ctx *simulator.Context, j *job) fault {
	if text := extra(j.vm, questionKey); text != "" && powerIs(j.vm, poweredOn) != nil {
		l.setQuestion(ctx, j.vm, newQuestion(text))
	}
	for j.vm.Runtime.Question != nil {
		select {
		case <-j.cancelled:
			l.setQuestion(ctx, j.vm, nil)
			return new(types.RequestCanceled)
		case <-time.After(5 * time.Millisecond):
		}
	}
	select {
	case <-j.cancelled:
		return new(types.RequestCanceled)
	default:
		return nil
	}
}

// answerQuestion accepts the id of the present question and one of its keys.
func (l *lab) answerQuestion(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	vm, body := target.(*machine), method.Body.(*types.AnswerVM)
	question := vm.Runtime.Question
	if question == nil || question.Id != body.QuestionId {
		return refuse(&types.InvalidArgument{InvalidProperty: "questionId"})
	}
	for _, choice := range question.Choice.ChoiceInfo {
		if choice.GetElementDescription().Key == body.AnswerChoice {
			if task := l.busy.holder(vm.Self); task != nil && body.AnswerChoice == cancelChoice {
				l.busy.cancel(*task)
			}
			l.setQuestion(ctx, vm, nil)
			return &methods.AnswerVMBody{Res: new(types.AnswerVMResponse)}
		}
	}
	return refuse(&types.InvalidArgument{InvalidProperty: "answerChoice"})
}
