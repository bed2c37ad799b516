// Package host is what a step may ask of the host: in a component by its imports, natively of a test.
package host

// Level is how much a log line matters, numbered as in the contract.
type Level uint32

// The levels.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Kind says which case of an error the host answered, numbered as in the contract.
type Kind uint8

// The cases of the errors of key-values and events; configuration has only texts.
const (
	NoSuchBucket Kind = 0
	AccessDenied Kind = 1
	Other        Kind = 2

	TopicRefused Kind = 0
	Limit        Kind = 1
)

// Fault is an error of the host's.
type Fault struct {
	Kind Kind
	Text string
}
