package saga

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ID is an identifier as it comes in the wild: one producer writes "42", another 42. It is read from a JSON text that is
// not empty or from a whole number of any length, and written back as it came. Compare ids by their String.
type ID struct{ raw, text string }

// String is what it says, without quotes.
func (id ID) String() string { return id.text }

// MarshalJSON writes the id as it came.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.raw == "" {
		return []byte("null"), nil
	}
	return []byte(id.raw), nil
}

// UnmarshalJSON reads a text or a whole number.
func (id *ID) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	switch {
	case strings.HasPrefix(text, `"`):
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	case strings.Trim(strings.TrimPrefix(text, "-"), "0123456789") != "":
		return fmt.Errorf("an identifier is a text or a whole number, not %.40s", text)
	}
	if text == "" {
		return errors.New("an identifier must not be empty")
	}
	id.raw, id.text = string(raw), text
	return nil
}
