package saga

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"

	"saga.step/saga/internal/jsontext"
	"saga.step/saga/internal/splice"
)

// InvalidBody is the code of the refusal when a body is not what the step's type reads.
//
// A refusal, not a retry: the bytes will be the same next time, so trying again only delays the moment at which the
// steps before are undone and somebody sees the reason.
const InvalidBody = "invalid-body"

// InvalidCompensationLog is the code of the refusal when a compensation log is not what the step's type reads. A person
// has to look: the undo cannot run, and running it again would not change that.
const InvalidCompensationLog = "invalid-compensation-log"

// Bytes of a stack trace that go into the reason of a retry. The host keeps 4 KiB of a reason.
const traceBytesMax = 3500

// Step is two functions over one's own types, made ready to be called with texts.
type Step struct {
	handle     func(*Context, string) Outcome
	compensate func(*Context, string, *string) Outcome
}

// New makes a step. Most programs use [Register], which does this and exports the step.
func New[B, C, L any](
	handle func(*Context, B) (*Result, error),
	compensate func(*Context, C, *L) (*Result, error),
) *Step {
	return &Step{
		handle: func(context *Context, body string) Outcome {
			return call(context, body, handle)
		},
		compensate: func(context *Context, body string, log *string) Outcome {
			var before *L
			if log != nil {
				before = new(L)
				if err := jsontext.Read(*log, before); err != nil {
					return Outcome{Rejected: Rejected(InvalidCompensationLog,
						"the compensation log is not what %s reads: %v", context.Address, err)}
				}
			}
			return call(context, body, func(context *Context, body C) (*Result, error) {
				return compensate(context, body, before)
			})
		},
	}
}

// NothingToUndo is the compensate of a step that leaves nothing behind: saga.Register(handle, saga.NothingToUndo).
func NothingToUndo(*Context, json.RawMessage, *json.RawMessage) (*Result, error) {
	return Unchanged(), nil
}

// Call makes one call of the step, from text to text: log counts in the direction [Compensate] only.
// A panic is caught and becomes a retry whose reason is what it said and where.
func (s *Step) Call(context *Context, body string, log *string) (outcome Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			outcome = Outcome{Retry: Retry("panic: %v\n%s", cause, trace(debug.Stack()))}
		}
	}()
	if context.Direction == Compensate {
		return s.compensate(context, body, log)
	}
	return s.handle(context, body)
}

// call reads the body as the step's type, calls the step, and writes what goes on.
func call[B any](context *Context, raw string, step func(*Context, B) (*Result, error)) Outcome {
	var body B
	if err := jsontext.Read(raw, &body); err != nil {
		return Outcome{Rejected: Rejected(InvalidBody, "the body is not what %s reads: %v", context.Address, err)}
	}
	// Written before the step touches it: what is the same afterwards was not changed.
	before := mustWrite("the body's type", body)
	result, err := step(context, body)
	if err != nil {
		return outcomeOf(err)
	}
	if result == nil {
		panic("the step returned neither a result nor an error; return saga.Unchanged() if the body goes on as it came")
	}
	done := &Finished{Compensation: result.compensation}
	switch result.kind {
	case unchanged:
		done.Body = raw
	case merged:
		done.Body = splice.Merge(raw, before, result.body)
	case replaced:
		done.Body = result.body
	}
	return Outcome{Done: done}
}

// trace is the part of a stack trace that tells the author where it was: the frames of the runtime and of this call
// above are left out, and so are the addresses.
func trace(stack []byte) string {
	lines := strings.Split(strings.TrimSpace(string(stack)), "\n")
	start := 1
	for index, line := range lines {
		if strings.HasPrefix(line, "panic(") {
			start = index + 2
		}
	}
	var out strings.Builder
	for _, line := range lines[min(start, len(lines)):] {
		if strings.HasPrefix(line, "saga.step/saga.(*Step).Call(") {
			break
		}
		if at := strings.LastIndex(line, " +0x"); at > 0 {
			line = line[:at]
		}
		if out.Len()+len(line) > traceBytesMax {
			out.WriteString("…\n")
			break
		}
		fmt.Fprintln(&out, line)
	}
	return strings.TrimSpace(out.String())
}
