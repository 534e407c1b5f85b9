package endpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
)

const pageStyle = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.25rem}`

const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Token endpoint</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<h1>This token endpoint works</h1>
<p>It gives apps a key to this site, after the site's owner has signed in and
allowed it, and tells the site's own programs which keys are good. There is
nothing to do here for a visitor.</p>
<h2>For the owner</h2>
{{if .URL}}<p>Put these lines into the <code>&lt;head&gt;</code> of your home page:</p>
<pre>{{range .Endpoints}}&lt;link rel="authorization_endpoint" href="{{.}}"&gt;
{{end}}&lt;link rel="token_endpoint" href="{{.URL}}"&gt;</pre>
{{else}}<p>The configuration does not say yet at which address this endpoint is reached.
Add a line <code>url: https://…</code> with the address that you see in your browser now.</p>
{{end}}{{if not .Endpoints}}<p>No authorization endpoint is trusted yet. Add a line
<code>endpoint: https://…</code> with the address of your Selfauth to the configuration.</p>
{{end}}</main>
</body>
</html>
`

// page is what a browser is shown at BASE. It reads the settings but works
// without them.
func (s *Server) page(q *request) (*reply, error) {
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("parsing the page: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Style     template.CSS
		URL       string
		Endpoints []string
	}{pageStyle, s.URL, st.Endpoints})
	if err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	return &reply{contentType: "text/html; charset=utf-8", body: b.Bytes(), header: map[string]string{
		"Cache-Control": "public, max-age=60",
		"Vary":          "Accept, Authorization",
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Referrer-Policy": "no-referrer",
	}}, nil
}
