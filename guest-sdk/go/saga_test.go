//go:build !wasip1

package saga_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"saga.step/saga"
	"saga.step/saga/config"
	"saga.step/saga/events"
	"saga.step/saga/keyvalue"
	"saga.step/saga/log"
	"saga.step/saga/sagatest"
)

type order struct {
	Amount  saga.Decimal `json:"amount"`
	Account saga.ID      `json:"account,omitempty"`
	Note    string       `json:"note,omitempty"`
}

func step(handle func(*saga.Context, order) (*saga.Result, error)) *saga.Step {
	return saga.New(handle, saga.NothingToUndo)
}

func TestADoneBodyKeepsWhatTheTypeDoesNotKnow(t *testing.T) {
	host := sagatest.For(t, step(func(_ *saga.Context, order order) (*saga.Result, error) {
		order.Note = "<paid> & é"
		return saga.Done(order), nil
	}))
	body := ` {"z":9007199254740993123, "amount":12.10,"Amount":"not ours","account":42 }`
	want := ` {"z":9007199254740993123, "amount":12.10,"Amount":"not ours","account":42,"note":"<paid> & é" }`
	if got := host.Handle(body).Done().Body; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestABodyOfAnotherTypeIsRefusedForGood(t *testing.T) {
	host := sagatest.For(t, step(func(*saga.Context, order) (*saga.Result, error) { return saga.Unchanged(), nil }))
	for _, body := range []string{`{"amount":true}`, `{"account":1.5}`, `[]`, `"x"`} {
		if code := host.Handle(body).Rejected().Code; code != saga.InvalidBody {
			t.Errorf("%s: %s", body, code)
		}
	}
	log := `{"a":`
	log += `1}`
	host = sagatest.For(t, saga.New(
		func(*saga.Context, order) (*saga.Result, error) { return saga.Unchanged(), nil },
		func(*saga.Context, order, *int) (*saga.Result, error) { return saga.Unchanged(), nil },
	))
	if code := host.Compensate(`{}`, &log).Rejected().Code; code != saga.InvalidCompensationLog {
		t.Errorf("the log: %s", code)
	}
}

func TestABodyWithoutARequiredMemberIsRefusedForGood(t *testing.T) {
	type strict struct {
		Order string `json:"order" saga:"required"`
	}
	host := sagatest.For(t, saga.New(
		func(_ *saga.Context, body strict) (*saga.Result, error) { return saga.Done(body), nil },
		saga.NothingToUndo,
	))
	refusal := host.Handle(`{"note":"x"}`).Rejected()
	if refusal.Code != saga.InvalidBody || !strings.Contains(refusal.Reason, "/order is missing") {
		t.Errorf("%+v", refusal)
	}
	host.Handle(`{"order":""}`).Done()
}

func TestAnErrorOfABucketSaysWhichOne(t *testing.T) {
	var answer error
	host := sagatest.For(t, step(func(*saga.Context, order) (*saga.Result, error) {
		_, answer = keyvalue.Shared("strangers")
		return nil, answer
	}))
	reason := host.Handle(`{}`).Retry().Reason
	if !errors.Is(answer, keyvalue.ErrNoSuchBucket) || !strings.Contains(reason, `the bucket "strangers"`) {
		t.Error(reason)
	}
}

func TestErrorsBecomeAnswers(t *testing.T) {
	var answer error
	host := sagatest.For(t, step(func(*saga.Context, order) (*saga.Result, error) { return nil, answer }))
	run := func(err error) *sagatest.Run {
		answer = err
		return host.Handle(`{}`)
	}
	if got := run(fmt.Errorf("asking the bank: %w", errors.New("no route"))).Retry(); got.Reason != "asking the bank: no route" || got.HasPause {
		t.Errorf("an error of any kind: %+v", got)
	}
	if got := run(fmt.Errorf("above: %w", saga.Rejected("no-money", "%d are missing", 3).WithDetails([]int{3}))).Rejected(); got.Code != "no-money" || got.Reason != "3 are missing" || got.Details != "[3]" {
		t.Errorf("a refusal below: %+v", got)
	}
	if got := run(saga.Retry("later").After(time.Second)).Retry(); got.Pause != time.Second {
		t.Errorf("a retry: %+v", got)
	}
	if got := run(saga.Wait("customer/42", "is not there").Timeout(time.Minute)).Waits(); got.Key != "customer/42" || got.Limit != time.Minute {
		t.Errorf("a wait: %+v", got)
	}
}

func TestAPanicIsARetryThatTellsWhere(t *testing.T) {
	host := sagatest.For(t, step(func(*saga.Context, order) (*saga.Result, error) {
		deep()
		return saga.Unchanged(), nil
	}))
	reason := host.Handle(`{}`).Retry().Reason
	if !strings.HasPrefix(reason, "panic: no paper\n") || !strings.Contains(reason, "deep") ||
		!strings.Contains(reason, "saga_test.go") || strings.Contains(reason, "runtime/debug") {
		t.Error(reason)
	}
	host = sagatest.For(t, step(func(*saga.Context, order) (*saga.Result, error) { return nil, nil }))
	if reason := host.Handle(`{}`).Retry().Reason; !strings.Contains(reason, "neither a result nor an error") {
		t.Error(reason)
	}
}

func deep() { panic("no paper") }

func TestEffectsStayOnlyIfTheAnswerIsDone(t *testing.T) {
	host := sagatest.For(t, saga.New(everything, saga.NothingToUndo)).Config("limit", "10").Shared("orders")
	run := host.Handle(`{"amount":5}`)
	run.Done()
	if len(run.Events) != 1 || run.Events[0].Body != `{"a":"<"}` || len(run.Signals) != 1 || !run.Logged("amount 5") || run.Logs[0].Context != "saga_test.everything" {
		t.Errorf("%+v", run)
	}
	var sum saga.Decimal
	if !host.Value("sum", &sum) || sum.String() != "5" {
		t.Errorf("the sum is %s", sum)
	}
	if run := host.Handle(`{"amount":6}`); run.Rejected().Code != "limit" || len(run.Events) != 0 {
		t.Errorf("%+v", run)
	}
	if host.Value("sum", &sum); sum.String() != "5" {
		t.Errorf("after a refusal the sum is %s", sum)
	}
}

func everything(_ *saga.Context, order order) (*saga.Result, error) {
	own, err := keyvalue.Own()
	if err != nil {
		return nil, err
	}
	var sum saga.Decimal
	if _, err := own.GetJSON("sum", &sum); err != nil {
		return nil, err
	}
	sum = sum.Add(order.Amount)
	log.Info("amount %s", order.Amount)
	err = errors.Join(own.SetJSON("sum", sum), events.Emit("a.b.c.in", map[string]string{"a": "<"}), events.Signal("k/1"))
	if err != nil {
		return nil, err
	}
	limit, _, err := config.Parse("limit", saga.ParseDecimal)
	if err != nil {
		return nil, err
	}
	if sum.Cmp(limit) > 0 {
		return nil, saga.Rejected("limit", "%s is above %s", sum, limit)
	}
	return saga.Done(order), nil
}

func TestWhatTheManifestDoesNotGrantIsRefused(t *testing.T) {
	host := sagatest.For(t, saga.New(everything, saga.NothingToUndo)).ManifestIn("testdata")
	if host.Context.Address != "shop.test.step" {
		t.Errorf("the address is %s", host.Context.Address)
	}
	reason := host.Handle(`{"amount":1}`).Retry().Reason
	if !strings.Contains(reason, "topic is refused: a.b.c.in is not among") {
		t.Error(reason)
	}
}

func TestADocumentChangesOnlyWhatIsSetOrDeleted(t *testing.T) {
	document, err := saga.ParseDocument(`{"z":1.10, "lines":[{"n":1.0},{"n":2.0}], "a/b":null}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Set("/lines/1/n", 7); err != nil {
		t.Fatal(err)
	}
	if deleted, err := document.Delete("/lines/0"); err != nil || !deleted {
		t.Fatal(deleted, err)
	}
	for _, change := range []struct {
		pointer string
		value   any
	}{{"/a~1b", "x"}, {"/lines/-", true}, {"/new", []int{}}} {
		if err := document.Set(change.pointer, change.value); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := document.String(), `{"z":1.10, "lines":[{"n":7},true], "a/b":"x","new":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := document.Set("/none/x", 1); err == nil {
		t.Error("there is nothing to set it in")
	}
	host := sagatest.For(t, saga.New(func(_ *saga.Context, body saga.Document) (*saga.Result, error) {
		return saga.Done(body), body.Set("/x", 1)
	}, saga.NothingToUndo))
	if got := host.Handle(` { "big" : 9007199254740993.10 , "x" : 0 } `).Done().Body; got != ` { "big" : 9007199254740993.10 , "x" : 0 } ` {
		t.Errorf("Done was called before Set: %s", got)
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	for _, text := range []string{"0", "12.10", "-0.50", "9007199254740993", "0.00000000000000000001", "-123456789012345678901.5"} {
		number, err := saga.ParseDecimal(text)
		if err != nil || number.String() != text {
			t.Errorf("%s became %s, %v", text, number, err)
		}
	}
	for text, want := range map[string]string{"1e3": "1000", "1.25E+1": "12.5", "5e-2": "0.05"} {
		if number, err := saga.ParseDecimal(text); err != nil || number.String() != want {
			t.Errorf("%s became %s, %v", text, number, err)
		}
	}
	for _, text := range []string{"", "-", ".", ".5", "5.", "1_000", "+1", "--1", "1e", "1e99", "nan", strings.Repeat("1", 40)} {
		if number, err := saga.ParseDecimal(text); err == nil {
			t.Errorf("%q became %s", text, number)
		}
	}
	sum := saga.NewDecimal(1, 1).Add(saga.NewDecimal(20, 2))
	if sum.String() != "0.30" || sum.Cmp(saga.NewDecimal(3, 1)) != 0 || sum.Sub(sum).Sign() != 0 {
		t.Errorf("0.1 + 0.20 is %s", sum)
	}
}
