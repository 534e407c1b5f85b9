package demo

import (
	"fmt"
	"html"
	"net/http"
	"strings"
)

const contentHTML = "text/html; charset=UTF-8"

// errorPage answers with Selfauth's only kind of failure, a page.
func errorPage(w http.ResponseWriter, status int, title, text string) {
	title, text = html.EscapeString(title), html.EscapeString(text)
	w.Header().Set("Content-Type", contentHTML)
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Error: %[1]s</title></head>
<body><h1>Error: %[1]s</h1><p>%[2]s</p></body></html>
`, title, text)
}

// loginPage asks for the password. The form posts back to the URL it was shown at, whose query is the request.
func loginPage(w http.ResponseWriter, q request, csrf string) {
	var boxes strings.Builder
	if q.scope != "" {
		boxes.WriteString("<fieldset><legend>Scopes</legend>\n")
		for i, word := range strings.Split(q.scope, " ") {
			fmt.Fprintf(&boxes, `<div><input type="checkbox" id="scope_%[1]d" name="scopes[]" value="%[2]s" checked> `+
				`<label for="scope_%[1]d">%[2]s</label></div>`+"\n", i, html.EscapeString(word))
		}
		boxes.WriteString("</fieldset>\n")
	}
	w.Header().Set("Content-Type", contentHTML)
	fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Login</title>
<meta name="viewport" content="width=device-width">
<style>body { max-width: 28em; margin: 2em auto; font-family: sans-serif }</style></head>
<body><form method="POST" action="">
<h1>Sign in</h1>
<p>Application: <code>%s</code></p>
%s<p>It will send you on to: <code>%s</code></p>
<input type="hidden" name="_csrf" value="%s">
<p><label for="password">Password</label> <input type="password" name="password" id="password"></p>
<p><input type="submit" name="submit" value="Submit"></p>
</form></body></html>
`, html.EscapeString(q.clientID), boxes.String(), html.EscapeString(q.redirectURI), html.EscapeString(csrf))
}
