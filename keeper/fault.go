package keeper

import (
	"errors"
	"strings"
	"time"
)

// The kinds of failure a caller may want to tell apart with errors.Is.
var (
	ErrUnknown = errors.New("not found")          // no such connection, provider or key
	ErrExists  = errors.New("already there")      // the name is taken
	ErrRefused = errors.New("refused")            // what was asked for makes no sense
	ErrDead    = errors.New("connect again")      // only a person can bring this connection back
	ErrFailing = errors.New("failing for now")    // the provider cannot be reached; try later
	ErrDenied  = errors.New("denied")             // the person or the provider said no
	ErrExpired = errors.New("expired")            // the person was too slow
	ErrKey     = errors.New("sealing key")        // the sealing key is missing, wrong or unsafe
	ErrSealed  = errors.New("cannot be unsealed") // a sealed value was moved, cut or made elsewhere
)

// Fault is an error with its kind and, where there is one, what to do about it.
type Fault struct {
	Kind       error         // one of the Err values
	What       string        // doing what, and why not
	Hint       string        // what a person can do; "" if nothing
	RetryAfter time.Duration // for ErrFailing
	Err        error         // the cause; may be nil
}

// Error is one line, and a second one with the hint where there is one.
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

// Unwrap makes errors.Is see both the kind and the cause.
func (f *Fault) Unwrap() []error {
	if f.Err == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Err}
}

func refuse(what, hint string) error {
	return &Fault{Kind: ErrRefused, What: what, Hint: hint}
}

// nameFits reports whether s can be a user, a connection or a provider: it
// stands in URLs, in log lines and on a terminal.
func nameFits(s string) bool {
	if s == "" || len(s) > 200 || s == "." || s == ".." || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return steers(r) || r == '/' || r == 0xfffd })
}
