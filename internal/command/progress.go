package command

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// isTerminal reports whether what is written goes to a person.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress tells a person at a terminal, each second on one line, what is being
// done and how far it is, which far says; nil says how long it has taken. Call stop
// when it is done: the line goes away.
func (c *Command) progress(doing string, far func() string) (stop func()) {
	if !isTerminal(c.Stderr) {
		return func() {}
	}
	begun, done := time.Now(), make(chan struct{})
	if far == nil {
		far = func() string { return fmt.Sprintf("%.0f s", time.Since(begun).Seconds()) }
	}
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(c.Stderr, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprintf(c.Stderr, "\r\x1b[K%s … %s", doing, far())
			}
		}
	})
	return func() { close(done); all.Wait() }
}

// sizeOf says how much of a file there is, compared with a whole one.
func sizeOf(part, whole string) func() string {
	return func() string {
		a, err1 := os.Stat(part)
		b, err2 := os.Stat(whole)
		if err1 != nil || err2 != nil || b.Size() == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d MB", a.Size()>>20, b.Size()>>20)
	}
}
