package keeper_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

// A registered client's secret that ends (RFC 7591 section 3.2.1) is told of a week before.
func TestSecretThatEnds(t *testing.T) {
	h := newHouse(t)
	h.box.Registers, h.box.SecretExpires = true, h.clock.now().AddDate(0, 0, 30).Unix()
	p := provider.Provider{Name: "box", TokenURL: h.url + "/token", Registers: provider.Registers{URL: h.url + "/register"}}
	if ok, err := (provider.Client{}).Register(context.Background(), &p, ""); !ok || err != nil {
		t.Fatal(ok, err)
	}
	check(t, h.Registry().Add(context.Background(), p))
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantPassword, ask(keepertest.Password))
	check(t, err)
	warning := func() string {
		all, err := h.Connections(context.Background(), "")
		check(t, err)
		return all[0].Warning
	}
	equal(t, "warning", warning(), "")
	h.clock.pass(24 * 24 * time.Hour)
	if got := warning(); !strings.Contains(got, "the client secret with which it is refreshed ends at 2026-12-20") || !strings.Contains(got, "mintkeep forget box") {
		t.Errorf("warning %q", got)
	}
}
