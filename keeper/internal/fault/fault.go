// Package fault has the errors of the outbound half that people read. Package
// keeper gives its names to callers.
package fault

import (
	"errors"
	"strings"
	"time"
)

// The kinds of failure a caller may want to tell apart with errors.Is.
var (
	ErrUnknown     = errors.New("not found")
	ErrExists      = errors.New("already there")
	ErrInvalid     = errors.New("refused")
	ErrReauthorize = errors.New("connect again")
	ErrTemporary   = errors.New("failing for now")
	ErrDenied      = errors.New("denied")
	ErrExpired     = errors.New("expired")
	ErrKey         = errors.New("sealing key")
	ErrSealed      = errors.New("cannot be unsealed")
)

// Fault is an error with its kind and, where there is one, what to do about it.
type Fault struct {
	Kind       error         // one of the Err values
	What       string        // what was being done, and why it failed
	Hint       string        // what a person can do; "" if nothing
	RetryAfter time.Duration // with ErrTemporary: when to try again; 0 if not known
	Err        error         // the cause; may be nil
}

// Error is one line, followed by a line "hint: …" where there is a hint.
func (f *Fault) Error() string {
	s := f.What
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	if f.Hint != "" && !strings.Contains(s, "\nhint: ") {
		s += "\nhint: " + f.Hint
	}
	return s
}

// Unwrap lets errors.Is see both the kind and the cause.
func (f *Fault) Unwrap() []error {
	if f.Err == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Err}
}

// Invalid is a Fault of kind ErrInvalid; hint may be "".
func Invalid(what, hint string) error {
	return &Fault{Kind: ErrInvalid, What: what, Hint: hint}
}
