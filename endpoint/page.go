package endpoint

import "golang.org/x/net/html"

// page is what a browser is shown at BASE.
func (s *Server) page(q *request) (*reply, error) {
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	content := []*html.Node{
		El("h1", nil, Text("This token endpoint works")),
		El("p", nil, Text("It gives apps a key to this site, after the site’s owner has signed in and allowed it, "+
			"and tells the site’s own programs which keys are good. There is nothing to do here for a visitor.")),
		El("h2", nil, Text("For the owner")),
	}
	if len(st.Endpoints) == 0 {
		content = append(content, El("p", nil, Text("No authorization endpoint is trusted yet. Add a line "),
			El("code", nil, Text("endpoint: https://…")), Text(" with the address of your Selfauth to the configuration.")))
	}
	if s.URL == "" {
		content = append(content, El("p", nil, Text("The configuration does not say at which address this endpoint is reached. Add a line "),
			El("code", nil, Text("url: https://…")), Text(" with the address that your browser shows now.")))
	} else {
		content = append(content, El("p", nil, Text("Put these lines into the "), El("code", nil, Text("<head>")), Text(" of your home page:")),
			El("pre", nil, Text(s.linkTags(st))),
			El("p", nil, El("a", []string{"href", s.OwnerClient()}, Text("Sign in")), Text(" to see which apps have keys, and to take them back.")))
	}
	p, err := document("Token endpoint", content...)
	if err != nil {
		return nil, err
	}
	p.header["Cache-Control"] = "public, max-age=60"
	p.header["Vary"] = "Accept, Authorization"
	return p, nil
}

// linkTags are what the owner's home page must contain to be discovered: the
// front's metadata, and both endpoints for clients that know no metadata.
func (s *Server) linkTags(st *Settings) string {
	base := html.EscapeString(s.URL)
	tags := `<link rel="token_endpoint" href="` + base + `">`
	if len(st.Endpoints) == 0 {
		return tags
	}
	return `<link rel="indieauth-metadata" href="` + base + "/metadata\">\n" +
		`<link rel="authorization_endpoint" href="` + base + "/authorize\">\n" + tags
}
