package instance

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/internal/config"
)

// A panic is an answer and a line in the log, not the end of the process.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := New(&Environment{Stderr: &log, Now: time.Now}, nil, true)
	s.config, s.checked = &config.Config{}, "\n"
	s.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("a bug")) })
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body, _ := io.ReadAll(w.Result().Body)
	if w.Code != http.StatusInternalServerError || !strings.Contains(string(body), `"error":"server_error"`) || strings.Contains(string(body), "a bug") {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "instance_test.go") {
		t.Errorf("the log does not say what happened where: %s", log.String())
	}
}
