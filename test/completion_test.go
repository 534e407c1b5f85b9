package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// completion writes what a verb completion prints into a file.
func completion(t *testing.T, shell, name string) string {
	t.Helper()
	out, err := exec.Command(released(t), "completion", shell).Output()
	file := filepath.Join(t.TempDir(), name)
	if err == nil {
		err = os.WriteFile(file, out, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// saidBy runs a program for at most half a minute and returns all that it prints.
func saidBy(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=dumb", "HOME="+t.TempDir())
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// The manual page is read without a complaint by what formats it.
func TestManual(t *testing.T) {
	page := completion(t, "man", "mintkeep.1")
	t.Run("groff", func(t *testing.T) {
		tools.Need(t, "groff", "groff")
		if said := saidBy(t, "groff", "-man", "-ww", "-z", "-Kutf8", "-Tutf8", page); said != "" {
			t.Error(said)
		}
	})
	t.Run("man", func(t *testing.T) {
		tools.Need(t, "man-db", "man")
		said := saidBy(t, "man", "--warnings", "-l", page)
		if !strings.HasPrefix(said, "MINTKEEP(1)") || strings.Contains(said, "warning") {
			t.Error(said)
		}
	})
}

// Each shell that there is completes a verb, its word and its flag, the first time somebody asks.
func TestCompletion(t *testing.T) {
	t.Run("bash", func(t *testing.T) {
		tools.Need(t, "bash", "bash")
		said := saidBy(t, "bash", "-euc", `. "$0"; for words in "mintkeep tok" "mintkeep token rev" "mintkeep get -min" "mintkeep log -site"; do
			COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mintkeep; echo "${COMPREPLY[@]}"; done`, completion(t, "bash", "mintkeep"))
		if said != "token\nrevoke\n-min-ttl\n-sites -site\n" {
			t.Error(said)
		}
	})
	t.Run("fish", func(t *testing.T) {
		tools.Need(t, "fish", "fish")
		said := saidBy(t, "fish", "-Nc", `source `+completion(t, "fish", "mintkeep.fish")+`
			for words in "mintkeep tok" "mintkeep token rev" "mintkeep get -min"; complete -C $words; end`)
		if !strings.HasPrefix(said, "token\tthe tokens") || !strings.HasSuffix(said, "\nrevoke\n-min-ttl\n") {
			t.Error(said)
		}
	})
	t.Run("zsh", func(t *testing.T) { // in a terminal, the file found as any other
		tools.Need(t, "zsh", "zsh")
		said := saidBy(t, "zsh", "-fc", `zmodload zsh/zpty; zpty z "zsh -f -i"
			zpty -w z 'fpath=('$0' $fpath); autoload -U compinit; compinit -u -D; mintkeep() { print "<$*>" }; print rea''dy'
			zpty -r -m z line '*ready*'
			zpty -w z $'mintkeep tok\t rev\t'
			zpty -r -m z line '*<*>*'; print -r -- $line`, filepath.Dir(completion(t, "zsh", "_mintkeep")))
		if !strings.Contains(said, "<token revoke>") {
			t.Error(said)
		}
	})
}
