package instance

import (
	"io"
	"log/slog"
	"os"
)

// NewLog writes to stderr and, if one is named, to the error log.
func NewLog(stderr io.Writer, file string) *slog.Logger {
	to := stderr
	if file != "" {
		to = io.MultiWriter(stderr, appendFile(file))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

// An appendFile is opened for each write: most requests write nothing. What
// cannot be written to it is still on stderr.
type appendFile string

func (name appendFile) Write(p []byte) (int, error) {
	f, err := os.OpenFile(string(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return len(p), nil
	}
	defer f.Close()
	f.Write(p)
	return len(p), nil
}
