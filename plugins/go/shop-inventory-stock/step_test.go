package main

import (
	"testing"

	"saga.step/saga/sagatest"
)

const order = `{"order-id":"o-1","item":"book","quantity":2,"amount":12.50,"gift":true}`

func TestStockIsTakenOutAndReleased(t *testing.T) {
	host := sagatest.New(t).ManifestIn(".")
	run := host.Handle(order)
	if body := run.Done().Body; body != order {
		t.Errorf("the body changed: %s", body)
	}
	stock := func() (stock uint64) {
		host.Value("stock/book", &stock)
		return stock
	}
	if stock() != 999_998 {
		t.Errorf("the stock is %d", stock())
	}
	host.Undo(run).Done()
	if stock() != 1_000_000 {
		t.Errorf("the stock is %d after the undo", stock())
	}
}

func TestMoreThanThereIsIsRefused(t *testing.T) {
	host := sagatest.New(t).ManifestIn(".").Config("opening-stock.book", "1")
	if refused := host.Handle(order).Rejected(); refused.Reason != "2 of book are asked, 1 are there" {
		t.Errorf("refused with %q", refused.Reason)
	}
}
