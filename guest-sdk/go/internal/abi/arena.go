//go:build wasip1

// Package abi crosses the border between a step and the host: it hands out the memory that the host writes into, and
// reads and writes the contract's types there.
//
// Memory for the host never comes from Go's heap. The host asks for it at moments at which a component must call nobody,
// and taking it from the heap may start the collector, which reads the clock. So it comes from pieces beside the heap
// that are used again from one call to the next; what lies there is copied before a step sees it.
package abi

import "unsafe"

// What the runtime of Go gets memory from the system by: nobody else may, or the two would overwrite each other.
//
//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

const (
	// Bytes of the first piece; each further one is twice as large, so that there are few.
	pieceBytesMin = 64 << 10
	piecesMax     = 20
)

type piece struct{ start, size uintptr }

// arena hands out memory in a row and takes it back all at once.
type arena struct {
	pieces [piecesMax]piece
	count  int
	// Where the next bytes are taken from.
	current int
	used    uintptr
}

var (
	// scratch holds the arguments of a call, and after them the results of one import at a time.
	scratch arena
	// kept is never taken back: the adapter between Go's WASI and the host's has its state there.
	kept arena
)

func (a *arena) take(size, align uintptr) unsafe.Pointer {
	if size == 0 {
		// Not looked at, but it must be aligned and not null.
		return unsafe.Add(nil, align)
	}
	for {
		if a.current < a.count {
			at := a.pieces[a.current]
			from := (at.start + a.used + align - 1) &^ (align - 1)
			if from+size <= at.start+at.size {
				a.used = from + size - at.start
				return unsafe.Add(nil, from)
			}
			if a.current+1 < a.count {
				a.current, a.used = a.current+1, 0
				continue
			}
		}
		a.grow(size + align)
	}
}

func (a *arena) grow(least uintptr) {
	size := uintptr(pieceBytesMin)
	if a.count > 0 {
		size = 2 * a.pieces[a.count-1].size
	}
	for size < least {
		size *= 2
	}
	start := sbrk(size)
	if start == nil || a.count == piecesMax {
		trap()
	}
	a.pieces[a.count] = piece{uintptr(start), size}
	a.current, a.used = a.count, 0
	a.count++
}

// trap ends the call where nothing else can be done: a panic would want memory itself.
func trap() {
	*(*byte)(unsafe.Add(nil, 0xffff_ffff)) = 0
}

// Mark is a place in the scratch memory.
type Mark struct {
	current int
	used    uintptr
}

// Scratch is the place behind all that was handed out.
func Scratch() Mark { return Mark{scratch.current, scratch.used} }

// Rewind takes back what was handed out since.
func Rewind(to Mark) { scratch.current, scratch.used = to.current, to.used }

// RewindAll takes back everything: a new call begins.
func RewindAll() { scratch.current, scratch.used = 0, 0 }

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	return moved(scratch.take(uintptr(size), uintptr(align)), old, oldSize, size)
}

//go:wasmexport cabi_realloc_adapter
func reallocForAdapter(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	return moved(kept.take(uintptr(size), uintptr(align)), old, oldSize, size)
}

func moved(to, from unsafe.Pointer, fromSize, toSize uint32) unsafe.Pointer {
	if size := min(fromSize, toSize); size > 0 {
		copy(unsafe.Slice((*byte)(to), size), unsafe.Slice((*byte)(from), size))
	}
	return to
}
