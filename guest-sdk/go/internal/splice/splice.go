// Package splice keeps the promise "what a step did not touch goes on as it came": it writes what a step changed into
// the text that arrived and leaves every other byte alone. It knows JSON texts only, nothing of steps.
//
// All three texts have been read or written by encoding/json, so they are valid JSON.
package splice

import (
	"encoding/json"
	"strings"
)

// Merge answers the body that goes on. raw is the text that arrived, before what the step's type made of it (written
// back at once), after what the step hands on. Where before and after agree, the step changed nothing, and the bytes of
// raw stay: digits, key order, unknown members, spaces.
func Merge(raw, before, after string) string {
	var out strings.Builder
	out.Grow(len(raw) + len(after)/4)
	merge(&out, raw, before, after)
	return out.String()
}

func merge(out *strings.Builder, raw, before, after string) {
	if before == after {
		out.WriteString(raw)
		return
	}
	value := Value(raw, 0)
	out.WriteString(raw[:value.Start])
	inner := value.of(raw)
	switch {
	case inner[0] == '{' && before[0] == '{' && after[0] == '{':
		mergeObjects(out, inner, before, after)
	case inner[0] == '[' && before[0] == '[' && after[0] == '[':
		mergeArrays(out, inner, before, after)
	default:
		out.WriteString(after)
	}
	out.WriteString(raw[value.End:])
}

// named finds members by their key. A key that stands twice: the last one counts, as it does for every reader that
// accepts it at all.
type named struct {
	text    string
	members []Member
	places  map[string]int
}

func nameMembers(text string) named {
	members := Members(text)
	places := make(map[string]int, len(members))
	for place, member := range members {
		places[member.Key] = place
	}
	return named{text, members, places}
}

func (n *named) value(key string) (string, bool) {
	place, ok := n.places[key]
	if !ok {
		return "", false
	}
	return n.members[place].Value.of(n.text), true
}

// mergeObjects keeps members in their place. Gone is what the type knew and no longer writes; new members follow at
// the end.
func mergeObjects(out *strings.Builder, raw, before, after string) {
	came, old, new := nameMembers(raw), nameMembers(before), nameMembers(after)
	first := true
	out.WriteString(raw[:headEnd(came.members)])
	for index, member := range came.members {
		was, wasThere := old.value(member.Key)
		is, isThere := new.value(member.Key)
		if wasThere && !isThere {
			continue
		}
		if !first {
			out.WriteString(raw[came.members[index-1].Value.End:member.Start])
		}
		first = false
		out.WriteString(raw[member.Start:member.Value.Start])
		switch {
		case came.places[member.Key] != index, !isThere:
			out.WriteString(member.Value.of(raw))
		case wasThere:
			merge(out, member.Value.of(raw), was, is)
		default:
			out.WriteString(is)
		}
	}
	for _, member := range new.members {
		_, known := came.places[member.Key]
		was, wasThere := old.value(member.Key)
		is, _ := new.value(member.Key)
		// What the type filled in by itself (a default) is no change of the step's.
		if known || wasThere && was == is {
			continue
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.WriteString(after[member.Start:member.Value.End])
	}
	out.WriteString(raw[tailStart(raw, came.members):])
}

func headEnd(members []Member) int {
	if len(members) == 0 {
		return 1
	}
	return members[0].Start
}

func tailStart(raw string, members []Member) int {
	if len(members) == 0 {
		return len(raw) - 1
	}
	return members[len(members)-1].Value.End
}

// mergeArrays pairs each new element with the old one it most likely is. Unpaired ones are written as the type has them.
func mergeArrays(out *strings.Builder, raw, before, after string) {
	raws, olds, news := elements(raw), elements(before), elements(after)
	if len(raws) != len(olds) {
		out.WriteString(after)
		return
	}
	partners := pair(texts(before, olds), texts(after, news))
	keepsLayout := len(raws) == len(news) && len(raws) > 0
	start, end := "[", "]"
	if keepsLayout {
		start, end = raw[:raws[0].Start], raw[raws[len(raws)-1].End:]
	}
	out.WriteString(start)
	for index, new := range news {
		switch {
		case index == 0:
		case keepsLayout:
			out.WriteString(raw[raws[index-1].End:raws[index].Start])
		default:
			out.WriteByte(',')
		}
		if old := partners[index]; old >= 0 {
			merge(out, raws[old].of(raw), olds[old].of(before), new.of(after))
		} else {
			out.WriteString(new.of(after))
		}
	}
	out.WriteString(end)
}

// pair answers for each new element the index of the old one it stands for, or -1: the same text at the same place,
// then the same text elsewhere, then (as many as before) the one at the same place.
func pair(olds, news []string) []int {
	partners := make([]int, len(news))
	taken := make([]bool, len(olds))
	for index := range partners {
		partners[index] = -1
		if index < len(olds) && olds[index] == news[index] {
			partners[index] = index
			taken[index] = true
		}
	}
	free := make(map[string][]int)
	for index, old := range olds {
		if !taken[index] {
			free[old] = append(free[old], index)
		}
	}
	for index, new := range news {
		if places := free[new]; partners[index] < 0 && len(places) > 0 {
			partners[index] = places[0]
			taken[places[0]] = true
			free[new] = places[1:]
		}
	}
	if len(olds) == len(news) {
		for index := range news {
			if partners[index] < 0 && !taken[index] {
				partners[index] = index
			}
		}
	}
	return partners
}

func texts(text string, spans []Span) []string {
	found := make([]string, len(spans))
	for index, span := range spans {
		found[index] = span.of(text)
	}
	return found
}

// Unquote answers what a quoted text says.
func Unquote(quoted string) string {
	if len(quoted) < 2 {
		return ""
	}
	inner := quoted[1 : len(quoted)-1]
	if !strings.ContainsRune(inner, '\\') {
		return inner
	}
	var text string
	if json.Unmarshal([]byte(quoted), &text) != nil {
		return inner
	}
	return text
}
