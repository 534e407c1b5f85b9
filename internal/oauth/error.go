// Package oauth is what every OAuth endpoint and client has in common: errors
// and answers on the wire (RFC 6749), forms, Authorization and Accept headers,
// scopes, and the URLs of people and apps with the rules by which they are compared.
package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Error is a failure that the caller is told (RFC 6749 section 5.2). Cause goes
// to the log only.
type Error struct {
	Status      int               // HTTP status
	Code        string            // the parameter error
	Description string            // the parameter error_description, for a person
	Header      map[string]string // further header fields, such as WWW-Authenticate
	Cause       error
}

// Error returns code, description and cause, for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Description + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// InvalidRequest is status 400 with the code invalid_request.
func InvalidRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: description}
}

// InvalidGrant is status 400 with the code invalid_grant: the code or refresh
// token is not valid, or not for this client.
func InvalidGrant(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_grant", Description: description}
}

// InvalidScope is status 400 with the code invalid_scope.
func InvalidScope(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_scope", Description: description}
}

// AccessDenied is status 400 with the code access_denied.
func AccessDenied(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "access_denied", Description: description}
}

// Unavailable is status 503: a fault of this program or of a server that it
// depends on, never the caller's. The caller may try again in 30 seconds.
func Unavailable(description string, cause error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
		Description: description, Cause: cause, Header: map[string]string{"Retry-After": "30"}}
}

// AsError finds the *Error in err; nil if there is none.
func AsError(err error) *Error {
	e := new(Error)
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// ToError is the *Error in err. Where there is none, the fault is this
// program's: 503 if it is transient (see store.IsTransient), else 500.
func ToError(err error, transient bool) *Error {
	if e := AsError(err); e != nil {
		return e
	}
	if transient {
		return Unavailable("the token database is busy, full or not writable; try again later", err)
	}
	return &Error{Status: http.StatusInternalServerError, Code: "server_error",
		Description: "something is wrong here; the owner finds the cause in the error log", Cause: err}
}

// PlainASCII is a text as error_description may contain it (RFC 6749 section 5.2).
// Letters of other alphabets are percent-encoded, so that none is lost.
func PlainASCII(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r > 0x7e:
			b.WriteString(url.PathEscape(string(r)))
		case r >= ' ' && r != '"' && r != '\\':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Reply is the error as JSON, or as a form for the old clients that want one.
func (e *Error) Reply(asForm bool) *Reply {
	r, _ := NewReply(struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description}, asForm) // two strings can always be encoded
	r.Status, r.Header = e.Status, e.Header
	return r
}
