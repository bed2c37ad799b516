// Package saga makes a step of a saga of two functions: handle does the work, compensate undoes it. The host calls them,
// delivers, retries, stores and publishes. README.md shows the whole of a useful step.
package saga

// The step that this program exports.
var registered *Step

// Register makes two functions the step of this program. Call it once, from init:
//
//	func init() { saga.Register(handle, compensate) }
//
//	func main() {}
//
// The bodies and the compensation log are read and written with encoding/json. The log is nil if handle left none. For a
// step that leaves nothing behind, compensate is [NothingToUndo].
//
// A panic in either is caught: the host gets a retry whose reason holds the panic's words and its stack trace.
func Register[B, C, L any](
	handle func(*Context, B) (*Result, error),
	compensate func(*Context, C, *L) (*Result, error),
) {
	if registered != nil {
		panic("saga.Register is called twice; a program is one step")
	}
	registered = New(handle, compensate)
}

// Registered is the step that [Register] was called with; nil if it was not. For tests.
func Registered() *Step {
	return registered
}
