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

func (in *Command) interactive() bool {
	return in.Stdin != nil && term.IsTerminal(int(in.Stdin.Fd()))
}

// ask asks a person at a terminal. Where there is nobody, the flag is missing.
func (in *Command) ask(what, missing string) (string, error) {
	if !in.interactive() {
		return "", usageError(fmt.Sprintf("%s: %s is missing\nhint: -%s", in.verb.name, strings.ToLower(what[:1])+what[1:], missing))
	}
	fmt.Fprintf(in.Stderr, "%s: ", what)
	var line []byte
	for b := make([]byte, 1); ; { // a byte at a time: the rest is for the next question
		n, err := in.Stdin.Read(b)
		if n == 1 && b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		answer := strings.TrimSpace(string(line))
		if answer == "" {
			return "", errors.Join(fmt.Errorf("%s: no answer", in.verb.name), ignoreEOF(err))
		}
		return answer, nil
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// secret reads a secret from -secret-file, a terminal without echo, or
// standard input, without the line break at its end.
func (in *Command) secret(prompt string) (keeper.Secret, error) {
	var text []byte
	var err error
	switch file := in.strings["secret-file"]; {
	case file != nil && *file != "" && *file != "-":
		text, err = os.ReadFile(*file)
	case in.interactive():
		text, err = in.hidden(prompt)
	default:
		text, err = io.ReadAll(io.LimitReader(in.Stdin, 64<<10))
	}
	if err != nil {
		return "", wrap("reading the secret", err)
	}
	return keeper.Secret(strings.TrimRight(string(text), "\r\n")), nil
}

// hidden reads a line that the terminal does not show. A person who gives up
// gets the terminal back as it was.
func (in *Command) hidden(prompt string) ([]byte, error) {
	fd := int(in.Stdin.Fd())
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
	fmt.Fprintf(in.Stderr, "%s: ", prompt)
	defer fmt.Fprintln(in.Stderr)
	return term.ReadPassword(fd)
}

// browser starts the browser of a person who sits at a desktop; nil if there is none.
func (in *Command) browser() func(string) error {
	program := "xdg-open"
	switch {
	case runtime.GOOS == "darwin":
		program = "open"
	case in.Getenv("DISPLAY") == "" && in.Getenv("WAYLAND_DISPLAY") == "":
		return nil
	}
	return func(address string) error {
		c := exec.Command(program, address)
		for name, value := range in.Env {
			if name != "MINTKEEP_KEY" {
				c.Env = append(c.Env, name+"="+value)
			}
		}
		return c.Start()
	}
}
