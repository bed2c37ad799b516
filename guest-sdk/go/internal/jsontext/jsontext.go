// Package jsontext reads and writes JSON the same way wherever a step meets it: bodies, compensation logs, key-values,
// events. It is encoding/json, without what would change a message that only passes through: numbers in an any keep their
// digits, names of members are compared exactly, and < stays <. A field with the tag saga:"required" must be there.
package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Read one JSON text into target.
func Read(text string, target any) error {
	text, err := exactly(text, target)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(target); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the text is empty")
		}
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON text")
	}
	return nil
}

// Write a value as one JSON text without spaces.
func Write(value any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}
