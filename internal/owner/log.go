package owner

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mintkeep/internal/page"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

const eventsPerPage = 50

type logPage struct {
	Days     []*day
	Warnings bool   // nothing else is shown
	Older    string // address of the next page, if there is one
}

// A day is what happened on it, newest first.
type day struct {
	Day    string
	Events []logEvent
}

// A logEvent is an event in words: who did what, a sign for its kind, and the warning
// if a person must not overlook it.
type logEvent struct {
	store.Event
	Who, Did, Sign, Class, Warning, Details string
}

// A kind of event has a sign and words; whose stands before the words.
type kind struct{ sign, class, whose, did string }

const (
	byApp        = "app"
	byConnection = "connection"
	byPerson     = "person"
)

// kindOf is the kind of an event.
func kindOf(event string) kind {
	k, known := map[string]kind{
		"issued":          {"+", "good", byApp, "got access"},
		"made":            {"+", "good", byApp, "got a token by hand"},
		"refreshed":       {"↻", "", byApp, "renewed its token"},
		"revoked":         {"−", "", byApp, "lost its access"},
		"refused":         {"×", "", byApp, "was refused"},
		"replay":          {"!", "bad alarm", byApp, "showed a code for the second time"},
		"reuse":           {"!", "bad alarm", byApp, "showed an old refresh token again"},
		"signed in":       {"→", "", byPerson, "signed in here"},
		"signed out":      {"←", "", byPerson, "signed out"},
		"setting":         {"✎", "", byPerson, "changed a setting"},
		"downloaded":      {"↓", "", byPerson, "downloaded the database"},
		"server added":    {"+", "good", "A site", "that checks access was added"},
		"server removed":  {"−", "", "A site", "that checks access was removed"},
		"api key added":   {"+", "good", "An API key", "was made"},
		"api key removed": {"−", "", "An API key", "was removed"},
		"read":            {"→", "", byConnection, "was fetched by a script"},
		"recovered":       {"✓", "good", byConnection, "works again"},
		"failing":         {"!", "warn", byConnection, "fails"},
		"failed":          {"!", "warn", "The sign-in page", "has to be mended"},
		"ends soon":       {"!", "warn", byConnection, "ends soon"},
		"dead":            {"!", "warn", byConnection, "is broken"},
		"connected":       {"+", "good", byConnection, "was connected"},
		"forgotten":       {"−", "", byConnection, "was forgotten"},
	}[event]
	if !known {
		return kind{"·", "", "mintkeep:", event}
	}
	return k
}

// warningKinds are the events that somebody must not overlook.
func warningKinds() []string {
	return []string{"replay", "reuse", "failed", "failing", "ends soon", "dead"}
}

// log is GET BASE/owner/log: what happened, newest first, from before the event
// that the parameter before names; with only=warnings nothing else.
func (p *Pages) log(q *request) (*reply, error) {
	before, _ := strconv.ParseInt(q.form["before"], 10, 64)
	v, kinds := logPage{Warnings: q.form["only"] == "warnings"}, []string(nil)
	if v.Warnings {
		kinds = warningKinds()
	}
	events, err := store.Events(q.ctx(), p.In.Grants.DB, before, eventsPerPage+1, kinds...)
	if err != nil {
		return nil, err
	}
	names, err := knownNames(q, p, events)
	if err != nil {
		return nil, err
	}
	for _, e := range events[:min(len(events), eventsPerPage)] {
		date := e.At.UTC().Format("Monday, 2 January 2006")
		if len(v.Days) == 0 || v.Days[len(v.Days)-1].Day != date {
			v.Days = append(v.Days, &day{Day: date})
		}
		last := v.Days[len(v.Days)-1]
		last.Events = append(last.Events, newLogEvent(e, names))
	}
	if len(events) > eventsPerPage {
		last := strconv.FormatInt(events[eventsPerPage-1].ID, 10)
		v.Older = p.url("log") + "?" + url.Values{"only": {q.form["only"]}, "before": {last}}.Encode()
	}
	d := p.newPage(q, "log", "Log", "log.html", v)
	d.Acts = []page.Link{{URL: p.url("log"), Text: "Everything", Current: !v.Warnings},
		{URL: p.url("log") + "?only=warnings", Text: "Only warnings", Current: v.Warnings}}
	return &reply{page: d}, nil
}

