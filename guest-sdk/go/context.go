package saga

import "saga.step/saga/internal/jsontext"

// Context is what the host knows about this delivery.
//
// The same message may be delivered more than once. Every field but Attempt and Signalled is then the same. The host
// applies a call's results (body, key-value writes, events, signals) exactly once; an effect outside the host is
// repeated when the call is, so hand IdempotencyKey to every outside system you write to, and derive ids from it rather
// than from time or chance.
type Context struct {
	// GlobalID is the identity of the saga.
	GlobalID string
	// UseCase is the name of the use case that started it; nil for a saga that a foreign producer started.
	UseCase *string
	// UseCaseVersion is the version of that use case.
	UseCaseVersion *uint32
	// Address is that of this step.
	Address string
	// Position is the index of this step in the saga, counted forward in both directions.
	Position uint32
	// Direction says which of the two functions is being called.
	Direction Direction
	// Attempt is 1 for the first delivery; it counts the retries of this step in this direction.
	Attempt uint32
	// IdempotencyKey is the same for each delivery of this message: global-id/direction/position.
	IdempotencyKey string
	// Deadline is when the saga's time is over (RFC 3339, UTC); nil if it has none.
	Deadline *string
	// Signalled is the key whose signal ended this message's wait; nil if it was not waiting.
	Signalled *string
	// Failure is what turned the saga round; nil while it goes forward.
	Failure *Failure
	// Headers are the fields of the message's meta that the host does not know, in their order.
	Headers []Header
}

// Header is a field of meta that the host does not know.
type Header struct {
	Name string
	// Value is a JSON text.
	Value string
}

// Header reads a field of meta that the host does not know into target; false if it is absent or something else.
func (c *Context) Header(name string, target any) bool {
	for _, header := range c.Headers {
		if header.Name == name {
			return jsontext.Read(header.Value, target) == nil
		}
	}
	return false
}

// Direction says which of the two functions a message is for.
type Direction uint8

const (
	// Handle is towards the end of the saga.
	Handle Direction = iota
	// Compensate is backwards, undoing finished steps in reverse order.
	Compensate
)

// String is handle or compensate.
func (d Direction) String() string {
	if d == Compensate {
		return "compensate"
	}
	return "handle"
}

// Failure is what turned a saga round.
type Failure struct {
	// Position is the index of the step that failed or refused, counted forward.
	Position uint32
	// Address is that step's.
	Address string
	// Kind is rejected, retry-exhausted, deadline, …
	Kind string
	// Code is stable, for programs: a refusal's own code, or the kind's.
	Code string
	// Reason is for people.
	Reason string
}
