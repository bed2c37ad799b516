package splice

// Span is where a value stands in a text.
type Span struct{ Start, End int }

func (s Span) of(text string) string { return text[s.Start:s.End] }

// Of is the part of the text that the span names.
func (s Span) Of(text string) string { return s.of(text) }

// Member is one "key": value; Start is where the key's opening quote stands, KeyEnd is behind the closing one.
type Member struct {
	Start, KeyEnd int
	Key           string
	Value         Span
}

// Members lists the members of an object that begins with its brace.
func Members(object string) []Member {
	var found []Member
	EachMember(object, 0, func(member Member) int {
		member.Value = Value(object, member.Value.Start)
		found = append(found, member)
		return member.Value.End
	})
	return found
}

// EachMember calls work with each member of the object whose brace stands at a place. Of the member's value it knows
// only a place before it: work answers where the value ends. The answer is the end of the object.
func EachMember(text string, brace int, work func(member Member) (end int)) int {
	at := skipSpaces(text, brace+1)
	for at < len(text) && text[at] == '"' {
		keyEnd := stringEnd(text, at)
		start := min(skipSpaces(text, keyEnd)+1, len(text))
		end := work(Member{Start: at, KeyEnd: keyEnd, Key: Unquote(text[at:keyEnd]), Value: Span{Start: start}})
		at = skipSpaces(text, end)
		if at >= len(text) || text[at] != ',' {
			break
		}
		at = skipSpaces(text, at+1)
	}
	return min(at+1, len(text))
}

// Elements lists the elements of an array that begins with its bracket.
func Elements(array string) []Span { return elements(array) }

func elements(array string) []Span {
	var found []Span
	EachElement(array, 0, func(start int) int {
		value := Value(array, start)
		found = append(found, value)
		return value.End
	})
	return found
}

// EachElement calls work with the place of each element of the array whose bracket stands at a place; work answers where
// the element ends. The answer is the end of the array.
func EachElement(text string, bracket int, work func(start int) (end int)) int {
	at := skipSpaces(text, bracket+1)
	for at < len(text) && text[at] != ']' {
		at = skipSpaces(text, work(at))
		if at >= len(text) || text[at] != ',' {
			break
		}
		at = skipSpaces(text, at+1)
	}
	return min(at+1, len(text))
}

// First is the text from the first value at or after from.
func First(text string, from int) string { return text[min(skipSpaces(text, from), len(text)):] }

func skipSpaces(text string, from int) int {
	at := from
	for at < len(text) && isSpace(text[at]) {
		at++
	}
	return at
}

func isSpace(char byte) bool {
	return char == ' ' || char == '\t' || char == '\n' || char == '\r'
}

// stringEnd is the end of the string whose opening quote stands at from.
func stringEnd(text string, from int) int {
	for at := from + 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(text)
}

// Value finds the first value at or after from, without the spaces around it.
func Value(text string, from int) Span {
	start := skipSpaces(text, from)
	depth := 0
	at := start
	for at < len(text) {
		switch char := text[at]; {
		case char == '"':
			at = stringEnd(text, at)
			if depth == 0 {
				return Span{start, at}
			}
			continue
		case char == '{' || char == '[':
			depth++
		case char == '}' || char == ']':
			if depth == 0 {
				return Span{start, at}
			}
			depth--
			if depth == 0 {
				return Span{start, at + 1}
			}
		case depth == 0 && (char == ',' || isSpace(char)):
			return Span{start, at}
		}
		at++
	}
	return Span{start, at}
}
