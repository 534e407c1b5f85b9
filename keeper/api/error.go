package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
	"mintkeep/keeper"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

func newError(status int, code, description string) *oauth.Error {
	return &oauth.Error{Status: status, Code: code, Description: description}
}

func badRequest(format string, args ...any) *oauth.Error {
	return oauth.InvalidRequest(fmt.Sprintf(format, args...))
}

func forbidden(description string) *oauth.Error {
	return newError(http.StatusForbidden, "access_denied", description)
}

func notFound(description string) *oauth.Error {
	return newError(http.StatusNotFound, "not_found", description)
}

func unknownToken(name string) error { return notFound(fmt.Sprintf("no token %q", name)) }

func notAllowed(allow string) error {
	e := newError(http.StatusMethodNotAllowed, "invalid_request", "method not allowed here")
	e.Header = map[string]string{"Allow": allow}
	return e
}

func retryLater(description string, after time.Duration) *oauth.Error {
	e := oauth.Unavailable(description, nil)
	e.Header["Retry-After"] = strconv.Itoa(max(1, int(after/time.Second)))
	return e
}

// toHTTPError turns any error into an answer, and logs it if it is no fault of
// the caller. What is not known to be fit for outsiders becomes server_error
// without detail.
func (h *Handler) toHTTPError(r *http.Request, err error) *oauth.Error {
	e := oauth.AsError(err)
	var fault *keeper.Fault
	var answer *provider.Error
	switch {
	case e != nil:
	case store.IsTransient(err) && !errors.Is(err, keeper.ErrTemporary): // that may be a provider which hangs
		e = retryLater("the database is busy or full", 5*time.Second)
	case errors.As(err, &fault) && !errors.Is(err, keeper.ErrKey) && !errors.Is(err, keeper.ErrSealed):
		e = faultToHTTPError(fault)
	case errors.As(err, &answer):
		e = newError(http.StatusBadGateway, "provider_error", strings.TrimSuffix(answer.Error()+"; "+answer.Hint, "; "))
	default:
		e = newError(http.StatusInternalServerError, "server_error", "something is wrong here; the cause is in the error log")
	}
	if e.Status >= 500 && h.Keeper.Log != nil {
		h.Keeper.Log.Error("keeper", "path", r.URL.Path, "status", e.Status, "err", text.FirstLine(err.Error()))
	}
	return e
}

func faultToHTTPError(f *keeper.Fault) *oauth.Error {
	description := strings.ReplaceAll(f.Error(), "\nhint: ", "; ")
	switch f.Kind {
	case keeper.ErrUnknown:
		return notFound(description)
	case keeper.ErrReauthorize:
		return newError(http.StatusConflict, "connect_again", description)
	case keeper.ErrTemporary:
		return retryLater(description, f.RetryAfter)
	case keeper.ErrDenied:
		return forbidden(description)
	}
	return oauth.InvalidRequest(description)
}

// writeError writes an error of the API: RFC 6749 section 5.2, and for the Tokens
// API also `detail`, where its clients look.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error, detail bool) {
	e := h.toHTTPError(r, err)
	reply := e.Reply(false)
	if detail {
		reply, _ = oauth.NewReply(map[string]string{"error": e.Code, "error_description": e.Description, "detail": e.Description}, false)
		reply.Status, reply.Header = e.Status, e.Header
	}
	reply.Write(w, false)
}

func (h *Handler) writePageError(w http.ResponseWriter, r *http.Request, err error) {
	e := h.toHTTPError(r, err)
	for name, value := range e.Header {
		w.Header().Set(name, value)
	}
	h.writePage(w, e.Status, "Not connected", strings.ToUpper(e.Description[:1])+e.Description[1:]+".")
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
