//go:build !wasip1

package sagatest

import (
	"encoding/json"
	"strings"
	"testing"

	"saga.step/saga"
)

// Run is one call and what came of it.
type Run struct {
	// Outcome is the answer, as the host gets it.
	Outcome saga.Outcome
	// Logs is what was logged, also by a call that failed.
	Logs []Line
	// Events is what was published; empty unless the answer is done.
	Events []Event
	// Signals is what was signalled; empty unless the answer is done.
	Signals []string

	t    testing.TB
	body string
}

// Line is a log line.
type Line struct {
	// Level is trace, debug, info, warn or error.
	Level string
	// Context is the function that wrote it.
	Context string
	// Message is what it says.
	Message string
}

// Event is a published message.
type Event struct {
	// Topic is where to.
	Topic string
	// Body is a JSON text.
	Body string
}

// Done is the answer, which must be done.
func (r *Run) Done() *saga.Finished {
	r.t.Helper()
	return expect(r, "done", r.Outcome.Done)
}

// Compensation reads the compensation log into target; false if there is none. The answer must be done.
func (r *Run) Compensation(target any) bool {
	r.t.Helper()
	log := r.Done().Compensation
	if log == nil {
		return false
	}
	if err := json.Unmarshal([]byte(*log), target); err != nil {
		r.t.Fatalf("the compensation log %s: %v", *log, err)
	}
	return true
}

// Rejected is the refusal; the answer must be one.
func (r *Run) Rejected() *saga.RejectedError {
	r.t.Helper()
	return expect(r, "rejected", r.Outcome.Rejected)
}

// Retry is the request to be called again; the answer must be one.
func (r *Run) Retry() *saga.RetryError {
	r.t.Helper()
	return expect(r, "retry", r.Outcome.Retry)
}

// Waits is what is waited for; the answer must be that.
func (r *Run) Waits() *saga.WaitError {
	r.t.Helper()
	return expect(r, "wait", r.Outcome.Wait)
}

// Logged says whether a line holds a text.
func (r *Run) Logged(text string) bool {
	for _, line := range r.Logs {
		if strings.Contains(line.Message, text) {
			return true
		}
	}
	return false
}

func expect[T any](r *Run, word string, answer *T) *T {
	r.t.Helper()
	if answer == nil {
		text, _ := json.Marshal(r.Outcome)
		r.t.Fatalf("expected %s for body %s, got %s", word, r.body, text)
	}
	return answer
}
