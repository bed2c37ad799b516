//go:build !wasip1

package sagatest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// manifest is a step's manifest, as far as a test needs it. The host reads it in full and is stricter.
type manifest struct {
	grants, shared, topics []string
	config                 map[string]string
}

var addressed = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*\.){3}toml$`)

// readManifest finds the one manifest in a folder.
func readManifest(folder string) (address string, found manifest, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", found, err
	}
	var names []string
	for _, entry := range entries {
		if addressed.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	if len(names) != 1 {
		return "", found, fmt.Errorf("%s must hold one <domain>.<subdomain>.<service>.toml, it holds %v", folder, names)
	}
	text, err := os.ReadFile(filepath.Join(folder, names[0]))
	if err != nil {
		return "", found, err
	}
	found, err = parseManifest(string(text))
	if err != nil {
		return "", found, fmt.Errorf("%s: %w", names[0], err)
	}
	return strings.TrimSuffix(names[0], ".toml"), found, nil
}

// parseManifest reads the tables, texts and lists of texts of a manifest; numbers and the rest are the host's.
func parseManifest(text string) (manifest, error) {
	found := manifest{config: map[string]string{}}
	table, open := "", ""
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(open + withoutComment(line))
		open = ""
		if strings.HasPrefix(line, "[") && !strings.Contains(line, "=") {
			table = strings.Trim(line, "[] ")
			continue
		}
		key, value, isPair := strings.Cut(line, "=")
		if !isPair {
			continue
		}
		key, value = strings.Trim(key, " \""), strings.TrimSpace(value)
		if strings.HasPrefix(value, "[") && !strings.HasSuffix(value, "]") {
			open = line
			continue
		}
		if err := found.take(table, key, value); err != nil {
			return found, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return found, nil
}

func (m *manifest) take(table, key, value string) error {
	lists := map[string]*[]string{"/grants": &m.grants, "keyvalue/shared": &m.shared, "events/topics": &m.topics}
	if list := lists[table+"/"+key]; list != nil {
		// A comma after the last element is TOML and no JSON.
		value = strings.TrimRight(strings.TrimSuffix(value, "]"), ", ") + "]"
		if err := json.Unmarshal([]byte(value), list); err != nil {
			return fmt.Errorf("%s must be a list of texts: %w", key, err)
		}
	}
	if table == "config" {
		text, err := unquote(value)
		if err != nil {
			return fmt.Errorf("[config] %s must be a text, it is %s; put it in quotes", key, value)
		}
		m.config[key] = text
	}
	return nil
}

func unquote(value string) (text string, err error) {
	if len(value) >= 2 && value[0] == '\'' && value[len(value)-1] == '\'' {
		return value[1 : len(value)-1], nil
	}
	err = json.Unmarshal([]byte(value), &text)
	return text, err
}

// withoutComment takes off what follows a # outside quotes.
func withoutComment(line string) string {
	var quote rune
	for at, char := range line {
		switch {
		case quote == 0 && char == '#':
			return line[:at]
		case quote == 0 && (char == '"' || char == '\''):
			quote = char
		case char == quote && !strings.HasSuffix(line[:at], `\`):
			quote = 0
		}
	}
	return line
}
