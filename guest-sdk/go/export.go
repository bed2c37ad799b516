//go:build wasip1

package saga

import (
	"unsafe"

	"saga.step/saga/internal/abi"
	"saga.step/saga/internal/host"
)

// Where the host reads the outcome of a call.
var outcomeArea abi.Area

//go:wasmexport saga:step/step@0.1.0#handle
func exportHandle(at unsafe.Pointer) unsafe.Pointer {
	context := contextAt(unsafe.Add(at, abi.HandleCallContext))
	return answer(context, abi.Text(at, abi.HandleCallBody), nil)
}

//go:wasmexport saga:step/step@0.1.0#compensate
func exportCompensate(at unsafe.Pointer) unsafe.Pointer {
	context := contextAt(unsafe.Add(at, abi.CompensateCallContext))
	log := abi.TextIf(at, abi.CompensateCallCompensationLog, abi.CompensateCallCompensationLogValue)
	return answer(context, abi.Text(at, abi.CompensateCallBody), log)
}

// The host has read the outcome.
//
//go:wasmexport cabi_post_saga:step/step@0.1.0#handle
func endHandle(unsafe.Pointer) { outcomeArea.Clear() }

//go:wasmexport cabi_post_saga:step/step@0.1.0#compensate
func endCompensate(unsafe.Pointer) { outcomeArea.Clear() }

// answer makes the call and writes its outcome. By now all arguments are copied.
func answer(context *Context, body string, log *string) unsafe.Pointer {
	abi.RewindAll()
	outcomeArea.Clear()
	if registered == nil {
		lower(&outcomeArea, Outcome{Retry: Retry("this program registered no step; call saga.Register from init")})
		return outcomeArea.At()
	}
	outcome := registered.Call(context, body, log)
	host.EndCall()
	lower(&outcomeArea, outcome)
	return outcomeArea.At()
}

func lower(area *abi.Area, outcome Outcome) {
	const payload = abi.OutcomePayload
	switch {
	case outcome.Done != nil:
		area.PutByte(0, abi.OutcomeDone)
		area.PutText(payload+abi.DoneBody, outcome.Done.Body)
		area.PutTextIf(payload+abi.DoneCompensation, payload+abi.DoneCompensationValue, outcome.Done.Compensation)
	case outcome.Rejected != nil:
		area.PutByte(0, abi.OutcomeRejected)
		area.PutText(payload+abi.RejectedCode, outcome.Rejected.Code)
		area.PutText(payload+abi.RejectedReason, outcome.Rejected.Reason)
		if details := outcome.Rejected.Details; details != "" {
			area.PutTextIf(payload+abi.RejectedDetails, payload+abi.RejectedDetailsValue, &details)
		}
	case outcome.Retry != nil:
		area.PutByte(0, abi.OutcomeRetry)
		area.PutText(payload+abi.RetryReason, outcome.Retry.Reason)
		if outcome.Retry.HasPause {
			area.PutByte(payload+abi.RetryAfterMS, 1)
			area.PutWord(payload+abi.RetryAfterMSValue, milliseconds(outcome.Retry.Pause))
		}
	case outcome.Wait != nil:
		area.PutByte(0, abi.OutcomeWait)
		area.PutText(payload+abi.WaitKey, outcome.Wait.Key)
		area.PutText(payload+abi.WaitReason, outcome.Wait.Reason)
		if outcome.Wait.HasLimit {
			area.PutByte(payload+abi.WaitTimeoutMS, 1)
			area.PutWord(payload+abi.WaitTimeoutMSValue, milliseconds(outcome.Wait.Limit))
		}
	}
}

func contextAt(at unsafe.Pointer) *Context {
	context := &Context{
		GlobalID:       abi.Text(at, abi.ContextGlobalID),
		UseCase:        abi.TextIf(at, abi.ContextUseCase, abi.ContextUseCaseValue),
		Address:        abi.Text(at, abi.ContextAddress),
		Position:       abi.Word(at, abi.ContextPosition),
		Direction:      Direction(abi.Byte(at, abi.ContextDirection)),
		Attempt:        abi.Word(at, abi.ContextAttempt),
		IdempotencyKey: abi.Text(at, abi.ContextIdempotencyKey),
		Deadline:       abi.TextIf(at, abi.ContextDeadline, abi.ContextDeadlineValue),
		Signalled:      abi.TextIf(at, abi.ContextSignalled, abi.ContextSignalledValue),
	}
	if abi.Byte(at, abi.ContextUseCaseVersion) != 0 {
		version := abi.Word(at, abi.ContextUseCaseVersionValue)
		context.UseCaseVersion = &version
	}
	if abi.Byte(at, abi.ContextFailure) != 0 {
		context.Failure = failureAt(unsafe.Add(at, abi.ContextFailureValue))
	}
	abi.List(at, abi.ContextHeaders, abi.ContextHeadersElementSize, func(header unsafe.Pointer) {
		context.Headers = append(context.Headers, Header{Name: abi.Text(header, 0), Value: abi.Text(header, 8)})
	})
	return context
}

func failureAt(at unsafe.Pointer) *Failure {
	return &Failure{
		Position: abi.Word(at, abi.FailurePosition),
		Address:  abi.Text(at, abi.FailureAddress),
		Kind:     abi.Text(at, abi.FailureKind),
		Code:     abi.Text(at, abi.FailureCode),
		Reason:   abi.Text(at, abi.FailureReason),
	}
}
