package jsontext

import (
	"fmt"
	"strings"
	"testing"
	"time"
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

type line struct {
	Sku   string `json:"sku" saga:"required"`
	Count *int   `json:"count"`
}

type bill struct {
	Number string          `json:"number" saga:"required"`
	Lines  []line          `json:"lines"`
	Named  map[string]line `json:"named"`
	First  *line           `json:"first"`
	Total  line            `json:"total,omitzero"`
}

func TestARequiredMemberMustBeThere(t *testing.T) {
	for text, place := range map[string]string{
		`{}`:              "/number",
		`{"Number":"1"}`:  "/number",
		`{"number":null}`: "/number",
		`null`:            "/number",
		`{"number":"1","lines":[{"sku":"a"},{}]}`:  "/lines/1/sku",
		`{"number":"1","named":{"x":{"count":1}}}`: "/named/x/sku",
		`{"number":"1","first":{}}`:                "/first/sku",
		`{"number":"1","total":{}}`:                "/total/sku",
	} {
		err := Read(text, new(bill))
		if want := place + " is missing, and it is required"; err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"number":"","first":null}`, `{"number":"1","number":"2"}`} {
		if err := Read(text, new(bill)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	var read *bill
	if err := Read(`null`, &read); err != nil || read != nil {
		t.Errorf("a pointer may be null: %v, %v", read, err)
	}
}

func TestOfAMemberThatStandsTwiceTheLastOneIsRead(t *testing.T) {
	var got bill
	err := Read(`{"first":{"sku":"a","count":1},"number":1,"number":"2","first":{"sku":"b"}}`, &got)
	if err != nil || got.Number != "2" || got.First.Sku != "b" || got.First.Count != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

type chain struct {
	Next  *chain  `json:"next"`
	Names []chain `json:"names"`
	Word  string  `json:"word" saga:"required"`
}

func TestATextThatIsNestedWithoutEndTakesNoTimeWithoutEnd(t *testing.T) {
	text := strings.Repeat(`{"word":"","next":`, 100_000)
	began := time.Now()
	for _, text := range []string{text, text + "null" + strings.Repeat("}", 100_000), strings.Repeat("[", 1<<20)} {
		var got []chain
		if err := Read(text, &got); err == nil {
			t.Errorf("%.20s was read", text)
		}
		var one chain
		if err := Read(text, &one); err == nil {
			t.Errorf("%.20s was read", text)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestATextThatBreaksOffIsAnError(t *testing.T) {
	whole := `{"word":"a","next":{"word":"b\"","Word":1},"names":[{"word":"c"},{"word":null,"word":"d"}]}`
	var got chain
	if err := Read(whole, &got); err != nil || len(got.Names) != 2 || got.Names[1].Word != "d" {
		t.Fatalf("%+v, %v", got, err)
	}
	for end := range whole {
		if err := Read(whole[:end], new(chain)); err == nil {
			t.Errorf("%s was read", whole[:end])
		}
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
