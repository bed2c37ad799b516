//go:build !wasip1

package host

import "sync"

// World is what a test puts in the place of the host.
type World interface {
	Log(level Level, context, message string)
	ConfigGet(key string) (string, bool, *Fault)
	ConfigAll() ([][2]string, *Fault)
	OpenBucket(name string) *Fault
	Get(bucket, key string) ([]byte, bool, *Fault)
	Set(bucket, key string, value []byte) *Fault
	Delete(bucket, key string) *Fault
	Keys(bucket string, cursor *string) ([]string, *string, *Fault)
	Emit(topic, body string) *Fault
	Signal(key string) *Fault
}

// One world at a time: tests that run side by side take turns.
var (
	turn  sync.Mutex
	world World
)

// During lets the step use a world while work runs.
func During(its World, work func()) {
	turn.Lock()
	defer turn.Unlock()
	world = its
	defer func() { world = nil }()
	work()
}

func here() World {
	if world == nil {
		panic("there is no host here: call the step through sagatest")
	}
	return world
}

// Log writes a line.
func Log(level Level, context, message string) { here().Log(level, context, message) }

// ConfigGet reads a text of the manifest.
func ConfigGet(key string) (string, bool, *Fault) { return here().ConfigGet(key) }

// ConfigAll reads all of them.
func ConfigAll() ([][2]string, *Fault) { return here().ConfigAll() }

// Emit publishes.
func Emit(topic, body string) *Fault { return here().Emit(topic, body) }

// Signal signals.
func Signal(key string) *Fault { return here().Signal(key) }

// Bucket is an open bucket, by its name.
type Bucket struct{ name string }

// OpenBucket opens the step's own bucket (no name) or a shared one.
func OpenBucket(name string) (Bucket, *Fault) { return Bucket{name}, here().OpenBucket(name) }

// Get reads a value.
func (b Bucket) Get(key string) ([]byte, bool, *Fault) { return here().Get(b.name, key) }

// Set writes a value.
func (b Bucket) Set(key string, value []byte) *Fault { return here().Set(b.name, key, value) }

// Delete takes a value away.
func (b Bucket) Delete(key string) *Fault { return here().Delete(b.name, key) }

// Exists looks for a value.
func (b Bucket) Exists(key string) (bool, *Fault) {
	_, found, fault := here().Get(b.name, key)
	return found, fault
}

// Keys reads one page of keys.
func (b Bucket) Keys(cursor *string) ([]string, *string, *Fault) { return here().Keys(b.name, cursor) }
