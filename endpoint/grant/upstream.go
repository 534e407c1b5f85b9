package grant

import (
	"context"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/store"
)

// UpstreamKind says how an authorization endpoint behind ours works.
type UpstreamKind string

// The kinds of upstreams. authorize.Handler says how they are told apart.
const (
	GrantsScopes UpstreamKind = "scoped"   // asks the owner for the scopes, and confirms them with the code
	IdentityOnly UpstreamKind = "identity" // says only who signed in
	Undetermined UpstreamKind = "unknown"  // was probed and did not tell
)

const (
	scopesLife = 30 * 24 * time.Hour // how long GrantsScopes is remembered
	probedLife = 24 * time.Hour      // and the others
	failedLife = 10 * time.Minute    // how long no further probe is made after one that failed
	aheadLife  = time.Minute         // how far ahead of ours another process's clock may be
)

// UpstreamKind is what is known of an upstream; "" if nothing is, or what is known
// is too old, or from a clock that was ahead: people put other programs at old addresses.
func (s *Store) UpstreamKind(ctx context.Context, now time.Time, endpoint string) (kind UpstreamKind, err error) {
	_, err = store.Row(ctx, s.DB, "looking up the kind of an endpoint",
		`SELECT kind FROM endpoint_kinds WHERE endpoint = ? AND learned > CASE kind WHEN ? THEN ? ELSE ? END AND learned <= ?`,
		[]any{endpoint, GrantsScopes, store.Time(now.Add(-scopesLife)), store.Time(now.Add(-probedLife)), store.Time(now.Add(aheadLife))},
		&kind)
	return kind, err
}

// LearnUpstream remembers the kind of an upstream that was probed. It is empty if the
// probe failed: then the last known kind holds for ten minutes more, so that not every
// browser waits for an endpoint that never answers (cases E11, L3). The result is the
// kind that holds.
func (s *Store) LearnUpstream(ctx context.Context, now time.Time, endpoint string, kind UpstreamKind) (UpstreamKind, error) {
	err := s.write(ctx, Request{Now: now}, func(t *tx) {
		if kind != "" {
			t.learnUpstream(endpoint, kind)
			return
		}
		kind, t.Now = Undetermined, now.Add(failedLife-probedLife)
		t.Row("looking up the kind of an endpoint", `SELECT kind FROM endpoint_kinds WHERE endpoint = ?`, []any{endpoint}, &kind)
		if kind == GrantsScopes {
			t.Now = now.Add(failedLife - scopesLife)
		}
		t.learnUpstream(endpoint, kind)
	})
	return kind, err
}

func (t *tx) learnUpstream(endpoint string, kind UpstreamKind) {
	t.Exec("noting the kind of an endpoint", `INSERT INTO endpoint_kinds (endpoint, kind, learned) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET kind = excluded.kind, learned = excluded.learned`, endpoint, kind, store.Time(t.Now))
}

// EndpointOrder sorts the trusted endpoints: first those that confirmed codes of
// this shape, the latest one first, then the others as they are set.
func (s *Store) EndpointOrder(ctx context.Context, r Request, code string) ([]string, error) {
	trusted := r.Settings.Endpoints
	if len(trusted) < 2 {
		return trusted, nil
	}
	order, err := store.List(ctx, s.DB, "reading code shapes", func(scan func(...any) error) (endpoint string, err error) {
		err = scan(&endpoint)
		return endpoint, err
	}, `SELECT endpoint FROM code_shapes WHERE shape = ? ORDER BY confirmed DESC`, shape(code))
	order = slices.DeleteFunc(order, func(e string) bool { return !slices.Contains(trusted, e) })
	for _, endpoint := range trusted {
		if !slices.Contains(order, endpoint) {
			order = append(order, endpoint)
		}
	}
	return order, err
}

func (t *tx) rememberShape(code, endpoint string) {
	if len(t.Settings.Endpoints) > 1 {
		t.Exec("writing the code's shape", `INSERT INTO code_shapes (shape, endpoint, confirmed) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET confirmed = excluded.confirmed`, shape(code), endpoint, store.Time(t.Now))
	}
}

// shape is what the codes of one program have in common: h for a run of hex
// digits, w for one of other letters, and what stands between. Selfauth's is "h:h:w".
func shape(code string) string {
	isWord := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	var b strings.Builder
	for code != "" && b.Len() < 32 {
		n := strings.IndexFunc(code, func(r rune) bool { return !isWord(r) })
		if n < 0 {
			n = len(code)
		}
		switch {
		case n > 0 && isHex(code[:n]):
			b.WriteByte('h')
		case n > 0:
			b.WriteByte('w')
		default:
			n = 1
			b.WriteByte(code[0])
		}
		code = code[n:]
	}
	return strings.ToValidUTF8(b.String(), "?")
}
