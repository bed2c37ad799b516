// Package keyvalue holds state that a step keeps between calls. Grant: keyvalue. Writes are applied once, together with
// the answer, if that is done; after any other answer they never were.
package keyvalue

import (
	"errors"
	"fmt"

	"saga.step/saga/internal/host"
	"saga.step/saga/internal/jsontext"
)

// ErrNoSuchBucket says that the manifest names no such bucket under [keyvalue] shared. The error that wraps it says which.
var ErrNoSuchBucket = errors.New("there is no such bucket; name it in the step's manifest, [keyvalue] shared")

// ErrAccessDenied says that the manifest does not grant it.
var ErrAccessDenied = errors.New("access is denied; grant `keyvalue` in the step's manifest")

// Bucket is a set of keys with their values.
//
// A call sees its own writes, and otherwise one consistent state: if another call changes what this one has read before
// this one is committed, the host discards this call and runs it again. So read, compute and write without a thought for
// locks, and keep what many sagas touch at once in many keys rather than in one.
//
// A bucket may be kept in a package-level variable: in each call it is that call's.
type Bucket struct {
	name   string
	handle host.Bucket
}

// Own is the step's own bucket: no other step sees it.
func Own() (Bucket, error) { return open("") }

// Shared is a bucket that steps of one domain share. Each of them names it in its manifest: [keyvalue] shared = ["…"].
func Shared(name string) (Bucket, error) { return open(name) }

func open(name string) (Bucket, error) {
	handle, fault := host.OpenBucket(name)
	bucket := Bucket{name, handle}
	return bucket, bucket.wrap(fault)
}

// Get is the bytes under key; false if it has no value.
func (b Bucket) Get(key string) ([]byte, bool, error) {
	value, found, fault := b.handle.Get(key)
	return value, found, b.wrap(fault)
}

// GetJSON reads the value under key into target, as the body of a step is read; false, and target as it was, if key has none.
func (b Bucket) GetJSON(key string, target any) (bool, error) {
	value, found, err := b.Get(key)
	if err != nil || !found {
		return false, err
	}
	if err := jsontext.Read(string(value), target); err != nil {
		return true, fmt.Errorf("the value under key %s cannot be read: %w", key, err)
	}
	return true, nil
}

// Set puts bytes under key.
func (b Bucket) Set(key string, value []byte) error {
	return b.wrap(b.handle.Set(key, value))
}

// SetJSON puts a value under key, written as JSON.
func (b Bucket) SetJSON(key string, value any) error {
	text, err := jsontext.Write(value)
	if err != nil {
		return fmt.Errorf("the value for key %s cannot be written: %w", key, err)
	}
	return b.Set(key, []byte(text))
}

// Delete takes key away; nothing happens if it is not there.
func (b Bucket) Delete(key string) error {
	return b.wrap(b.handle.Delete(key))
}

// Exists says whether key has a value.
func (b Bucket) Exists(key string) (bool, error) {
	found, fault := b.handle.Exists(key)
	return found, b.wrap(fault)
}

// Keys is all keys, in byte order. It reads page after page: for buckets that stay small.
func (b Bucket) Keys() ([]string, error) {
	var keys []string
	var cursor *string
	for {
		page, next, err := b.KeysPage(cursor)
		if err != nil {
			return nil, err
		}
		keys = append(keys, page...)
		if next == nil {
			return keys, nil
		}
		cursor = next
	}
}

// KeysPage is one page of keys in byte order, and the cursor of the next page; nil after the last. It begins with a nil
// cursor.
func (b Bucket) KeysPage(cursor *string) ([]string, *string, error) {
	page, next, fault := b.handle.Keys(cursor)
	return page, next, b.wrap(fault)
}

// wrap says of which bucket a fault is.
func (b Bucket) wrap(fault *host.Fault) error {
	if fault == nil {
		return nil
	}
	whose := "the step's own bucket"
	if b.name != "" {
		whose = fmt.Sprintf("the bucket %q", b.name)
	}
	switch fault.Kind {
	case host.NoSuchBucket:
		return fmt.Errorf("%s: %w", whose, ErrNoSuchBucket)
	case host.AccessDenied:
		return fmt.Errorf("%s: %w", whose, ErrAccessDenied)
	default:
		return fmt.Errorf("%s: key-value store: %s", whose, fault.Text)
	}
}
