// Package events sends messages and signals that leave with the commit of the call: once if the answer is done, never
// otherwise. Grant: events.
package events

import (
	"errors"
	"fmt"

	"saga.step/saga/internal/host"
	"saga.step/saga/internal/jsontext"
)

// ErrTopicRefused says that the topic is not a valid name or not among those the manifest allows.
var ErrTopicRefused = errors.New("the topic is refused")

// ErrLimit says that body or key is over a limit, or that the call emitted too much.
var ErrLimit = errors.New("the event is refused")

// Emit publishes body, written as JSON, to topic, keyed by the saga's global-id. The manifest lists the topics under
// [events] topics.
func Emit(topic string, body any) error {
	text, err := jsontext.Write(body)
	if err != nil {
		return fmt.Errorf("the event's body cannot be written as JSON: %w", err)
	}
	return wrap(host.Emit(topic, text))
}

// Signal releases what waits for key (see saga.Wait), and is remembered for those who come to wait later.
func Signal(key string) error {
	return wrap(host.Signal(key))
}

func wrap(fault *host.Fault) error {
	switch {
	case fault == nil:
		return nil
	case fault.Kind == host.TopicRefused:
		return fmt.Errorf("%w: %s", ErrTopicRefused, fault.Text)
	default:
		return fmt.Errorf("%w: %s", ErrLimit, fault.Text)
	}
}
