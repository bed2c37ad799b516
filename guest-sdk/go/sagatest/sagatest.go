//go:build !wasip1

// Package sagatest runs a step natively, with a host made of memory: give it a body, ask what was answered, written,
// emitted and signalled, and undo it.
//
//	host := sagatest.New(t).Config("limit", "100")
//	run := host.Handle(`{"amount":70,"unknown":1.50}`)
//	run.Done().Body // {"amount":70,"unknown":1.50}
//	host.Handle(`{"amount":31}`).Rejected().Code
package sagatest

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"saga.step/saga"
	"saga.step/saga/internal/host"
)

// Host is what a step sees in a test.
type Host struct {
	// Context is that of the next calls: set what the test is about. Direction and idempotency key follow by themselves.
	Context saga.Context

	t     testing.TB
	step  *saga.Step
	world world
}

// New is a host for the step that the package under test registers in init, with every grant and an empty
// configuration.
func New(t testing.TB) *Host {
	t.Helper()
	step := saga.Registered()
	if step == nil {
		t.Fatal("no step is registered; call saga.Register from init, or use sagatest.For")
	}
	return For(t, step)
}

// For is the same for a step made by saga.New.
func For(t testing.TB, step *saga.Step) *Host {
	useCase, version := "test", uint32(1)
	context := saga.Context{
		GlobalID:       "test-saga",
		UseCase:        &useCase,
		UseCaseVersion: &version,
		Address:        "test.step.here",
		Attempt:        1,
	}
	return &Host{Context: context, t: t, step: step, world: newWorld()}
}

// ManifestIn takes address, grants, [config], shared buckets and topics from the step's manifest: the one
// <domain>.<subdomain>.<service>.toml in a folder, which usually is ".". From then on a capability that is not granted is
// refused, as the host would.
func (h *Host) ManifestIn(folder string) *Host {
	h.t.Helper()
	address, manifest, err := readManifest(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Context.Address = address
	h.world.obey(manifest)
	return h
}

// Config is a text under [config], before that of the manifest.
func (h *Host) Config(key, text string) *Host {
	h.world.config[key] = text
	return h
}

// Shared is a shared bucket that the step may open.
func (h *Host) Shared(name string) *Host {
	h.world.bucket(name)
	return h
}

// Put sets a value in the step's own bucket (no name) or a shared one, as JSON: what an earlier call or another step did.
func (h *Host) Put(bucket, key string, value any) *Host {
	h.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		h.t.Fatalf("the value for %s: %v", key, err)
	}
	h.world.bucket(bucket)[key] = text
	return h
}

// Value reads the JSON value in the step's own bucket into target; false if there is none.
func (h *Host) Value(key string, target any) bool {
	h.t.Helper()
	return h.SharedValue("", key, target)
}

// SharedValue reads the JSON value in a shared bucket into target; false if there is none.
func (h *Host) SharedValue(bucket, key string, target any) bool {
	h.t.Helper()
	text, found := h.world.committed[bucket][key]
	if !found {
		return false
	}
	if err := json.Unmarshal(text, target); err != nil {
		h.t.Fatalf("the value under %s: %v", key, err)
	}
	return true
}

// Bucket is all that a bucket holds; the step's own has no name.
func (h *Host) Bucket(name string) map[string][]byte {
	return maps.Clone(h.world.committed[name])
}

// Handle calls handle with a body.
func (h *Host) Handle(body string) *Run {
	h.t.Helper()
	h.Context.Direction = saga.Handle
	return h.call(body, nil)
}

// Compensate calls compensate with a body and a log; nil if there is none.
func (h *Host) Compensate(body string, log *string) *Run {
	h.t.Helper()
	h.Context.Direction = saga.Compensate
	return h.call(body, log)
}

// Undo calls compensate with the body and the log of an answer of handle, because a later step refused.
func (h *Host) Undo(run *Run) *Run {
	h.t.Helper()
	done := run.Done()
	h.Context.Failure = &saga.Failure{
		Position: h.Context.Position + 1,
		Address:  "test.step.later",
		Kind:     "rejected",
		Code:     "refused",
		Reason:   "a later step refused",
	}
	undone := h.Compensate(done.Body, done.Compensation)
	h.Context.Failure = nil
	return undone
}

func (h *Host) call(body string, log *string) *Run {
	h.t.Helper()
	for _, text := range []*string{&body, log} {
		if text != nil && !json.Valid([]byte(*text)) {
			h.t.Fatalf("this is no JSON, and a host never delivers such: %s", *text)
		}
	}
	context := h.Context
	context.IdempotencyKey = fmt.Sprintf("%s/%s/%d", context.GlobalID, context.Direction, context.Position)
	run := &Run{t: h.t, body: body}
	h.world.begin()
	host.During(&h.world, func() { run.Outcome = h.step.Call(&context, body, log) })
	run.Logs, run.Events, run.Signals = h.world.end(run.Outcome.Done != nil)
	return run
}
