package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/term"

	"mintkeep/keeper"
)

// Asking a person, or standard input, for what must not be an argument.

func (c *Command) interactive() bool {
	return c.Stdin != nil && term.IsTerminal(int(c.Stdin.Fd()))
}

// ask asks a person at a terminal. Where there is nobody, it is missing, with that hint.
func (c *Command) ask(what, hint string) (string, error) {
	if !c.interactive() {
		return "", c.usageErrorf("%s is missing\nhint: %s", strings.ToLower(what[:1])+what[1:], hint)
	}
	fmt.Fprintf(c.Stderr, "%s: ", what)
	var line []byte
	for b := make([]byte, 1); ; { // a byte at a time: the rest is for the next question
		n, err := c.Stdin.Read(b)
		if n == 1 && b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		answer := strings.TrimSpace(string(line))
		if answer == "" {
			if err == io.EOF {
				err = nil
			}
			return "", errors.Join(fmt.Errorf("%s: no answer", c.verb.name), err)
		}
		return answer, nil
	}
}

// secret reads a secret from a file, a terminal without echo, or standard input,
// without the line break at its end.
func (c *Command) secret(prompt, file string) (keeper.Secret, error) {
	var text []byte
	var err error
	switch {
	case file != "" && file != "-":
		text, err = os.ReadFile(file)
	case c.interactive():
		text, err = c.hidden(prompt)
	default:
		text, err = io.ReadAll(io.LimitReader(c.Stdin, 64<<10))
	}
	if err != nil {
		return "", wrap("reading the secret", err)
	}
	return keeper.Secret(strings.TrimRight(string(text), "\r\n")), nil
}

// hidden reads a line that the terminal does not show. A person who gives up
// gets the terminal back as it was.
func (c *Command) hidden(prompt string) ([]byte, error) {
	fd := int(c.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	go func() {
		<-stop
		term.Restore(fd, before)
		os.Exit(1)
	}()
	fmt.Fprintf(c.Stderr, "%s: ", prompt)
	defer fmt.Fprintln(c.Stderr)
	return term.ReadPassword(fd)
}

// browser starts the browser of a person who sits at a desktop; nil if there is none.
func (c *Command) browser() func(string) error {
	words := []string{"xdg-open"}
	switch {
	case runtime.GOOS == "darwin":
		words = []string{"open"}
	case runtime.GOOS == "windows":
		words = []string{"rundll32", "url.dll,FileProtocolHandler"}
	case c.Getenv("DISPLAY") == "" && c.Getenv("WAYLAND_DISPLAY") == "":
		return nil
	}
	return func(address string) error {
		browser := exec.Command(words[0], append(words[1:], address)...)
		for name, value := range c.Env {
			if name != "MINTKEEP_KEY" {
				browser.Env = append(browser.Env, name+"="+value)
			}
		}
		return browser.Start()
	}
}
