package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A database that is taken away from a running process is not made again, empty:
// every token would be unknown.
func TestDatabaseTakenAway(t *testing.T) {
	c := &config{database: filepath.Join(t.TempDir(), "tokens.db"), journal: "rollback"}
	db, err := openDatabase(t.Context(), c, opening{now: time.Now(), longRunning: true, create: always})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetConnMaxLifetime(time.Nanosecond) // each statement on a connection of its own
	if err := os.Rename(c.database, c.database+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := userVersion(t.Context(), db); !unavailable(err) {
		t.Errorf("without the file: %v", err)
	}
	if _, err := os.Stat(c.database); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made again: %v", err)
	}
	os.Rename(c.database+".away", c.database)
	if v, err := userVersion(t.Context(), db); err != nil || v != schemaVersion {
		t.Errorf("with it: %d, %v", v, err)
	}
}

// A panic is an answer and a line in the log, not the end of the process.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := newSite(&process{stderr: &log, now: time.Now}, nil, true)
	s.config, s.checked = &config{}, "\n"
	s.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("a bug")) })
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body, _ := io.ReadAll(w.Result().Body)
	if w.Code != http.StatusInternalServerError || !strings.Contains(string(body), `"error":"server_error"`) || strings.Contains(string(body), "a bug") {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "open_test.go") {
		t.Errorf("the log does not say what happened where: %s", log.String())
	}
}
