package owner_test

import (
	"net/http"
	"strings"
	"testing"

	"mintkeep/endpoint/grant"
)

// Case F4: who Selfauth says one is, and who this site is for.
func TestSignInOfAnotherPersonF4(t *testing.T) {
	for _, me := range []string{"https://www.jane.example/", "https://jane.example/home", "https://other.example/", "http://jane.example/"} {
		h := newHouse(t)
		h.set(func(st *grant.Settings) { st.Me, st.Admins = []string{me}, []string{me} })
		v := h.visitor()
		s := v.get(v.toCallback(jane, "").String())
		s.shows(t, http.StatusForbidden, "Selfauth says that you are "+jane+"; this site is for "+me, "correct USER_URL", "Sign in as "+me)
		if n := h.count(`SELECT count(*) FROM sessions`); n != 0 {
			t.Errorf("%s: %d sessions", me, n)
		}
	}
}

// Case F10: two people, and nobody is the administrator.
func TestNobodyIsAdministratorF10(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.Admins = nil })
	v := h.signedIn(jane)
	v.get("").shows(t, http.StatusOK, "Nobody is the administrator", "admin: "+jane, "mintkeep setting admin "+jane)
	h.set(func(st *grant.Settings) { st.Admins = []string{jane} })
	v.get("").hides(t, "Nobody is the administrator")
}

// Case E14: neighbours on the host name receive its cookies.
func TestNeighboursOnTheHostE14(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	for _, path := range []string{"/~jane/token", "/%7Ejane/token"} {
		h.In.URL = strings.TrimSuffix(h.In.URL, "/token") + path
		h.In.Authorize.URL, h.SharedHost = h.In.URL, false
		for _, word := range []string{"", "/log", "/signin"} {
			v.get(word).shows(t, http.StatusForbidden, "other people have pages on the host", "shared_host: yes")
		}
		h.SharedHost = true
		v.get("").shows(t, http.StatusOK, "Sign in")
		h.In.URL = strings.TrimSuffix(h.In.URL, path) + "/token"
	}
}

// TestMakeSaysWhatIsWrong: what cannot be an address or a scope is told as that, and not
// as a fault of ours.
func TestMakeSaysWhatIsWrong(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	for client, says := range map[string]string{
		"https://192.168.0.10/": "its host is not a domain name", "https://app.example/#x": "it has a fragment", "https://u@app.example/": "it has a user name in it",
		"https://app.example/a b": "characters that a URL cannot have", "https://app.example/../x": "segments", "ftp://app.example/": "begins with https://",
		"app.example": "it is not a full URL", "https://app.example/" + strings.Repeat("x", 255): "at most 255 characters",
	} {
		v.post("/make", "client", client, "scope", "create").shows(t, http.StatusBadRequest, says)
	}
	for _, scope := range []string{`no"pe`, "schön", `a\b`} {
		v.post("/make", "name", "x", "scope", "create", "other", scope).shows(t, http.StatusBadRequest, "A scope is a word of plain letters")
	}
	if n := h.count(`SELECT count(*) FROM tokens`); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}
