package main

import (
	"testing"

	"saga.step/saga"
	"saga.step/saga/sagatest"
)

const order = `{"id":9007199254740993,"account":"a-1","amount":0.10}`

func TestOrdersAddUpToTheLimit(t *testing.T) {
	host := sagatest.New(t).Config("limit", "0.25")
	body := host.Handle(order).Done().Body
	if want := `{"id":9007199254740993,"account":"a-1","amount":0.10,"total":0.10}`; body != want {
		t.Errorf("the body is %s, not %s", body, want)
	}
	host.Handle(order).Done()
	if code := host.Handle(order).Rejected().Code; code != "limit-exceeded" {
		t.Errorf("refused with %s", code)
	}
	if total := total(host); total != "0.20" {
		t.Errorf("the total is %s", total)
	}
}

func TestUndoneTheTotalIsWhatItWas(t *testing.T) {
	host := sagatest.New(t).Config("limit", "0.25")
	first := host.Handle(order)
	second := host.Handle(order)
	host.Undo(second).Done()
	if total := total(host); total != "0.10" {
		t.Errorf("after one undo the total is %s", total)
	}
	host.Undo(first).Done()
	if total := total(host); total != "0.00" {
		t.Errorf("after both the total is %s", total)
	}
}

func total(host *sagatest.Host) string {
	var total saga.Decimal
	host.Value("total/a-1", &total)
	return total.String()
}
