package jsontext

import (
	"fmt"
	"testing"
)

type inner struct {
	Sku string `json:"sku"`
}

type outer struct {
	inner
	Amount int              `json:"amount"`
	Lines  []inner          `json:"lines"`
	Named  map[string]inner `json:"named"`
	Any    any              `json:"any"`
	Dash   string           `json:"-,"`
	Hidden string           `json:"-"`
}

func TestNamesOfMembersAreComparedExactly(t *testing.T) {
	var got outer
	err := Read(`{"SKU":"no","sku":"a","Amount":"no","amount":1,"lines":[{"Sku":"no"},{"sku":"b"}],
		"named":{"SKU":{"sKu":"no"}},"any":{"Sku":1},"-":"d","Hidden":"no","hidden":"no"}`, &got)
	want := outer{inner{"a"}, 1, []inner{{}, {"b"}}, map[string]inner{"SKU": {}}, map[string]any{"Sku": 1}, "d", ""}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestNumbersInAnAnyKeepTheirDigits(t *testing.T) {
	var got any
	if err := Read(` {"n": 9007199254740993, "d": 0.10, "h": "<&>"} `, &got); err != nil {
		t.Fatal(err)
	}
	if text, err := Write(got); err != nil || text != `{"d":0.10,"h":"<&>","n":9007199254740993}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestOneTextIsOneText(t *testing.T) {
	for _, text := range []string{"", " ", "1 2", "{} x", "{"} {
		var got any
		if err := Read(text, &got); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
