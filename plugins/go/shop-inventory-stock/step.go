// The saga step shop.inventory.stock: reserves what an order needs of an item, and releases it again. A redelivered
// message takes nothing out twice: the host applies the writes of one message once.
package main

import (
	"strconv"

	"saga.step/saga"
	"saga.step/saga/config"
	"saga.step/saga/keyvalue"
	"saga.step/saga/log"
)

// Order is what of the body this step reads. Members it does not name go on to the next step untouched.
type Order struct {
	Item     saga.ID `json:"item" saga:"required"`
	Quantity uint64  `json:"quantity" saga:"required"`
}

// Reserved is what was taken out: handed back to compensate, whatever later steps make of the body.
type Reserved struct {
	Key      string `json:"key"`
	Quantity uint64 `json:"quantity"`
}

func handle(_ *saga.Context, order Order) (*saga.Result, error) {
	stocks, err := keyvalue.Own()
	if err != nil {
		return nil, err
	}
	key := "stock/" + order.Item.String()
	var stock uint64
	known, err := stocks.GetJSON(key, &stock)
	if err == nil && !known {
		stock, err = openingStock(order.Item)
	}
	if err != nil {
		return nil, err
	}
	if stock < order.Quantity {
		return nil, saga.Rejected("out-of-stock", "%d of %s are asked, %d are there", order.Quantity, order.Item, stock)
	}
	if err := stocks.SetJSON(key, stock-order.Quantity); err != nil {
		return nil, err
	}
	return saga.Unchanged().WithCompensation(Reserved{Key: key, Quantity: order.Quantity}), nil
}

func compensate(_ *saga.Context, _ Order, reserved *Reserved) (*saga.Result, error) {
	if reserved == nil {
		return nil, saga.Rejected("no-compensation-log", "it is not known what was reserved")
	}
	stocks, err := keyvalue.Own()
	if err != nil {
		return nil, err
	}
	var stock uint64
	if _, err := stocks.GetJSON(reserved.Key, &stock); err != nil {
		return nil, err
	}
	if stock+reserved.Quantity < stock {
		return nil, saga.Rejected("stock-too-high", "%d and %d of %s are more than can be counted",
			stock, reserved.Quantity, reserved.Key)
	}
	if err := stocks.SetJSON(reserved.Key, stock+reserved.Quantity); err != nil {
		return nil, err
	}
	log.Info("%d of %s are released", reserved.Quantity, reserved.Key)
	return saga.Unchanged(), nil
}

// What there is of an item that was never asked for: its own figure in the manifest, or that for all items.
func openingStock(item saga.ID) (uint64, error) {
	parse := func(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) }
	stock, known, err := config.Parse("opening-stock."+item.String(), parse)
	if err != nil || known {
		return stock, err
	}
	stock, _, err = config.Parse("opening-stock", parse)
	return stock, err
}

func init() { saga.Register(handle, compensate) }

func main() {}
