package jsontext

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"saga.step/saga/internal/splice"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// exactly makes the text one that encoding/json reads as every other reader of the message does. It takes those members
// out that encoding/json would take for a field because their name differs from it in case only: they are other members,
// and go on untouched. Of a member that stands twice the last one is left: encoding/json would mix both. And it answers
// an error for a required member that is not there.
func exactly(text string, target any) (string, error) {
	kind := reflect.TypeOf(target)
	value := splice.Value(text, 0)
	if kind == nil || kind.Kind() != reflect.Pointer || value.Start >= value.End {
		return text, nil
	}
	var out strings.Builder
	at := 0
	reader := exactReader{text, func(from, to int) {
		out.WriteString(text[at:from])
		at = to
	}}
	if missing := reader.walk(value, kind.Elem()); missing != nil {
		return "", missing
	}
	if at == 0 {
		return text, nil
	}
	out.WriteString(text[at:])
	return out.String(), nil
}

type exactReader struct {
	text string
	// drop takes a part of the text out; the parts come in order.
	drop func(from, to int)
}

// missing says where a required member is not.
type missing struct{ place string }

func (m *missing) Error() string { return fmt.Sprintf("%s is missing, and it is required", m.place) }

func (m *missing) below(name string) *missing {
	if m != nil {
		m.place = "/" + name + m.place
	}
	return m
}

// walk goes through a value and its type side by side.
func (r *exactReader) walk(value splice.Span, kind reflect.Type) *missing {
	isNull := value.Of(r.text) == "null"
	for kind.Kind() == reflect.Pointer {
		if isNull {
			return nil
		}
		kind = kind.Elem()
	}
	if value.Start >= value.End || !holdsStruct(kind, nil) {
		return nil
	}
	inner := value.Of(r.text)
	switch {
	case (inner[0] == '{' || isNull) && kind.Kind() == reflect.Struct:
		return r.walkStruct(value, kind)
	case inner[0] == '{' && kind.Kind() == reflect.Map:
		for _, member := range splice.Members(inner) {
			if found := r.walk(member.Value.Behind(value.Start), kind.Elem()); found != nil {
				return found.below(member.Key)
			}
		}
	case inner[0] == '[' && (kind.Kind() == reflect.Slice || kind.Kind() == reflect.Array):
		for index, element := range splice.Elements(inner) {
			if found := r.walk(element.Behind(value.Start), kind.Elem()); found != nil {
				return found.below(strconv.Itoa(index))
			}
		}
	}
	return nil
}

// walkStruct is walk for an object, or for a null, which encoding/json reads as an object without members.
func (r *exactReader) walkStruct(value splice.Span, kind reflect.Type) *missing {
	fields := fieldsOf(kind)
	var members []splice.Member
	if inner := value.Of(r.text); inner[0] == '{' {
		members = splice.Members(inner)
	}
	last := make(map[string]int, len(members))
	for index, member := range members {
		last[member.Key] = index
	}
	for index, member := range members {
		field, isField := fields[member.Key]
		span := member.Value.Behind(value.Start)
		switch {
		case isField && last[member.Key] == index:
			if found := r.walk(span, field.kind); found != nil {
				return found.below(member.Key)
			}
		case isField || resembles(fields, member.Key):
			// It gets an empty name, which no field has, so that commas need no care.
			r.drop(value.Start+member.Start+1, value.Start+member.KeyEnd-1)
		}
	}
	for _, visible := range reflect.VisibleFields(kind) {
		name, isField := nameOf(visible)
		if !isField || !fields[name].isRequired {
			continue
		}
		place, isThere := last[name]
		if !isThere || members[place].Value.Behind(value.Start).Of(r.text) == "null" {
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
func fieldsOf(kind reflect.Type) map[string]field {
	fields := make(map[string]field)
	for _, visible := range reflect.VisibleFields(kind) {
		if name, isField := nameOf(visible); isField {
			fields[name] = field{visible.Type, visible.Tag.Get("saga") == "required"}
		}
	}
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
