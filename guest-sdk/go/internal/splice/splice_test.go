package splice

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestWhatWasNotTouchedStaysByteForByte(t *testing.T) {
	cases := []struct{ name, raw, before, after, want string }{
		{"untouched", " {\"z\" : 9007199254740993,\n \"a\":1.0 }\n", `{"a":1}`, `{"a":1}`, " {\"z\" : 9007199254740993,\n \"a\":1.0 }\n"},
		{"changed", `{"z":18446744073709551616123, "s":"new", "a":-0.0}`, `{"s":"new"}`, `{"s":"paid"}`, `{"z":18446744073709551616123, "s":"paid", "a":-0.0}`},
		{"default not added", `{"a":1,"keep":1}`, `{"a":1,"s":""}`, `{"a":2,"s":""}`, `{"a":2,"keep":1}`},
		{"new at the end", "{\"a\":1,\n\"keep\":1\n}", `{"a":1}`, `{"a":1,"n":"x","m":2}`, "{\"a\":1,\n\"keep\":1,\"n\":\"x\",\"m\":2\n}"},
		{"first removed", `{ "a":1, "b":2, "c":3 }`, `{"a":1,"b":2,"c":3}`, `{"b":2,"c":3}`, `{ "b":2, "c":3 }`},
		{"last removed", `{ "a":1, "b":2 }`, `{"a":1,"b":2}`, `{"a":1}`, `{ "a":1 }`},
		{"only one removed", `{"a":1}`, `{"a":1}`, `{}`, `{}`},
		{"into an empty object", `{ }`, `{}`, `{"a":1}`, `{"a":1}`},
		{"escaped key", `{"\u0061mount":1.00,"x":1.00}`, `{"amount":1}`, `{"amount":2}`, `{"\u0061mount":2,"x":1.00}`},
		{"key twice", `{"x":1.0,"x":2.0}`, `{"x":2}`, `{"x":3}`, `{"x":1.0,"x":3}`},
		{"nested", `{"o":{"vip":true,"name":"x","s":0.50}}`, `{"o":{"name":"x"}}`, `{"o":{"name":"y"}}`, `{"o":{"vip":true,"name":"y","s":0.50}}`},
		{"element changed", `[{"i":1,"p":1.10}, {"i":2,"p":2.20}]`, `[{"i":1},{"i":2}]`, `[{"i":1},{"i":7}]`, `[{"i":1,"p":1.10}, {"i":7,"p":2.20}]`},
		{"element removed", `[{"i":1,"p":1.10}, {"i":2,"p":2.20}]`, `[{"i":1},{"i":2}]`, `[{"i":2}]`, `[{"i":2,"p":2.20}]`},
		{"elements moved", `[{"i":1,"p":1.10}, {"i":2,"p":2.20}]`, `[{"i":1},{"i":2}]`, `[{"i":2},{"i":1}]`, `[{"i":2,"p":2.20}, {"i":1,"p":1.10}]`},
		{"another kind", `{"a":{"b":1.0}}`, `{"a":{"b":1}}`, `{"a":null}`, `{"a":null}`},
		{"a scalar", ` [1.0] `, `[1]`, `1`, ` 1 `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Merge(c.raw, c.before, c.after); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A type that knows every member: what goes on means exactly what the step handed on, whatever it did.
func TestWhatGoesOnMeansWhatTheStepWrote(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		raw, after := value(random, 4), value(random, 4)
		before := text(t, raw)
		came := before
		if random.IntN(2) == 0 {
			pretty, err := json.MarshalIndent(raw, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			came = string(pretty)
		}
		got := Merge(came, before, text(t, after))
		var meant any
		if err := json.Unmarshal([]byte(got), &meant); err != nil {
			t.Fatalf("seed %d: %s and %s became %s: %v", seed, came, text(t, after), got, err)
		}
		if !reflect.DeepEqual(meant, after) {
			t.Fatalf("seed %d: %s and %s became %s", seed, came, text(t, after), got)
		}
	}
}

func text(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func value(random *rand.Rand, depth int) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch random.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return random.IntN(2) == 0
	case 2:
		return float64(random.IntN(2000) - 1000)
	case 3:
		words := []string{"", "a", `"`, `\`, "},{", "[é]", "a:b"}
		return words[random.IntN(len(words))]
	case 4:
		list := []any{}
		for range random.IntN(5) {
			list = append(list, value(random, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range random.IntN(5) {
			object[fmt.Sprintf("k%d\"", random.IntN(6))] = value(random, depth-1)
		}
		return object
	}
}
