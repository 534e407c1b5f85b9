// Mintkeep is an IndieAuth token endpoint for people with a web host: it mints
// tokens for one's own site, and keeps the tokens that other sites gave one.
//
// One binary, one SQLite file. How it was started decides what it is: a CGI
// script, a FastCGI process, or a command. See the README.
package main

import (
	_ "embed"
	"os"
	"strings"
	"time"

	"mintkeep/internal/command"
	"mintkeep/internal/instance"
	"mintkeep/internal/serve"
)

//go:embed schema.sql
var schema string

// version is the release that this is, or will be: whoever builds it, with whatever, it says so.
//
//go:embed deploy/VERSION
var version string

func main() { os.Exit(run(started(instance.SystemClock))) }

// started is the environment that the system started the program in, with the
// clock that it is to go by.
func started(now func() time.Time) *instance.Environment {
	env := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return &instance.Environment{Args: os.Args[1:], Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: now,
		Version: strings.TrimSpace(version), Schema: schema, Settings: settings(), EndpointSettings: endpointSettings}
}

// run decides the mode from the environment, before any argument is looked at:
// in CGI the arguments can come from the query string. It returns the exit status.
func run(e *instance.Environment) int {
	switch {
	case serve.IsCGI(e.Env):
		return serve.CGI(e)
	case !serve.HasSystemdSockets(e.Env) && serve.IsListening(e.Stdin):
		return serve.Inherited(e)
	}
	return command.Run(e)
}
