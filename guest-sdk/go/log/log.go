// Package log writes the log lines of a step. A line leaves at once, also when the call fails or is repeated: a log is no
// effect of the saga. No grant is needed. Never log a payload.
package log

import (
	"fmt"
	"runtime"
	"strings"

	"saga.step/saga/internal/host"
)

// Trace logs every little thing. Arguments as for fmt.Sprintf.
func Trace(format string, args ...any) { line(host.Trace, format, args) }

// Debug logs for the author of the step. Arguments as for fmt.Sprintf.
func Debug(format string, args ...any) { line(host.Debug, format, args) }

// Info logs what the operator may want to know. Arguments as for fmt.Sprintf.
func Info(format string, args ...any) { line(host.Info, format, args) }

// Warn logs what is unexpected, but handled. Arguments as for fmt.Sprintf.
func Warn(format string, args ...any) { line(host.Warn, format, args) }

// Error logs what somebody has to look at. Arguments as for fmt.Sprintf.
func Error(format string, args ...any) { line(host.Error, format, args) }

func line(level host.Level, format string, args []any) {
	host.Log(level, caller(), fmt.Sprintf(format, args...))
}

// caller is the function that logs, without the path of its package: three calls above this one.
func caller() string {
	pc, _, _, ok := runtime.Caller(3)
	if !ok {
		return "step"
	}
	name := runtime.FuncForPC(pc).Name()
	return name[strings.LastIndexByte(name, '/')+1:]
}
