package saga

import (
	"errors"
	"fmt"
	"math"
	"time"

	"saga.step/saga/internal/jsontext"
)

// Result says that a step is finished. [Done], [Unchanged] and [Replaced] make one.
type Result struct {
	kind         resultKind
	body         string
	compensation *string
}

type resultKind uint8

const (
	unchanged resultKind = iota
	merged
	replaced
)

// Done says that the step is finished; body goes on to the next step.
//
// Only what the step changed is written into the text that came: members that body's type does not know, and those it
// knows and left alone, go on byte for byte and in their order. In a list, elements are recognised by what the type
// sees of them; one that was changed while others were added or removed is written as the type has it.
//
// It panics if body cannot be written as JSON.
func Done(body any) *Result {
	return &Result{kind: merged, body: mustWrite("the body", body)}
}

// Unchanged says that the step is finished; the body goes on exactly as it came.
func Unchanged() *Result {
	return &Result{kind: unchanged}
}

// Replaced says that the step is finished; body alone goes on, and nothing of the body that came is kept.
//
// It panics if body cannot be written as JSON.
func Replaced(body any) *Result {
	return &Result{kind: replaced, body: mustWrite("the body", body)}
}

// WithCompensation adds what compensate will need to undo this: handed back to it, if the saga turns round, and to
// nobody else. Put in what cannot be told from the body. In an answer of compensate it is ignored.
//
// It panics if log cannot be written as JSON.
func (r *Result) WithCompensation(log any) *Result {
	text := mustWrite("the compensation log", log)
	r.compensation = &text
	return r
}

// RejectedError is a business refusal, final: the saga turns round and undoes the steps before this one. This step
// itself is not undone; its key-value writes, events and signals are discarded by the host.
type RejectedError struct {
	// Code is stable, for programs: insufficient-funds.
	Code string
	// Reason is for people.
	Reason string
	// Details is more for programs: a JSON text, or empty.
	Details string
}

// Rejected refuses. Return it as the error of a step; it may also be wrapped by an error of your own.
func Rejected(code, format string, args ...any) *RejectedError {
	return &RejectedError{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// WithDetails adds more for programs to read. It panics if details cannot be written as JSON.
func (e *RejectedError) WithDetails(details any) *RejectedError {
	e.Details = mustWrite("the details", details)
	return e
}

func (e *RejectedError) Error() string { return fmt.Sprintf("%s (%s)", e.Reason, e.Code) }

// RetryError is a technical failure that may pass: everything the call asked for is discarded and the message comes
// again, with growing pauses, until the budget of the manifest is used up.
type RetryError struct {
	// Reason is for people: what went wrong.
	Reason string
	// Pause is the least time until the next call; 0 lets the manifest's back-off decide.
	Pause time.Duration
	// HasPause says that Pause counts.
	HasPause bool
}

// Retry asks to be called again. Every other error that a step returns does the same.
func Retry(format string, args ...any) *RetryError {
	return &RetryError{Reason: fmt.Sprintf(format, args...)}
}

// After says how long to wait at least (to the millisecond, 49 days at most).
func (e *RetryError) After(pause time.Duration) *RetryError {
	e.Pause, e.HasPause = pause, true
	return e
}

func (e *RetryError) Error() string { return e.Reason }

// WaitError says that a precondition is not there yet: everything else the call asked for is discarded, the message is
// parked and comes again when Key is signalled, or at once if that signal was faster and is still remembered.
type WaitError struct {
	// Key is what is waited for: customer/42; 1 to 256 printable characters.
	Key string
	// Reason is for people: shown wherever the saga is shown.
	Reason string
	// Limit is the longest wait; it counts only if HasLimit is set, otherwise the manifest's time does.
	Limit time.Duration
	// HasLimit says that Limit counts.
	HasLimit bool
}

// Wait waits for the signal key.
func Wait(key, format string, args ...any) *WaitError {
	return &WaitError{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// Timeout says when to give up (to the millisecond, 49 days at most).
func (e *WaitError) Timeout(limit time.Duration) *WaitError {
	e.Limit, e.HasLimit = limit, true
	return e
}

func (e *WaitError) Error() string { return fmt.Sprintf("waiting for %s: %s", e.Key, e.Reason) }

// Outcome is what a call comes to, as the host gets it. Exactly one of its parts is set.
type Outcome struct {
	Done     *Finished
	Rejected *RejectedError
	Retry    *RetryError
	Wait     *WaitError
}

// Finished is the outcome of a step that is done.
type Finished struct {
	// Body goes on: a JSON text.
	Body string
	// Compensation is what compensate gets back: a JSON text; nil if there is none.
	Compensation *string
}

// outcomeOf maps an error to its answer: a refusal, retry or wait anywhere in its tree is the answer, and every other
// error is a retry with its words.
func outcomeOf(err error) Outcome {
	var rejected *RejectedError
	var retry *RetryError
	var wait *WaitError
	switch {
	case errors.As(err, &rejected):
		return Outcome{Rejected: rejected}
	case errors.As(err, &retry):
		return Outcome{Retry: retry}
	case errors.As(err, &wait):
		return Outcome{Wait: wait}
	default:
		return Outcome{Retry: Retry("%s", err.Error())}
	}
}

// milliseconds as the contract has them.
func milliseconds(span time.Duration) uint32 {
	ms := span.Milliseconds()
	if ms < 0 {
		return 0
	}
	return uint32(min(ms, math.MaxUint32))
}

func mustWrite(what string, value any) string {
	text, err := jsontext.Write(value)
	if err != nil {
		panic(fmt.Sprintf("%s cannot be written as JSON: %v", what, err))
	}
	return text
}
