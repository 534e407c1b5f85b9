package test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// arguments watches the command lines of all processes of a program, until
// stopped, and returns what it saw.
func arguments(bin string) (stop func() []byte) {
	end, seen := make(chan struct{}), make(chan []byte)
	go func() {
		var all []byte
		for {
			select {
			case <-end:
				seen <- all
				return
			case <-time.After(time.Millisecond):
			}
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, name := range lines {
				if line, _ := os.ReadFile(name); bytes.HasPrefix(line, []byte(bin)) && !bytes.Contains(all, line) {
					all = append(all, line...)
				}
			}
		}
	}()
	return func() []byte { close(end); return <-seen }
}

// What other sites gave the owner is in no file but sealed, in no log, and in
// no command line: neither while everything goes well nor in the words of a
// provider that repeats what it was sent.
func TestKeepSecretsNowhere(t *testing.T) {
	k := newKeepSite(t)
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		tools.Missing(t, "/proc", "Linux has it")
	}
	stop := arguments(k.bin)
	box, _ := k.box(func(b *keepertest.Provider) { b.Rotate, b.DetectReuse = true, true })
	secrets := []string{keepertest.ClientSecret, keepertest.Password, "planted-key", "planted-refresh", "box-access-", "box-refresh-"}
	keyFile, err := os.ReadFile(k.path("mintkeep.key"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(keyFile))
	secrets = append(secrets, fields[len(fields)-1])
	said := ""
	verb := func(stdin string, args ...string) {
		out, err, _ := k.run(stdin, args...)
		if args[0] != "get" && args[0] != "apikey" {
			said += out
		}
		said += err
	}
	verb("planted-key", "connect", "openai")
	out, _, _ := k.run("", "apikey", "add", "k", "-write")
	key := out
	k.serve("-journal", "wal", "-errorlog", k.path("error.log"))
	secrets = append(secrets, key)
	k.fetch("POST", "v2/users/u/tokens", key, `{"integration_key":"google","provider":"google","token_type":"oauth2",
		"token_data":{"access_token":"planted-key","refresh_token":"planted-refresh","expires_in":3600}}`)
	for range 3 {
		k.expire()
		if status, body := k.fetch("GET", "keep/token?provider=box", key, ""); status != http.StatusOK {
			t.Fatal(body)
		}
		verb("", "get", "box")
	}
	k.expire()
	box.Fail("/token", 1, 400, `{"error":"invalid_grant","error_description":"do not know box-refresh-000008-secret of client-secret-of-the-box"}`)
	verb("", "get", "box")
	k.fetch("GET", "keep/token?provider=box", key, "")
	box.Fail("/revoke", 1, 503)
	verb("", "forget", "box", "-even-if-revoke-fails")
	verb("", "connections")
	verb("", "key", "rotate")
	verb("", "log")
	if _, err := os.Stat(k.path("tokens.db-wal")); err != nil {
		t.Error("there was no write-ahead log to search")
	}
	lines := stop()
	if !bytes.Contains(lines, []byte("connect")) || !bytes.Contains(lines, []byte("serve")) {
		t.Errorf("the command lines seen are only %q", lines)
	}
	if err := os.Remove(k.path("mintkeep.key")); err != nil {
		t.Fatal(err)
	}
	searchSecrets(t, k.dir, secrets)
	for _, secret := range secrets {
		for what, text := range map[string]string{"a command line": string(lines), "what verbs said": said, "the log": k.stderr.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s contains %q", what, secret)
			}
		}
	}
}
