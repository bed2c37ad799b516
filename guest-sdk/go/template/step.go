// The saga step {{address}}: counts an account's orders, up to a limit, and takes an order off again.
// Change it into what you need: the two functions are all there is.
package main

import (
	"saga.step/saga"
	"saga.step/saga/config"
	"saga.step/saga/keyvalue"
	"saga.step/saga/log"
)

// Order is what of the body this step reads and writes. Members it does not name go on untouched, in order, digit for
// digit.
type Order struct {
	Account saga.ID      `json:"account"`
	Amount  saga.Decimal `json:"amount"`
	// New in the body: the next step sees it.
	Total *saga.Decimal `json:"total,omitempty"`
}

// Do the work. Writes to keyvalue commit together with the answer, if that is done; an error means "technical, try
// again"; saga.Rejected is a refusal, which turns the saga round.
func handle(ctx *saga.Context, order Order) (*saga.Result, error) {
	totals, err := keyvalue.Own()
	if err != nil {
		return nil, err
	}
	key := "total/" + order.Account.String()
	var total saga.Decimal
	if _, err := totals.GetJSON(key, &total); err != nil {
		return nil, err
	}
	total = total.Add(order.Amount)
	limit, limited, err := config.Parse("limit", saga.ParseDecimal)
	if err != nil {
		return nil, err
	}
	if limited && total.Cmp(limit) > 0 {
		return nil, saga.Rejected("limit-exceeded", "account %s would come to %s, its limit is %s", order.Account, total, limit)
	}
	if err := totals.SetJSON(key, total); err != nil {
		return nil, err
	}
	log.Info("saga %s: account %s comes to %s", ctx.GlobalID, order.Account, total)
	order.Total = &total
	return saga.Done(order).WithCompensation(order.Amount), nil
}

// Undo what handle did, with what it left in the log. Called only if a later step turned the saga round.
func compensate(_ *saga.Context, order Order, added *saga.Decimal) (*saga.Result, error) {
	totals, err := keyvalue.Own()
	if err != nil {
		return nil, err
	}
	key := "total/" + order.Account.String()
	var total saga.Decimal
	if _, err := totals.GetJSON(key, &total); err != nil {
		return nil, err
	}
	if added != nil {
		total = total.Sub(*added)
	}
	if err := totals.SetJSON(key, total); err != nil {
		return nil, err
	}
	return saga.Done(order), nil
}

func init() { saga.Register(handle, compensate) }

func main() {}
