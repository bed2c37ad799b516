//go:build !wasip1

package sagatest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"saga.step/saga/internal/host"
)

const (
	// Keys of one page: few, so that a test with a handful of keys meets a second page.
	pageKeys = 4
	// Characters of a wait key, as the contract has it.
	keyCharactersMax = 256
)

var levels = [...]string{"trace", "debug", "info", "warn", "error"}

type buckets map[string]map[string][]byte

// world is what a step sees: buckets is what the call sees, committed what stays if it is not done.
type world struct {
	config    map[string]string
	committed buckets
	buckets   buckets
	// nil grants everything, or allows every topic.
	grants, topics []string
	logs           []Line
	events         []Event
	signals        []string
}

func newWorld() world {
	return world{config: map[string]string{}, committed: buckets{"": {}}}
}

func (w *world) bucket(name string) map[string][]byte {
	if w.committed[name] == nil {
		w.committed[name] = map[string][]byte{}
	}
	return w.committed[name]
}

func (w *world) obey(manifest manifest) {
	for key, text := range manifest.config {
		if _, set := w.config[key]; !set {
			w.config[key] = text
		}
	}
	for _, name := range manifest.shared {
		w.bucket(name)
	}
	w.grants = append([]string{}, manifest.grants...)
	w.topics = append([]string{}, manifest.topics...)
}

func (w *world) begin() {
	w.buckets = buckets{}
	for name, bucket := range w.committed {
		w.buckets[name] = maps.Clone(bucket)
	}
	w.logs, w.events, w.signals = nil, nil, nil
}

func (w *world) end(done bool) ([]Line, []Event, []string) {
	if !done {
		return w.logs, nil, nil
	}
	w.committed = w.buckets
	return w.logs, w.events, w.signals
}

func (w *world) granted(name string) bool {
	return w.grants == nil || slices.Contains(w.grants, name)
}

func (w *world) Log(level host.Level, context, message string) {
	w.logs = append(w.logs, Line{levels[level], context, message})
}

func (w *world) ConfigGet(key string) (string, bool, *host.Fault) {
	if fault := w.configFault(); fault != nil {
		return "", false, fault
	}
	text, found := w.config[key]
	return text, found, nil
}

func (w *world) ConfigAll() ([][2]string, *host.Fault) {
	var all [][2]string
	for _, key := range slices.Sorted(maps.Keys(w.config)) {
		all = append(all, [2]string{key, w.config[key]})
	}
	return all, w.configFault()
}

func (w *world) configFault() *host.Fault {
	if w.granted("config") {
		return nil
	}
	return &host.Fault{Text: "not granted; add `config` to the grants in the step's manifest"}
}

func (w *world) OpenBucket(name string) *host.Fault {
	switch {
	case !w.granted("keyvalue"):
		return &host.Fault{Kind: host.AccessDenied}
	case w.buckets[name] == nil:
		return &host.Fault{Kind: host.NoSuchBucket}
	default:
		return nil
	}
}

func (w *world) Get(bucket, key string) ([]byte, bool, *host.Fault) {
	value, found := w.buckets[bucket][key]
	return slices.Clone(value), found, w.OpenBucket(bucket)
}

func (w *world) Set(bucket, key string, value []byte) *host.Fault {
	fault := w.OpenBucket(bucket)
	if fault == nil {
		w.buckets[bucket][key] = append([]byte{}, value...)
	}
	return fault
}

func (w *world) Delete(bucket, key string) *host.Fault {
	delete(w.buckets[bucket], key)
	return w.OpenBucket(bucket)
}

func (w *world) Keys(bucket string, cursor *string) ([]string, *string, *host.Fault) {
	keys := slices.Sorted(maps.Keys(w.buckets[bucket]))
	if cursor != nil {
		keys = slices.DeleteFunc(keys, func(key string) bool { return key <= *cursor })
	}
	if len(keys) <= pageKeys {
		return keys, nil, w.OpenBucket(bucket)
	}
	keys = keys[:pageKeys]
	return keys, &keys[pageKeys-1], w.OpenBucket(bucket)
}

func (w *world) Emit(topic, body string) *host.Fault {
	if fault := w.eventsFault(); fault != nil {
		return fault
	}
	if w.topics != nil && !slices.Contains(w.topics, topic) {
		text := topic + " is not among [events] topics in the step's manifest"
		return &host.Fault{Kind: host.TopicRefused, Text: text}
	}
	w.events = append(w.events, Event{topic, body})
	return nil
}

func (w *world) Signal(key string) *host.Fault {
	if fault := w.eventsFault(); fault != nil {
		return fault
	}
	count := utf8.RuneCountInString(key)
	if count == 0 || count > keyCharactersMax || strings.ContainsFunc(key, unicode.IsControl) ||
		strings.TrimSpace(key) != key {
		text := fmt.Sprintf("a key has 1 to %d printable characters, no space at its ends: %q", keyCharactersMax, key)
		return &host.Fault{Kind: host.Limit, Text: text}
	}
	w.signals = append(w.signals, key)
	return nil
}

func (w *world) eventsFault() *host.Fault {
	if w.granted("events") {
		return nil
	}
	text := "not granted; add `events` to the grants in the step's manifest"
	return &host.Fault{Kind: host.TopicRefused, Text: text}
}
