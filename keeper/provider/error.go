package provider

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// Error is an answer of a provider that refuses (RFC 6749 section 5.2, or in a form
// of its own), or that cannot be used. It holds no secret that the provider was sent.
type Error struct {
	Status      int    // of HTTP; 0 if the browser brought the answer
	Code        string // as the provider wrote it; "" if there was none
	Description string
	Hint        string        // what to change in the configuration; "" if that is not to blame
	RetryAfter  time.Duration // as the provider asks; 0 if it does not
	refused     bool          // a JSON login, which has no codes, refused the credential
	page        bool          // the answer was a web page
	mute        bool          // the answer was 400 and said nothing
	silent      bool          // it said nothing, whatever its status
	meant       string        // its meaning, where only the request tells it; "" if its words do
}

func (e *Error) Error() string {
	s := "the provider answered"
	if e.Status != 0 {
		s += " " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Description != "" {
		s += " (" + e.Description + ")"
	}
	return s
}

var (
	// ErrNoRefreshToken says that there is nothing to refresh with.
	ErrNoRefreshToken = errors.New("there is no refresh token")
	// ErrNoRevocation says that the provider cannot be asked to revoke.
	ErrNoRevocation = errors.New("the provider has no revocation endpoint")
)

// unreachable is a request that failed on its way: a Fault that passes, whatever its
// cause is. The text of the cause may quote what the provider wrote, and with it secrets.
type unreachable struct {
	*fault.Fault
	cause error
}

func newUnreachable(err error, secrets []string) error {
	cause := err
	if outer, ok := errors.AsType[*url.Error](err); ok {
		cause = outer.Err // without the address
	}
	return &unreachable{&fault.Fault{Kind: fault.ErrTemporary, What: "asking the provider: " + text.Redact(cause.Error(), secrets)}, err}
}

// Unwrap is the Fault, then the cause, for errors.Is and errors.As; it is not for printing.
func (e *unreachable) Unwrap() []error { return []error{e.Fault, e.cause} }
