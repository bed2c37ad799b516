package main

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"saga.step/saga"
	"saga.step/saga/config"
	"saga.step/saga/events"
	"saga.step/saga/keyvalue"
	"saga.step/saga/log"
)

// Calls that this instance served.
var calls int

// Drawn when the instance begins.
var seed = maphash.MakeSeed()

// The order of the keys of a map, which Go draws for each.
var order = keysInOrder()

// Acts that change the typed body, which then goes on.
var changes = map[string]func(*Body) error{
	"set":      func(body *Body) error { body.Note = body.To; return nil },
	"remove":   func(body *Body) error { body.Note = nil; return nil },
	"inner":    setInner,
	"item":     growItem,
	"append":   appendItem,
	"drop":     dropItem,
	"add":      add,
	"increase": increase,
	"config":   readConfig,
	"keyvalue": useOwn,
	"shared":   useShared,
	"foreign":  openForeign,
	"emit":     emit,
	"astray":   func(body *Body) error { return events.Emit(body.to(), struct{}{}) },
	"log":      logAtEachLevel,
	"chance":   chance,
	"clock":    func(body *Body) error { body.leave("%d", time.Now().UnixMilli()); return nil },
	"calls":    func(body *Body) error { body.leave("%d", calls); return nil },
	"loop":     func(*Body) error { spin(); return nil },
	"grow":     func(*Body) error { grow(); return nil },
}

func setInner(body *Body) error {
	if body.Inner != nil {
		body.Inner.Note = body.To
	}
	return nil
}

func growItem(body *Body) error {
	for index := range body.Items {
		if body.Items[index].Name == body.to() {
			body.Items[index].Count++
		}
	}
	return nil
}

func appendItem(body *Body) error {
	body.Items = append(body.Items, Item{body.to(), 1})
	return nil
}

func dropItem(body *Body) error {
	body.Items = slices.DeleteFunc(body.Items, func(item Item) bool { return item.Name == body.to() })
	return nil
}

func add(body *Body) error {
	if body.Amount != nil && body.Plus != nil {
		sum := body.Amount.Add(*body.Plus)
		body.Amount = &sum
	}
	return nil
}

func increase(body *Body) error {
	if body.Count != nil {
		*body.Count++
	}
	return nil
}

func readConfig(body *Body) error {
	text, found, err := config.Get(body.to())
	if err != nil {
		return err
	}
	if !found {
		text = "(none)"
	}
	body.leave("%s", text)
	return nil
}

func useOwn(body *Body) error {
	bucket, err := keyvalue.Own()
	if err != nil {
		return err
	}
	return use(bucket, body)
}

func useShared(body *Body) error {
	bucket, err := keyvalue.Shared("orders")
	if err != nil {
		return err
	}
	return use(bucket, body)
}

func use(bucket keyvalue.Bucket, body *Body) error {
	if err := bucket.Set("a", []byte(body.to())); err != nil {
		return err
	}
	if err := bucket.Delete("b"); err != nil {
		return err
	}
	value, _, err := bucket.Get("a")
	if err != nil {
		return err
	}
	there := "no"
	found, err := bucket.Exists("b")
	if err != nil {
		return err
	}
	if found {
		there = "yes"
	}
	keys, err := bucket.Keys()
	if err != nil {
		return err
	}
	body.leave("a=%s, b=%s, keys=%s", value, there, strings.Join(keys, ","))
	return nil
}

func openForeign(*Body) error {
	_, err := keyvalue.Shared("strangers")
	return err
}

func emit(body *Body) error {
	if err := events.Emit("shop.orders.shipped", Inner{body.To}); err != nil {
		return err
	}
	return events.Signal("customer/" + body.note())
}

func logAtEachLevel(body *Body) error {
	for _, say := range []func(string, ...any){log.Trace, log.Debug, log.Info, log.Warn, log.Error} {
		say("%s", body.to())
	}
	return nil
}

func chance(body *Body) error {
	body.leave("%d:%d/%s", rand.Uint64(), maphash.String(seed, "a text"), order)
	return nil
}

func keysInOrder() string {
	many := make(map[int]bool)
	for key := range 64 {
		many[key] = true
	}
	return fmt.Sprint(slices.Collect(maps.Keys(many)))
}

func spin() {
	value := uint64(1)
	for value != 0 {
		value *= 6_364_136_223_846_793_005
	}
}

func grow() {
	var kept [][]byte
	for {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func remember(body Body) (*saga.Result, error) {
	var log json.RawMessage
	if err := json.Unmarshal([]byte(body.to()), &log); err != nil {
		return nil, err
	}
	return saga.Done(body).WithCompensation(log), nil
}
