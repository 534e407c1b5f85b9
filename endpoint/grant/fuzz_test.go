package grant

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
)

const (
	likeAccess  = "mka_000000000000000000000000000000000000000000012dFLN6"
	oldMintoken = "e631cc814a4759443bd9678b7745bdb9c086cf52a4ffc6b12309589bdfe9634a_b6896e7ef22445d0"
)

// FuzzToken: a token is of one kind at most, has one spelling, and no change of
// one character goes unseen.
func FuzzToken(f *testing.F) {
	f.Add(likeAccess, 10, byte('x'))
	f.Add(string(secret.New(prefixAccess)), 4, byte('0'))
	f.Add(string(secret.New(prefixRefresh)), 52, byte('z'))
	f.Add(oldMintoken, 64, byte('-'))
	f.Add(strings.ToUpper(oldMintoken), 0, byte('a'))
	f.Add("", 0, byte(0))
	f.Fuzz(func(t *testing.T, text string, at int, c byte) {
		s := secret.Secret(text)
		kinds := 0
		for _, prefix := range []string{prefixAccess, prefixRefresh, prefixCode, prefixServer} {
			if s.WellFormed(prefix) {
				kinds++
				if whole := prefix + text[len(prefix):len(text)-6]; whole+checksum(whole) != text {
					t.Fatalf("%q is well-formed", text)
				}
			}
		}
		if id, hashed, old := mintokenParts(s); old {
			kinds++
			if id+"_"+hex.EncodeToString(hashed) != text {
				t.Fatalf("%q is spelled %s_%x", text, id, hashed)
			}
		}
		if kinds > 1 {
			t.Fatalf("%q is of %d kinds", text, kinds)
		}
		if fmt.Sprint(s) != "[hidden]" || fmt.Sprintf("%v %s", s, s) != "[hidden] [hidden]" {
			t.Fatal("a secret shows itself")
		}
		for _, prefix := range []string{prefixAccess, prefixRefresh} {
			fresh := []byte(secret.New(prefix))
			if !secret.Secret(fresh).WellFormed(prefix) {
				t.Fatalf("%q is not well-formed", fresh)
			}
			i := int(uint(at) % uint(len(fresh)))
			if fresh[i] == c {
				continue
			}
			fresh[i] = c
			if secret.Secret(fresh).WellFormed(prefix) {
				t.Fatalf("%q is well-formed", fresh)
			}
		}
	})
}

// FuzzCode: all spellings that Selfauth takes for one code are one to the
// ledger, other codes are others, and a shape is short and clean.
func FuzzCode(f *testing.F) {
	mac := strings.Repeat("0a", 32)
	f.Add("6a3f"+":"+mac+":"+"Y3JlYXRl", "=", "0")
	f.Add("6a3f:"+strings.ToUpper(mac)+":", "!", "00")
	f.Add("abc", "x", "y")
	f.Add("a%3Ab", "", "")
	f.Add("é:::", "\xff", "-_.~")
	f.Fuzz(func(t *testing.T, code, behind, before string) {
		parts := strings.SplitN(code, ":", 3)
		if len(parts) == 3 && len(parts[1]) == 64 && isHex(parts[0]) && isHex(parts[1]) {
			if codeKey(code) != codeKey(code+behind) || isHex(before) && codeKey(code) != codeKey(before+code) {
				t.Fatalf("%q has several keys", code)
			}
		} else if behind != "" && codeKey(code) == codeKey(code+behind) {
			t.Fatalf("%q and %q have one key", code, code+behind)
		}
		if s := shape(code); len(s) > 40 || !utf8.ValidString(s) || strings.Trim(s, "hw") == "" && len(s) > 1 {
			t.Fatalf("%q has the shape %q", code, s)
		}
	})
}

// FuzzReply: an answer is the same in JSON, in a form and after it was sealed;
// and only the token it was sealed with opens it.
func FuzzReply(f *testing.F) {
	f.Add("create update", "https://jane.example/", int64(7776000), likeAccess)
	f.Add("<&>\u2028", "https://é.example/?a=b&c=d", int64(-1), "")
	f.Fuzz(func(t *testing.T, scope, me string, seconds int64, token string) {
		if !utf8.ValidString(scope) || !utf8.ValidString(me) {
			return // refused where they come in
		}
		in := &TokenResponse{Scope: scope, Me: me, ExpiresIn: seconds}
		sealed, err := sealReply(secret.Secret(token), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(token) > 20 && strings.Contains(string(sealed), token) || len(scope) > 8 && strings.Contains(string(sealed), scope) {
			t.Fatal("the sealed answer is readable")
		}
		out, err := openReply(secret.Secret(token), sealed)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []bool{false, true} {
			a, err1 := oauth.NewReply(in, form)
			b, err2 := oauth.NewReply(out, form)
			if err1 != nil || err2 != nil || string(a.Body) != string(b.Body) || a.ContentType != b.ContentType {
				t.Fatalf("%s became %s, %v %v", a.Body, b.Body, err1, err2)
			}
		}
		form, _ := oauth.NewReply(in, true)
		v, err := url.ParseQuery(string(form.Body))
		if err != nil || v.Get("scope") != scope || v.Get("me") != me || seconds != 0 && v.Get("expires_in") != fmt.Sprint(seconds) {
			t.Fatalf("%v, %v", v, err)
		}
		if _, err := openReply(secret.Secret(token+"x"), sealed); err == nil {
			t.Fatal("another token opens the answer")
		}
		sealed[len(sealed)/2] ^= 1
		if _, err := openReply(secret.Secret(token), sealed); err == nil {
			t.Fatal("a changed answer is opened")
		}
	})
}

// checksum is the end of a secret, computed apart from package secret: CRC-32 in
// six digits of base 62.
func checksum(s string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	text, n := "", crc32.ChecksumIEEE([]byte(s))
	for range 6 {
		text, n = string(digits[n%62])+text, n/62
	}
	return text
}
