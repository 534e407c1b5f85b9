package owner

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const logPage = 50

// log is GET BASE/owner/log: what happened, newest first.
func (p *Pages) log(q *request) (*reply, error) {
	before, _ := strconv.ParseInt(q.form["before"], 10, 64)
	events, err := p.Events(q.ctx(), before, logPage+1)
	if err != nil {
		return nil, err
	}
	content := []*node{}
	if len(events) == 0 {
		content = append(content, para(text("Nothing has happened.")))
	}
	list := el("ol", class("log"))
	for _, e := range events[:min(len(events), logPage)] {
		list.AppendChild(entry(e))
	}
	if list.FirstChild != nil {
		content = append(content, list)
	}
	if len(events) > logPage {
		content = append(content, para(link(p.at("log")+"?before="+strconv.FormatInt(events[logPage-1].ID, 10), "Older")))
	}
	return &reply{doc: p.document(q, "log", "Log", content...)}, nil
}

// warning explains the events that a person must not overlook.
func warning(kind string) string {
	switch kind {
	case "replay":
		return "A code was used twice, so somebody may have stolen it. What it gave is revoked. If you were not trying something yourself, sign in to the app again and look at it closely."
	case "reuse":
		return "An old refresh token was used again, so somebody may have stolen it. What was issued with it is revoked. Sign in to the app again."
	case "dead":
		return "The site refuses the connection. Connect again."
	}
	return ""
}

func entry(e Event) *node {
	head := para(when(e.At), text(" "), el("strong", nil, text(e.Kind)))
	if e.ClientID != "" {
		head.AppendChild(text(" "))
		head.AppendChild(code(e.ClientID))
	}
	if e.Connection != "" {
		head.AppendChild(text(" "))
		head.AppendChild(code(e.Connection))
	}
	li := el("li", nil)
	why := warning(e.Kind)
	if why != "" {
		li = el("li", class("bad"))
	}
	li.AppendChild(head)
	if why != "" {
		li.AppendChild(para(text(why)))
	}
	var more []string
	for _, part := range []string{e.Detail, labelled("by", e.Actor), labelled("for", e.Me), labelled("token", e.TokenID), labelled("from", e.Address)} {
		if part != "" {
			more = append(more, part)
		}
	}
	if len(more) > 0 {
		li.AppendChild(para(text(strings.Join(more, "; "))))
	}
	return li
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}

// check is GET BASE/owner/check: what the doctor finds.
func (p *Pages) check(q *request) (*reply, error) {
	bad, list := 0, el("ul", class("log"))
	findings := p.Check(q.http)
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(urgency(b), urgency(a)) })
	for _, f := range findings {
		li := el("li", nil)
		if urgency(f) > 0 {
			bad++
			li = el("li", class("bad"))
		}
		li.AppendChild(para(el("strong", nil, text(f.Level)), text(" "+f.What)))
		if f.Do != "" {
			li.AppendChild(para(text("→ " + f.Do)))
		}
		list.AppendChild(li)
	}
	said := notice("Everything is as it should be.")
	if bad > 0 {
		said = para(text("For your attention: " + many(bad, "thing", "things") + "."))
	}
	return &reply{doc: p.document(q, "check", "Check", said, list)}, nil
}

// urgency orders findings.
func urgency(f Finding) int {
	switch f.Level {
	case "ok":
		return 0
	case "warn":
		return 1
	}
	return 2
}
