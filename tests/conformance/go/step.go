// The conformance step in Go: does what its body says, as the README beside this folder describes it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"saga.step/saga"
)

// Body is what the step reads and writes.
type Body struct {
	Do     string        `json:"do" saga:"required"`
	To     *string       `json:"to,omitempty"`
	Note   *string       `json:"note,omitempty"`
	Amount *saga.Decimal `json:"amount,omitempty"`
	Plus   *saga.Decimal `json:"plus,omitempty"`
	Count  *int64        `json:"count,omitempty"`
	Inner  *Inner        `json:"inner,omitempty"`
	Items  []Item        `json:"items,omitempty"`
}

// Inner is a part of the body, and a body of its own in events.
type Inner struct {
	Note *string `json:"note,omitempty"`
}

// Item is an element of the body.
type Item struct {
	Name  string `json:"name" saga:"required"`
	Count int64  `json:"count" saga:"required"`
}

func (b *Body) to() string { return value(b.To) }

func (b *Body) note() string { return value(b.Note) }

func (b *Body) leave(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	b.Note = &note
}

// span is the time that an answer names, if it names one.
func (b *Body) span() (time.Duration, bool) {
	return time.Duration(value(b.Count)) * time.Millisecond, b.Count != nil
}

func value[T any](pointer *T) T {
	if pointer == nil {
		return *new(T)
	}
	return *pointer
}

func handle(ctx *saga.Context, body Body) (*saga.Result, error) {
	calls++
	switch body.Do {
	case "unchanged":
		return saga.Unchanged(), nil
	case "replace":
		return saga.Replaced(map[string]any{"fresh": true, "note": body.To}), nil
	case "remember":
		return remember(body)
	}
	change, known := changes[body.Do]
	if !known {
		return ofBoth(ctx, body)
	}
	if err := change(&body); err != nil {
		return nil, err
	}
	return saga.Done(body), nil
}

func compensate(ctx *saga.Context, body Body, log *json.RawMessage) (*saga.Result, error) {
	switch body.Do {
	case "reject", "retry", "wait", "error", "panic", "context":
		return ofBoth(ctx, body)
	}
	if log == nil {
		body.leave("(none)")
	} else {
		body.leave("%s", *log)
	}
	return saga.Done(body), nil
}

// ofBoth does the acts of both directions.
func ofBoth(ctx *saga.Context, body Body) (*saga.Result, error) {
	span, hasSpan := body.span()
	switch body.Do {
	case "reject":
		return nil, saga.Rejected(body.to(), "refused: %s", body.note()).WithDetails(Inner{body.Note})
	case "retry":
		retry := saga.Retry("%s", body.to())
		if hasSpan {
			retry = retry.After(span)
		}
		return nil, retry
	case "wait":
		wait := saga.Wait(body.to(), "%s", body.note())
		if hasSpan {
			wait = wait.Timeout(span)
		}
		return nil, wait
	case "error":
		return nil, errors.New(body.to())
	case "panic":
		deep(body.to())
	case "context":
		body.leave("%s", contextText(ctx))
		return saga.Done(body), nil
	}
	return nil, saga.Rejected("no-such-act", "there is no act %s", body.Do)
}

func deep(words string) { panic(words) }

func contextText(ctx *saga.Context) string {
	trace := "-"
	ctx.Header("trace", &trace)
	words := []string{
		ctx.GlobalID,
		orDash(ctx.UseCase),
		orDash(ctx.UseCaseVersion),
		ctx.Address,
		fmt.Sprint(ctx.Position),
		ctx.Direction.String(),
		fmt.Sprint(ctx.Attempt),
		ctx.IdempotencyKey,
		orDash(ctx.Deadline),
		orDash(ctx.Signalled),
		trace,
	}
	if failure := ctx.Failure; failure != nil {
		words = append(words, fmt.Sprint(failure.Position), failure.Address, failure.Kind, failure.Code, failure.Reason)
	}
	return strings.Join(words, " ")
}

func orDash[T any](pointer *T) string {
	if pointer == nil {
		return "-"
	}
	return fmt.Sprint(*pointer)
}

func init() { saga.Register(handle, compensate) }

func main() {}
