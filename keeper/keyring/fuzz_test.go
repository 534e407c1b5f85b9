package keyring

import (
	"database/sql"
	"strings"
	"testing"

	"mintkeep/internal/secret"
)

func FuzzUnseal(f *testing.F) {
	k, err := newKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	at := AssociatedData{"t", "c", []string{"row"}}
	sealed := k.Seal("hello", at).String
	f.Add(sealed)
	f.Add("mks1." + k.id + ".")
	f.Add("mks1..")
	for _, more := range []string{"\n", "\r", "=", "A", "."} {
		if _, err := (&Keyring{keys: []Key{k}}).Open(sql.NullString{String: sealed + more, Valid: true}, at); err == nil {
			f.Errorf("opens with %q behind it", more)
		}
	}
	f.Add("")
	r := &Keyring{keys: []Key{k}, source: Source{Value: secret.Secret(strings.Repeat("A", 43))}}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := r.Open(sql.NullString{String: s, Valid: true}, at)
		if err == nil && got != "hello" { // workers seal with nonces of their own
			t.Errorf("%q opened as %q", s, string(got))
		}
	})
}
