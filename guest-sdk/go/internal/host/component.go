//go:build wasip1

package host

import (
	"unsafe"

	"saga.step/saga/internal/abi"
)

//go:wasmimport wasi:logging/logging@0.1.0-draft log
func importLog(level uint32, context, message string)

//go:wasmimport wasi:config/store@0.2.0-rc.1 get
func importConfigGet(key string, result unsafe.Pointer)

//go:wasmimport wasi:config/store@0.2.0-rc.1 get-all
func importConfigAll(result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 open
func importOpen(name string, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [resource-drop]bucket
func importDrop(bucket uint32)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.get
func importGet(bucket uint32, key string, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.set
func importSet(bucket uint32, key string, value unsafe.Pointer, valueLength uint32, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.delete
func importDelete(bucket uint32, key string, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.exists
func importExists(bucket uint32, key string, result unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.list-keys
func importListKeys(bucket uint32, hasCursor uint32, cursor string, result unsafe.Pointer)

//go:wasmimport saga:step/events@0.1.0 emit
func importEmit(topic, body string, result unsafe.Pointer)

//go:wasmimport saga:step/events@0.1.0 signal
func importSignal(key string, result unsafe.Pointer)

// Where the host writes what an import answers. One is enough: an import is over before the next one begins.
var area abi.Area

// ask calls an import and reads its answer, then gives back the memory that the answer took.
func ask(call func(result unsafe.Pointer), payload uintptr, read func(at unsafe.Pointer)) *Fault {
	mark := abi.Scratch()
	// A case without a text leaves the place of the text as it is: empty.
	area.Clear()
	call(area.At())
	var fault *Fault
	if abi.Byte(area.At(), 0) != 0 {
		fault = faultAt(unsafe.Add(area.At(), payload))
	} else if read != nil {
		read(area.At())
	}
	abi.Rewind(mark)
	return fault
}

// faultAt reads an error: all three kinds have the same layout, a case and for most of them a text.
func faultAt(at unsafe.Pointer) *Fault {
	kind := Kind(abi.Byte(at, 0))
	return &Fault{Kind: kind, Text: abi.Text(at, abi.ErrorPayload)}
}

// Log writes a line.
func Log(level Level, context, message string) {
	importLog(uint32(level), abi.Clean(context), abi.Clean(message))
}

// ConfigGet reads a text of the manifest.
func ConfigGet(key string) (text string, found bool, fault *Fault) {
	fault = ask(func(result unsafe.Pointer) { importConfigGet(abi.Clean(key), result) }, abi.ConfigGetPayload,
		func(at unsafe.Pointer) {
			if found = abi.Byte(at, abi.ConfigGetPayload) != 0; found {
				text = abi.Text(at, abi.ConfigGetOkValue)
			}
		})
	return text, found, fault
}

// ConfigAll reads all of them.
func ConfigAll() (pairs [][2]string, fault *Fault) {
	fault = ask(importConfigAll, abi.ConfigGetAllPayload, func(at unsafe.Pointer) {
		abi.List(at, abi.ConfigGetAllPayload, abi.ConfigGetAllOkElementSize, func(pair unsafe.Pointer) {
			pairs = append(pairs, [2]string{abi.Text(pair, 0), abi.Text(pair, 8)})
		})
	})
	return pairs, fault
}

// Emit publishes.
func Emit(topic, body string) *Fault {
	call := func(result unsafe.Pointer) { importEmit(abi.Clean(topic), abi.Clean(body), result) }
	return ask(call, abi.EmitPayload, nil)
}

// Signal signals.
func Signal(key string) *Fault {
	return ask(func(result unsafe.Pointer) { importSignal(abi.Clean(key), result) }, abi.SignalPayload, nil)
}

// Bucket is a bucket by its name. A step may keep one from call to call, so it holds no handle: those end with the call.
type Bucket struct{ name string }

// The handles that the call has got, by name: one for each, however often a step asks for it.
var opened []openBucket

type openBucket struct {
	name   string
	handle uint32
}

// OpenBucket opens the step's own bucket (no name) or a shared one.
func OpenBucket(name string) (Bucket, *Fault) {
	_, fault := handleOf(name)
	return Bucket{name}, fault
}

func handleOf(name string) (handle uint32, fault *Fault) {
	for _, known := range opened {
		if known.name == name {
			return known.handle, nil
		}
	}
	call := func(result unsafe.Pointer) { importOpen(abi.Clean(name), result) }
	fault = ask(call, abi.KeyvalueOpenPayload, func(at unsafe.Pointer) {
		handle = abi.Word(at, abi.KeyvalueOpenPayload)
		opened = append(opened, openBucket{name, handle})
		closeBuckets = dropBuckets
	})
	return handle, fault
}

// ask one thing of the bucket.
func (b Bucket) ask(call func(handle uint32, result unsafe.Pointer), payload uintptr, read func(unsafe.Pointer)) *Fault {
	handle, fault := handleOf(b.name)
	if fault != nil {
		return fault
	}
	return ask(func(result unsafe.Pointer) { call(handle, result) }, payload, read)
}

// Set once a bucket is open, so that a step that never opens one does not import the function that closes it.
var closeBuckets func()

func dropBuckets() {
	for _, known := range opened {
		importDrop(known.handle)
	}
	opened = opened[:0]
}

// EndCall closes what the call has opened.
func EndCall() {
	if closeBuckets != nil {
		closeBuckets()
	}
}

// Get reads a value.
func (b Bucket) Get(key string) (value []byte, found bool, fault *Fault) {
	call := func(handle uint32, result unsafe.Pointer) { importGet(handle, abi.Clean(key), result) }
	fault = b.ask(call, abi.KeyvalueGetPayload, func(at unsafe.Pointer) {
		if found = abi.Byte(at, abi.KeyvalueGetPayload) != 0; found {
			value = abi.Bytes(at, abi.KeyvalueGetOkValue)
		}
	})
	return value, found, fault
}

// Set writes a value.
func (b Bucket) Set(key string, value []byte) *Fault {
	call := func(handle uint32, result unsafe.Pointer) {
		importSet(handle, abi.Clean(key), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)), result)
	}
	return b.ask(call, abi.KeyvalueSetPayload, nil)
}

// Delete takes a value away.
func (b Bucket) Delete(key string) *Fault {
	call := func(handle uint32, result unsafe.Pointer) { importDelete(handle, abi.Clean(key), result) }
	return b.ask(call, abi.KeyvalueDeletePayload, nil)
}

// Exists looks for a value.
func (b Bucket) Exists(key string) (found bool, fault *Fault) {
	call := func(handle uint32, result unsafe.Pointer) { importExists(handle, abi.Clean(key), result) }
	fault = b.ask(call, abi.KeyvalueExistsPayload, func(at unsafe.Pointer) {
		found = abi.Byte(at, abi.KeyvalueExistsPayload) != 0
	})
	return found, fault
}

// Keys reads one page of keys.
func (b Bucket) Keys(cursor *string) (keys []string, next *string, fault *Fault) {
	call := func(handle uint32, result unsafe.Pointer) {
		if cursor == nil {
			importListKeys(handle, 0, "", result)
		} else {
			importListKeys(handle, 1, abi.Clean(*cursor), result)
		}
	}
	fault = b.ask(call, abi.KeyvalueListKeysPayload, func(at unsafe.Pointer) {
		response := unsafe.Add(at, abi.KeyvalueListKeysPayload)
		abi.List(response, abi.KeyvalueKeyResponseKeys, abi.KeyvalueKeyResponseKeysElementSize,
			func(key unsafe.Pointer) { keys = append(keys, abi.Text(key, 0)) })
		next = abi.TextIf(response, abi.KeyvalueKeyResponseCursor, abi.KeyvalueKeyResponseCursorValue)
	})
	return keys, next, fault
}