// knownNames are the names of the apps of some events, as far as they are known:
// strangers cause events, so no page is read for them.
func knownNames(q *request, p *Pages, events []store.Event) (map[string]string, error) {
	names := make(map[string]string)
	if len(events) == 0 {
		return names, nil
	}
	_, err := store.List(q.ctx(), p.In.Grants.DB, "reading the names of apps", func(scan func(...any) error) (none struct{}, err error) {
		var id, said string
		err = scan(&id, &said)
		names[id], _, _ = strings.Cut(said, "\n")
		return none, err
	}, `SELECT url, said FROM pages WHERE about = 'client' AND url IN (SELECT client_id FROM events WHERE event_id BETWEEN ? AND ?)`,
		events[len(events)-1].ID, events[0].ID)
	return names, err
}

func newLogEvent(e store.Event, names map[string]string) logEvent {
	k := kindOf(e.Kind)
	v := logEvent{Event: e, Who: k.whose, Did: k.did, Sign: k.sign, Class: k.class, Warning: warning(e.Kind)}
	if k.whose == byPerson {
		e.Me, e.ClientID = "", ""
	}
	v.Details = details(e)
	switch {
	case k.whose == byApp && e.ClientID == "" && e.Connection != "":
		v.Who, v.Did = strings.TrimPrefix(e.Connection, keeper.DefaultUser+"/"), e.Kind
	case k.whose == byApp:
		v.Who = cmp.Or(names[e.ClientID], page.Short(e.ClientID), "An app")
	case k.whose == byConnection:
		v.Who = cmp.Or(strings.TrimPrefix(e.Connection, keeper.DefaultUser+"/"), "A connection")
	case k.whose == byPerson:
		v.Who = cmp.Or(page.Short(v.Me), "Somebody")
	}
	return v
}

func warning(kind string) string {
	return map[string]string{
		"replay": "A code was used twice, so somebody may have stolen it. What it gave is revoked. " +
			"If you were not trying something yourself, sign in to the app again and look at it closely.",
		"reuse": "An old refresh token was used again, so somebody may have stolen it. " +
			"What was issued with it is revoked. Sign in to the app again.",
		"dead": "The site refuses the connection. Connect again.",
	}[kind]
}

func details(e store.Event) string {
	var all []string
	for _, part := range [][2]string{
		{"", e.Detail}, {"app ", e.ClientID}, {"by ", e.Actor}, {"for ", e.Me}, {"token ", e.TokenID}, {"from ", e.Address},
	} {
		if part[1] != "" {
			all = append(all, part[0]+part[1])
		}
	}
	return strings.Join(all, " · ")
}

type checkPage struct {
	Bad    []Finding // the worst first
	Groups []group
	Passed string // how many checks passed, in words
}

// A group is the checks of one matter that passed.
type group struct {
	Name     string
	Findings []Finding
}

// check is GET BASE/owner/check: what the doctor finds. What is wrong stands first,
// the rest is folded by what it is about.
func (p *Pages) check(q *request) (*reply, error) {
	v, broken, passed := checkPage{}, 0, 0
	for _, f := range p.Check(q.http) {
		f.What, f.Do = sentence(f.What), sentence(f.Do)
		if f.Level != "ok" {
			v.Bad = append(v.Bad, f)
			if f.Level == "fail" {
				broken++
			}
			continue
		}
		passed++
		name := cmp.Or(sentence(f.Group), "Other")
		i := slices.IndexFunc(v.Groups, func(g group) bool { return g.Name == name })
		if i < 0 {
			i, v.Groups = len(v.Groups), append(v.Groups, group{Name: name})
		}
		v.Groups[i].Findings = append(v.Groups[i].Findings, f)
	}
	slices.SortStableFunc(v.Bad, func(a, b Finding) int { return strings.Compare(a.Level, b.Level) }) // fail before warn
	v.Passed = sentence(plural(passed, "check passed", "checks passed"))
	d := p.newPage(q, "check", "Everything is as it should be", "check.html", v)
	d.Title = "Check"
	switch {
	case broken > 0:
		d.Heading = sentence(plural(broken, "thing is broken", "things are broken"))
	case len(v.Bad) > 0:
		d.Heading = sentence(plural(len(v.Bad), "thing could be better", "things could be better"))
	}
	if broken > 0 && len(v.Bad) > broken {
		d.Lead = sentence(plural(len(v.Bad)-broken, "more could be better.", "more could be better."))
	}
	d.Acts = []page.Link{{URL: p.url("check"), Text: "Check again"}}
	return &reply{page: d}, nil
}
