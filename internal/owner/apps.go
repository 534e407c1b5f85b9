package owner

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

// maxEnded is how many ended keys are listed; the newest suffice.
const maxEnded = 50

// unusedAfter is how long an app that has access may be silent before it is marked.
const unusedAfter = 60 * 24 * time.Hour

type appsPage struct {
	common
	Notice    string // what was just done
	Fault     string // what the person should mend
	Apps      []*app
	Everybody bool // the access is not only the person's own
	Ended     []key
	EndedKeys int // how many there are
	Me        string
	Lines     *endpoint.Lines // for the home page, where there is no app yet
}

// An app is a client_id with what it was allowed; each time is a key.
type app struct {
	ClientID, Name, May string
	Keys                []key
	LastUse, LastSign   time.Time // LastSign is its last use, or else its beginning
	Unused              bool
	Here                bool // on the person's own computer
	ByHand              bool
}

// A key is one grant; a zero time is never.
type key struct {
	ID, ClientID, Me     string
	Scopes               []scope
	Server               string // who asked for it last
	Resource             oauth.Resource
	Since, LastUse, Ends time.Time
	ByHand               bool
	Fixed                bool   // it ends then, used or not
	How                  string // how it ended, if it has
}

// A scope is a scope with words for it, and a box that can be ticked.
type scope struct {
	Scope, Words string
	Ticked       bool
}

func scopesOf(list string) []scope {
	var all []scope
	for word := range strings.FieldsSeq(list) {
		all = append(all, scope{Scope: word, Words: oauth.ScopeWords(word)})
	}
	return all
}

// nobodyIsAdmin says why there are fewer pages than there could be (case F10).
func nobodyIsAdmin(me string) string {
	return "Nobody is the administrator here, so connections, sites and keys, log and settings are hidden. To have them, add the line “admin: " + me +
		"” to the configuration file; in a shell: mintkeep setting admin " + me
}

// apps is the first page: which apps have access, and what they may do with it.
func (p *Pages) apps(q *request) (*reply, error) {
	all, err := p.In.Grants.Authorizations(q.ctx(), q.st, q.filterMe())
	if err != nil {
		return nil, err
	}
	v := appsPage{common: newCommon(p, q), Everybody: q.admin() && len(q.st.Me) != 1, Me: q.session.Me}
	v.Notice = map[string]string{
		"one": "The access is revoked.", "app": "The app has no access any more.", "all": "Nothing has access any more.",
	}[q.form["done"]]
	if len(q.st.Admins) == 0 {
		v.Fault = nobodyIsAdmin(q.session.Me)
	}
	ended := 0
	for _, a := range all {
		if a.Active() {
			v.add(newKey(a, q.st))
			continue
		}
		if ended++; ended <= maxEnded {
			v.Ended = append(v.Ended, newKey(a, q.st))
		}
	}
	v.EndedKeys = ended
	if len(v.Apps) == 0 {
		v.Lines = p.In.Lines(q.ctx(), q.st, 10*time.Second)
	}
	v.finish(namesOf(p, q, v.Apps), q.now)
	d := p.newPage(q, "", "Apps", "apps.html", v)
	d.Lead = sentence(plural(len(v.Apps), "app or script has access.", "apps and scripts have access."))
	d.Acts = []page.Link{{URL: p.url("make"), Text: "Make a token"}}
	if len(v.Apps) == 0 {
		d.Heading, d.Lead, d.Acts = "Welcome", "You are signed in, so the hard part is done. No app has access yet.", nil
	}
	return &reply{page: d}, nil
}

func (v *appsPage) add(k key) {
	i := slices.IndexFunc(v.Apps, func(a *app) bool { return a.ClientID == k.ClientID })
	if i < 0 {
		i, v.Apps = len(v.Apps), append(v.Apps, &app{ClientID: k.ClientID})
	}
	v.Apps[i].Keys = append(v.Apps[i].Keys, k)
}

// namesOf are how the apps are called.
func namesOf(p *Pages, q *request, apps []*app) map[string]string {
	var ids []string
	for _, a := range apps {
		ids = append(ids, a.ClientID)
	}
	return p.In.Authorize.ClientNames(q.ctx(), ids)
}

// finish fills in what the row of an app says, and sorts by last use.
func (v *appsPage) finish(names map[string]string, now time.Time) {
	for _, a := range v.Apps {
		a.Name = cmp.Or(names[a.ClientID], page.Short(a.ClientID))
		u, err := oauth.Parse(a.ClientID)
		a.Here, a.ByHand = err == nil && oauth.IsLoopback(u.Hostname()), true
		var words []string
		for _, k := range a.Keys {
			a.ByHand = a.ByHand && k.ByHand
			for _, t := range []time.Time{k.LastUse, k.Since} {
				if t.After(a.LastSign) {
					a.LastSign = t
				}
			}
			if k.LastUse.After(a.LastUse) {
				a.LastUse = k.LastUse
			}
			for _, s := range k.Scopes {
				if word := shortWords(s.Scope); !slices.Contains(words, word) {
					words = append(words, word)
				}
			}
		}
		a.May, a.Unused = fewWords(words), now.Sub(a.LastSign) >= unusedAfter
	}
	slices.SortStableFunc(v.Apps, func(a, b *app) int { return cmp.Or(b.LastUse.Compare(a.LastUse), b.LastSign.Compare(a.LastSign)) })
}

// fewWords are the first of a list, and how many more there are.
func fewWords(words []string) string {
	const shown = 4
	if len(words) > shown {
		words = append(slices.Clone(words[:shown-1]), strconv.Itoa(len(words)-shown+1)+" more")
	}
	return strings.Join(words, ", ")
}

// shortWords is a scope in a row of a list.
func shortWords(scope string) string {
	return cmp.Or(map[string]string{
		"create": "publish", "post": "publish", "draft": "drafts", "update": "change", "undelete": "bring back", "media": "upload",
		"save": "save links", "profile": "who you are",
	}[scope], scope)
}

func newKey(a *grant.Authorization, st *grant.Settings) key {
	k := key{ID: a.ID, ClientID: a.ClientID, Me: a.Me, Scopes: scopesOf(a.Scope), Server: a.Server, Resource: a.Resource,
		Since: a.Since, LastUse: a.LastUse, Ends: a.ExpiresAt(st), ByHand: a.MintedManually, How: "ended without use"}
	k.Fixed = k.Ends.Equal(a.Revoked)
	if a.Status == "revoked" {
		k.How, k.Ends = "revoked", a.Revoked
		if !a.Ended {
			k.How = "ended"
		}
	}
	return k
}
