package owner

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"mintkeep/internal/store"
)

const eventsPerPage = 50

type logPage struct {
	Events []logEvent
	Older  string // address of the next page, if there is one
}

type logEvent struct {
	store.Event
	Warning string // what it means, if a person must not overlook it
	Details string
}

// log is GET BASE/owner/log: what happened, newest first, from before the event
// that the parameter before names.
func (p *Pages) log(q *request) (*reply, error) {
	before, _ := strconv.ParseInt(q.form["before"], 10, 64)
	events, err := store.Events(q.ctx(), p.In.Grants.DB, before, eventsPerPage+1)
	if err != nil {
		return nil, err
	}
	v := logPage{}
	for _, e := range events[:min(len(events), eventsPerPage)] {
		v.Events = append(v.Events, logEvent{e, warning(e.Kind), details(e)})
	}
	if len(events) > eventsPerPage {
		v.Older = p.url("log") + "?before=" + strconv.FormatInt(events[eventsPerPage-1].ID, 10)
	}
	return &reply{page: p.newPage(q, "log", "Log", "log.html", v)}, nil
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
	for _, part := range [][2]string{{"", e.Detail}, {"by ", e.Actor}, {"for ", e.Me}, {"token ", e.TokenID}, {"from ", e.Address}} {
		if part[1] != "" {
			all = append(all, part[0]+part[1])
		}
	}
	return strings.Join(all, "; ")
}

type checkPage struct {
	Findings []Finding
	Faults   string // how many, in words; empty if there is none
}

// check is GET BASE/owner/check: what the doctor finds, the worst first.
func (p *Pages) check(q *request) (*reply, error) {
	v, bad := checkPage{Findings: p.Check(q.http)}, 0
	urgency := map[string]int{"ok": 0, "warn": 1, "fail": 2}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return cmp.Compare(urgency[b.Level], urgency[a.Level]) })
	for _, f := range v.Findings {
		if f.Level != "ok" {
			bad++
		}
	}
	if bad > 0 {
		v.Faults = plural(bad, "thing", "things")
	}
	return &reply{page: p.newPage(q, "check", "Check", "check.html", v)}, nil
}
