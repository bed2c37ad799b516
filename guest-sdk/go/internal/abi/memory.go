//go:build wasip1

package abi

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Byte reads a byte at an offset.
func Byte(at unsafe.Pointer, offset uintptr) uint8 { return *(*uint8)(unsafe.Add(at, offset)) }

// Word reads four bytes at an offset.
func Word(at unsafe.Pointer, offset uintptr) uint32 { return *(*uint32)(unsafe.Add(at, offset)) }

// Bytes copies a list of bytes whose place and length stand at an offset.
func Bytes(at unsafe.Pointer, offset uintptr) []byte {
	length := Word(at, offset+4)
	bytes := make([]byte, length)
	copy(bytes, unsafe.Slice((*byte)(Place(at, offset)), length))
	return bytes
}

// Text copies a text whose place and length stand at an offset.
func Text(at unsafe.Pointer, offset uintptr) string {
	return strings.Clone(unsafe.String((*byte)(Place(at, offset)), Word(at, offset+4)))
}

// TextIf copies the text behind an option; nil if there is none.
func TextIf(at unsafe.Pointer, option, value uintptr) *string {
	if Byte(at, option) == 0 {
		return nil
	}
	text := Text(at, value)
	return &text
}

// Place is what stands at an offset, as a place in memory.
func Place(at unsafe.Pointer, offset uintptr) unsafe.Pointer {
	return unsafe.Add(nil, uintptr(Word(at, offset)))
}

// List calls work with the place of each element of a list.
func List(at unsafe.Pointer, offset, elementSize uintptr, work func(element unsafe.Pointer)) {
	elements := Place(at, offset)
	for index := range uintptr(Word(at, offset+4)) {
		work(unsafe.Add(elements, index*elementSize))
	}
}

// Area is a place that the host reads an answer from, or writes one into. It never moves.
type Area struct {
	words [OutcomeSize / 4]uint32
	// The texts that the words point to, so that the collector leaves them until the host has read them.
	texts []string
}

// At is where the area lies.
func (a *Area) At() unsafe.Pointer { return unsafe.Pointer(&a.words) }

// Clear empties it and lets go of its texts.
func (a *Area) Clear() {
	clear(a.texts)
	*a = Area{texts: a.texts[:0]}
}

// PutByte writes a byte.
func (a *Area) PutByte(offset uintptr, value uint8) { *(*uint8)(unsafe.Add(a.At(), offset)) = value }

// PutWord writes four bytes.
func (a *Area) PutWord(offset uintptr, value uint32) { *(*uint32)(unsafe.Add(a.At(), offset)) = value }

// PutText writes the place and the length of a text. Bytes that are no UTF-8 are replaced: the border lets none through.
func (a *Area) PutText(offset uintptr, text string) {
	text = Clean(text)
	a.texts = append(a.texts, text)
	a.PutWord(offset, uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))))
	a.PutWord(offset+4, uint32(len(text)))
}

// PutTextIf writes an option of a text.
func (a *Area) PutTextIf(option, value uintptr, text *string) {
	if text != nil {
		a.PutByte(option, 1)
		a.PutText(value, *text)
	}
}

// Clean is a text that may cross the border.
func Clean(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
