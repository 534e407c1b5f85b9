package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// httpError is an error with its answer.
type httpError struct {
	status           int
	code, desc       string
	allow, challenge string
	retryAfter       time.Duration
}

func (e *httpError) Error() string { return e.desc }

func badRequest(format string, args ...any) error {
	return &httpError{status: http.StatusBadRequest, code: "invalid_request", desc: fmt.Sprintf(format, args...)}
}

func forbidden(code, desc string) error {
	return &httpError{status: http.StatusForbidden, code: code, desc: desc}
}

func notFound(desc string) error {
	return &httpError{status: http.StatusNotFound, code: "not_found", desc: desc}
}

func unknownToken(name string) error { return notFound(fmt.Sprintf("no token %q", name)) }

func notAllowed(allow string) error {
	return &httpError{status: http.StatusMethodNotAllowed, code: "invalid_request", desc: "method not allowed here", allow: allow}
}

// toHTTPError turns any error into an answer. What is not known to be fit for
// outsiders becomes server_error without detail.
func toHTTPError(err error) *httpError {
	var known *httpError
	var fault *keeper.Fault
	var answer *provider.Error
	switch {
	case errors.As(err, &known):
		return known
	case store.IsTransient(err):
		return &httpError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", desc: "the database is busy or full", retryAfter: 5 * time.Second}
	case errors.As(err, &fault) && !errors.Is(err, keeper.ErrKey) && !errors.Is(err, keeper.ErrSealed):
		return faultToHTTPError(fault)
	case errors.As(err, &answer):
		return &httpError{status: http.StatusBadGateway, code: "provider_error", desc: answer.Error()}
	}
	return &httpError{status: http.StatusInternalServerError, code: "server_error", desc: "something is wrong here; the cause is in the error log"}
}

func faultToHTTPError(f *keeper.Fault) *httpError {
	e := &httpError{status: http.StatusBadRequest, code: "invalid_request", desc: strings.ReplaceAll(f.Error(), "\nhint: ", "; "), retryAfter: f.RetryAfter}
	switch f.Kind {
	case keeper.ErrUnknown:
		e.status, e.code = http.StatusNotFound, "not_found"
	case keeper.ErrReauthorize:
		e.status, e.code = http.StatusConflict, "connect_again"
	case keeper.ErrTemporary:
		e.status, e.code = http.StatusServiceUnavailable, "temporarily_unavailable"
	case keeper.ErrDenied:
		e.status, e.code = http.StatusForbidden, "access_denied"
	}
	return e
}

func (h *Handler) setErrorHeaders(w http.ResponseWriter, r *http.Request, e *httpError, err error) {
	if e.status >= 500 && h.Keeper.Log != nil {
		h.Keeper.Log.Error("keeper", "path", r.URL.Path, "status", e.status, "err", text.FirstLine(err.Error()))
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(e.retryAfter/time.Second))))
	}
}

// writeError is the only writer of API errors: RFC 6749 section 5.2, and for
// the Tokens API also `detail`, where its clients look.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error, detail bool) {
	e := toHTTPError(err)
	h.setErrorHeaders(w, r, e, err)
	body := map[string]string{"error": e.code, "error_description": e.desc}
	if detail {
		body["detail"] = e.desc
	}
	writeJSON(w, e.status, body)
}

func (h *Handler) writePageError(w http.ResponseWriter, r *http.Request, err error) {
	e := toHTTPError(err)
	h.setErrorHeaders(w, r, e, err)
	h.writePage(w, e.status, "Not connected", strings.ToUpper(e.desc[:1])+e.desc[1:]+".")
}

func (h *Handler) writePage(w http.ResponseWriter, status int, title string, paragraphs ...string) {
	if h.Page != nil {
		h.Page(w, status, title, paragraphs...)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, title+"\n\n"+strings.Join(paragraphs, "\n")+"\n")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
