package jsontext

import (
	"encoding/json"
	"reflect"
	"strings"

	"saga.step/saga/internal/splice"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// exactKeys takes those members out of the text that encoding/json would take for a field because their name differs
// from it in case only: to every other reader of the message they are other members, and they go on untouched.
func exactKeys(text string, target any) string {
	var out strings.Builder
	at := 0
	drop := func(from, to int) {
		out.WriteString(text[at:from])
		at = to
	}
	value := splice.Value(text, 0)
	if value.Start < value.End {
		lookAlikes(text, value, reflect.TypeOf(target), drop)
	}
	if at == 0 {
		return text
	}
	out.WriteString(text[at:])
	return out.String()
}

// lookAlikes walks a value and its type side by side and drops the members in question.
func lookAlikes(text string, value splice.Span, kind reflect.Type, drop func(from, to int)) {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if value.Start >= value.End || !holdsStruct(kind, nil) {
		return
	}
	inner := value.Of(text)
	switch {
	case inner[0] == '{' && kind.Kind() == reflect.Struct:
		members := splice.Members(inner)
		fields := fieldsOf(kind)
		for index, member := range members {
			span := splice.Span{Start: value.Start + member.Value.Start, End: value.Start + member.Value.End}
			if field, ok := fields[member.Key]; ok {
				lookAlikes(text, span, field, drop)
			} else if resembles(fields, member.Key) {
				dropMember(value.Start, members, index, drop)
			}
		}
	case inner[0] == '{' && kind.Kind() == reflect.Map:
		for _, member := range splice.Members(inner) {
			span := splice.Span{Start: value.Start + member.Value.Start, End: value.Start + member.Value.End}
			lookAlikes(text, span, kind.Elem(), drop)
		}
	case inner[0] == '[' && (kind.Kind() == reflect.Slice || kind.Kind() == reflect.Array):
		for _, element := range splice.Elements(inner) {
			span := splice.Span{Start: value.Start + element.Start, End: value.Start + element.End}
			lookAlikes(text, span, kind.Elem(), drop)
		}
	}
}

// dropMember gives the member an empty name, which no field has, so that commas need no care.
func dropMember(start int, members []splice.Member, index int, drop func(from, to int)) {
	drop(start+members[index].Start+1, start+members[index].KeyEnd-1)
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

// fieldsOf lists the names under which encoding/json fills a struct. Those of embedded structs count as its own.
func fieldsOf(kind reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for _, field := range reflect.VisibleFields(kind) {
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		isEmbedded := field.Anonymous && name == ""
		if tag == "-" || !field.IsExported() || isEmbedded {
			continue
		}
		if name == "" {
			name = field.Name
		}
		fields[name] = field.Type
	}
	return fields
}

func resembles(fields map[string]reflect.Type, key string) bool {
	for name := range fields {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}
