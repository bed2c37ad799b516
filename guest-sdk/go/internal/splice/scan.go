package splice

// Span is where a value stands in a text.
type Span struct{ Start, End int }

func (s Span) of(text string) string { return text[s.Start:s.End] }

// Of is the part of the text that the span names.
func (s Span) Of(text string) string { return s.of(text) }

// Behind is the same place in a text that has this one begin at start.
func (s Span) Behind(start int) Span { return Span{start + s.Start, start + s.End} }

// Member is one "key": value; Start is where the key's opening quote stands, KeyEnd is behind the closing one.
type Member struct {
	Start, KeyEnd int
	Key           string
	Value         Span
}

// Members lists the members of an object that begins with its brace.
func Members(object string) []Member {
	var found []Member
	at := skipSpaces(object, 1)
	for at < len(object) && object[at] == '"' {
		keyEnd := stringEnd(object, at)
		colon := skipSpaces(object, keyEnd)
		value := Value(object, colon+1)
		comma := skipSpaces(object, value.End)
		found = append(found, Member{Start: at, KeyEnd: keyEnd, Key: Unquote(object[at:keyEnd]), Value: value})
		at = skipSpaces(object, comma+1)
	}
	return found
}

// Elements lists the elements of an array that begins with its bracket.
func Elements(array string) []Span { return elements(array) }

func elements(array string) []Span {
	var found []Span
	at := skipSpaces(array, 1)
	for at < len(array) && array[at] != ']' {
		value := Value(array, at)
		comma := skipSpaces(array, value.End)
		found = append(found, value)
		at = skipSpaces(array, comma+1)
	}
	return found
}

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
