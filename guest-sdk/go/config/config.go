// Package config reads the texts under [config] in the step's manifest. Grant: config. They are the same for the whole
// life of a plugin version; a changed manifest is a new version.
package config

import (
	"fmt"

	"saga.step/saga/internal/host"
)

// Get is the text under key; false if the manifest does not have it.
func Get(key string) (string, bool, error) {
	text, found, fault := host.ConfigGet(key)
	return text, found, wrap(fault)
}

// Parse is the text under key, read by a function such as strconv.Atoi; false if the manifest does not have it.
//
//	limit, found, err := config.Parse("limit", saga.ParseDecimal)
func Parse[T any](key string, parse func(string) (T, error)) (T, bool, error) {
	var value T
	text, found, err := Get(key)
	if err != nil || !found {
		return value, false, err
	}
	value, err = parse(text)
	if err != nil {
		return value, true, fmt.Errorf("`%s` under [config] %s: %w; correct the step's manifest", text, key, err)
	}
	return value, true, nil
}

// All is every key with its text.
func All() (map[string]string, error) {
	pairs, fault := host.ConfigAll()
	all := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		all[pair[0]] = pair[1]
	}
	return all, wrap(fault)
}

func wrap(fault *host.Fault) error {
	if fault == nil {
		return nil
	}
	return fmt.Errorf("reading the configuration: %s", fault.Text)
}
