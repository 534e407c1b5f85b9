package page

import (
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// functions are what every template can call.
func functions() template.FuncMap {
	return template.FuncMap{"ago": ago, "exact": exact, "short": Short, "letter": letter,
		"clock": func(t time.Time) template.HTML { return element(t, t.UTC().Format("15:04")) },
		"span":  func(now, t time.Time) string { return span(now.Sub(t).Abs()) }}
}

// ago is a moment as people say it, seen from now: 3 hours ago, in 90 days, never if it
// is zero. The exact time is in the title of the element.
func ago(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return element(t, inWords(now, t))
}

// exact is a moment in words with its date.
func exact(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return element(t, inWords(now, t)) + template.HTML(` <span class="soft">`+moment(t)+"</span>")
}

func element(t time.Time, words string) template.HTML {
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `" title="` + moment(t) + `">` + words + "</time>")
}

func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

// inWords says how far away a moment is.
func inWords(now, t time.Time) string {
	far := now.Sub(t).Abs()
	if far < time.Minute {
		return "just now"
	}
	words := span(far)
	if t.After(now) {
		return "in " + words
	}
	return words + " ago"
}

// span is a length of time in the largest unit of which it has two, or in a smaller one.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d += 30 * time.Second // what ends in 30 days does so a second later too
	n, unit := int(d/time.Minute), "minute"
	switch {
	case d >= 730*day:
		n, unit = int(d/(365*day)), "year"
	case d >= 120*day:
		n, unit = int(d/(30*day+10*time.Hour)), "month"
	case d >= 2*day:
		n, unit = int(d/day), "day"
	case d >= 2*time.Hour:
		n, unit = int(d/time.Hour), "hour"
	}
	if n == 1 {
		return "a " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// Short is an address as people write it: without scheme and last slash. A path in
// which something would be invisible or change the direction of writing stays encoded.
func Short(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	at := u.Path
	if strings.ContainsFunc(at, func(r rune) bool { return !unicode.IsPrint(r) }) {
		at = u.EscapedPath()
	}
	return strings.TrimSuffix(u.Host+at, "/")
}

// letter is what stands on the icon of a name.
func letter(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "?"
}
