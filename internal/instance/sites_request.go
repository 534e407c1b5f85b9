package instance

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"

	"mintkeep/internal/oauth"
)

// receive reads the body of a request before it takes a place of its site: who sends it
// slowly holds none. What is more than any form has is left to be refused.
func receive(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	start, err := io.ReadAll(io.LimitReader(r.Body, oauth.MaxBody+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failing{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), r.Body}
}

// failing is the rest of a body that did not come whole.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// hostName is the host that a request is for, in lower case and without port.
func hostName(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}
