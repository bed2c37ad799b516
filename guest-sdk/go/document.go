package saga

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"saga.step/saga/internal/jsontext"
	"saga.step/saga/internal/splice"
)

// Document is a body as its text, for a step that wants no struct: what it does not set or delete stays as it came,
// digit for digit and in its order. Use it as the body type of a step:
//
//	func handle(ctx *saga.Context, order saga.Document) (*saga.Result, error) {
//		var amount saga.Decimal
//		if _, err := order.Get("/amount", &amount); err != nil { … }
//		…
//		return saga.Done(order), nil
//	}
//
// Places are JSON pointers (RFC 6901): /lines/0/item; the empty pointer is the whole.
type Document struct{ text string }

// ParseDocument makes a document of a JSON text.
func ParseDocument(text string) (Document, error) {
	var document Document
	err := jsontext.Read(text, &document)
	return document, err
}

// String is the text of the document.
func (d Document) String() string { return d.text }

// MarshalJSON writes the document.
func (d Document) MarshalJSON() ([]byte, error) {
	if d.text == "" {
		return []byte("null"), nil
	}
	return []byte(d.text), nil
}

// UnmarshalJSON reads the document.
func (d *Document) UnmarshalJSON(text []byte) error {
	d.text = string(text)
	return nil
}

// Get reads the value at a place into target, as the body of a step is read; false if there is none.
func (d Document) Get(pointer string, target any) (bool, error) {
	span, found, err := d.find(pointer)
	if err != nil || !found {
		return false, err
	}
	if err := jsontext.Read(span.Of(d.text), target); err != nil {
		return true, fmt.Errorf("the value at %s: %w", pointer, err)
	}
	return true, nil
}

// Text is the JSON text at a place; false if there is none.
func (d Document) Text(pointer string) (string, bool) {
	span, found, err := d.find(pointer)
	if err != nil || !found {
		return "", false
	}
	return span.Of(d.text), true
}

// Set puts a value at a place: in the place of what stands there, as a new last member of an object, or, with the index
// "-", as a new last element of an array. The object or array around it must be there.
func (d *Document) Set(pointer string, value any) error {
	text, err := jsontext.Write(value)
	if err != nil {
		return fmt.Errorf("the value for %s cannot be written as JSON: %w", pointer, err)
	}
	span, found, err := d.find(pointer)
	if err != nil {
		return err
	}
	if found {
		d.text = d.text[:span.Start] + text + d.text[span.End:]
		return nil
	}
	return d.add(pointer, text)
}

// Delete takes the member of an object away, or the element of an array; false if there was none.
func (d *Document) Delete(pointer string) (bool, error) {
	span, found, err := d.find(pointer)
	if err != nil || !found {
		return false, err
	}
	around, last := split(pointer)
	outer, _, err := d.find(around)
	if err != nil || pointer == "" {
		return false, errors.New("the whole document cannot be deleted; use saga.Replaced for another body")
	}
	starts, ends := d.parts(outer)
	for index := range starts {
		if ends[index] != span.End {
			continue
		}
		from, to := starts[index], ends[index]
		if index > 0 {
			from = ends[index-1]
		} else if len(starts) > 1 {
			to = starts[1]
		}
		d.text = d.text[:from] + d.text[to:]
		return true, nil
	}
	return false, fmt.Errorf("there is no %q to delete", last)
}

// parts are the places of the members or elements of a value.
func (d Document) parts(outer splice.Span) (starts, ends []int) {
	inner := outer.Of(d.text)
	switch inner[0] {
	case '{':
		for _, member := range splice.Members(inner) {
			starts, ends = append(starts, outer.Start+member.Start), append(ends, outer.Start+member.Value.End)
		}
	case '[':
		for _, element := range splice.Elements(inner) {
			starts, ends = append(starts, outer.Start+element.Start), append(ends, outer.Start+element.End)
		}
	}
	return starts, ends
}

// add puts a text behind the last part of the object or array that the pointer leads into.
func (d *Document) add(pointer, text string) error {
	around, name := split(pointer)
	outer, found, err := d.find(around)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("nothing can be set at %s: there is nothing at %q", pointer, around)
	}
	switch inner := outer.Of(d.text); {
	case inner[0] == '{':
		text = mustWrite("a key", name) + ":" + text
	case inner[0] != '[' || name != "-":
		return fmt.Errorf("nothing can be set at %s: write the index of an element, or - for a new last one", pointer)
	}
	_, ends := d.parts(outer)
	at := outer.Start + 1
	if len(ends) > 0 {
		at, text = ends[len(ends)-1], ","+text
	}
	d.text = d.text[:at] + text + d.text[at:]
	return nil
}

// find the value at a pointer.
func (d Document) find(pointer string) (splice.Span, bool, error) {
	span := splice.Value(d.text, 0)
	if pointer == "" {
		return span, span.Start < span.End, nil
	}
	if pointer[0] != '/' {
		return span, false, fmt.Errorf("%q is no JSON pointer: it begins with /", pointer)
	}
	for _, name := range strings.Split(pointer[1:], "/") {
		next, found := child(span.Of(d.text), unescape(name))
		if !found {
			return span, false, nil
		}
		span = splice.Span{Start: span.Start + next.Start, End: span.Start + next.End}
	}
	return span, true, nil
}

// child finds a member by name or an element by index. Of a key that stands twice, the last one counts.
func child(value, name string) (found splice.Span, ok bool) {
	if value == "" {
		return found, false
	}
	switch value[0] {
	case '{':
		for _, member := range splice.Members(value) {
			if member.Key == name {
				found, ok = member.Value, true
			}
		}
	case '[':
		index, err := strconv.Atoi(name)
		elements := splice.Elements(value)
		if err == nil && index >= 0 && index < len(elements) {
			return elements[index], true
		}
	}
	return found, ok
}

// split a pointer into what leads to the value around and the last name.
func split(pointer string) (around, name string) {
	at := strings.LastIndexByte(pointer, '/')
	if at < 0 {
		return "", ""
	}
	return pointer[:at], unescape(pointer[at+1:])
}

func unescape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
}
