package jsontext

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"saga.step/saga/internal/splice"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// Deeper than this encoding/json reads nothing, so there is nothing to be done either.
const depthMax = 10_000

// exactly makes the text one that encoding/json reads as every other reader of the message does. It takes those members
// out that encoding/json would take for a field because their name differs from it in case only: they are other members,
// and go on untouched. Of a member that stands twice the last one is left: encoding/json would mix both. And it answers
// an error for a required member that is not there.
//
// It goes through the text once, however deep it is. The text need not be JSON: encoding/json says so afterwards.
func exactly(text string, target any) (string, error) {
	kind := reflect.TypeOf(target)
	if kind == nil || kind.Kind() != reflect.Pointer {
		return text, nil
	}
	reader := exactReader{text: text, known: make(map[reflect.Type]map[string]field)}
	if _, missing := reader.walk(0, kind.Elem(), 0); missing != nil {
		return "", missing
	}
	if len(reader.drops) == 0 {
		return text, nil
	}
	slices.SortFunc(reader.drops, func(a, b splice.Span) int { return a.Start - b.Start })
	var out strings.Builder
	at := 0
	for _, drop := range reader.drops {
		out.WriteString(text[at:drop.Start])
		at = drop.End
	}
	out.WriteString(text[at:])
	return out.String(), nil
}

type exactReader struct {
	text string
	// The parts that are to be taken out.
	drops []splice.Span
	known map[reflect.Type]map[string]field
}

// missing says where a required member is not.
type missing struct{ names []string }

func (m *missing) Error() string {
	slices.Reverse(m.names)
	return fmt.Sprintf("/%s is missing, and it is required", strings.Join(m.names, "/"))
}

func (m *missing) below(name string) *missing {
	if m != nil {
		m.names = append(m.names, name)
	}
	return m
}

// walk goes through the value at a place and its type side by side. It answers where the value ends.
func (r *exactReader) walk(at int, kind reflect.Type, depth int) (end int, found *missing) {
	value := splice.First(r.text, at)
	if value == "" {
		return len(r.text), nil
	}
	at = len(r.text) - len(value)
	isNull := strings.HasPrefix(value, "null")
	isPointer := kind.Kind() == reflect.Pointer
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch {
	case depth > depthMax || isNull && isPointer || !holdsStruct(kind, nil):
	case value[0] == '{' && kind.Kind() == reflect.Struct:
		return r.walkStruct(at, kind, depth)
	case isNull && kind.Kind() == reflect.Struct:
		// encoding/json reads it as an object without members.
		found = r.firstMissing(kind, nil)
	case value[0] == '{' && kind.Kind() == reflect.Map:
		end = splice.EachMember(r.text, at, func(member splice.Member) int {
			end, missing := r.walk(member.Value.Start, kind.Elem(), depth+1)
			found = cmp.Or(found, missing.below(member.Key))
			return end
		})
		return end, found
	case value[0] == '[' && (kind.Kind() == reflect.Slice || kind.Kind() == reflect.Array):
		index := 0
		end = splice.EachElement(r.text, at, func(start int) int {
			end, missing := r.walk(start, kind.Elem(), depth+1)
			found = cmp.Or(found, missing.below(strconv.Itoa(index)))
			index++
			return end
		})
		return end, found
	}
	return splice.Value(r.text, at).End, found
}

// walkStruct is walk for an object that fills a struct.
func (r *exactReader) walkStruct(at int, kind reflect.Type, depth int) (end int, found *missing) {
	fields := r.fieldsOf(kind)
	last := make(map[string]read, len(fields))
	end = splice.EachMember(r.text, at, func(member splice.Member) int {
		// Without its name it has an empty one, which no field has, so that commas need no care.
		key := splice.Span{Start: member.Start + 1, End: member.KeyEnd - 1}
		known, isField := fields[member.Key]
		if !isField {
			if resembles(fields, member.Key) {
				r.drops = append(r.drops, key)
			}
			return splice.Value(r.text, member.Value.Start).End
		}
		if before, isThere := last[member.Key]; isThere {
			r.drops = append(r.drops, before.key)
		}
		isNull := strings.HasPrefix(splice.First(r.text, member.Value.Start), "null")
		end, missing := r.walk(member.Value.Start, known.kind, depth+1)
		last[member.Key] = read{key, isNull, missing.below(member.Key)}
		return end
	})
	return end, r.firstMissing(kind, last)
}

// read is what is known of a member: of one that stands twice, of the last.
type read struct {
	key    splice.Span
	isNull bool
	// What is missing in its value.
	missing *missing
}

// firstMissing is the first required field that is not there, in the order of the type.
func (r *exactReader) firstMissing(kind reflect.Type, members map[string]read) *missing {
	fields := r.fieldsOf(kind)
	for _, visible := range reflect.VisibleFields(kind) {
		name, isField := nameOf(visible)
		if !isField {
			continue
		}
		member, isThere := members[name]
		if member.missing != nil {
			return member.missing
		}
		if fields[name].isRequired && (!isThere || member.isNull) {
			return (&missing{}).below(name)
		}
	}
	return nil
}

// holdsStruct says whether a struct that encoding/json fills by name is anywhere below a type.
func holdsStruct(kind reflect.Type, seen []reflect.Type) bool {
	if reflect.PointerTo(kind).Implements(unmarshaler) {
		return false
	}
	switch kind.Kind() {
	case reflect.Struct:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		for _, known := range seen {
			if known == kind {
				return false
			}
		}
		return holdsStruct(kind.Elem(), append(seen, kind))
	default:
		return false
	}
}

type field struct {
	kind       reflect.Type
	isRequired bool
}

// fieldsOf lists the names under which encoding/json fills a struct. Those of embedded structs count as its own.
func (r *exactReader) fieldsOf(kind reflect.Type) map[string]field {
	if fields, known := r.known[kind]; known {
		return fields
	}
	fields := make(map[string]field)
	for _, visible := range reflect.VisibleFields(kind) {
		if name, isField := nameOf(visible); isField {
			fields[name] = field{visible.Type, visible.Tag.Get("saga") == "required"}
		}
	}
	r.known[kind] = fields
	return fields
}

// nameOf is the name under which encoding/json fills a field; false if it does not.
func nameOf(visible reflect.StructField) (string, bool) {
	tag := visible.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	isEmbedded := visible.Anonymous && name == ""
	if tag == "-" || !visible.IsExported() || isEmbedded {
		return "", false
	}
	if name == "" {
		name = visible.Name
	}
	return name, true
}

func resembles(fields map[string]field, key string) bool {
	for name := range fields {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}
