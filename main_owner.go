package main

import (
	"net/http"

	"mintkeep/endpoint"
	"mintkeep/internal/owner"
	"mintkeep/keeper"
)

// pages makes the owner's pages of an opened site.
func (s *site) pages(in *endpoint.Server, out *keeper.Keeper) *owner.Pages {
	return &owner.Pages{
		In: in, Out: out,
		Check: func(r *http.Request) []owner.Finding {
			var all []owner.Finding
			for _, f := range s.findings(r, s.config) {
				all = append(all, owner.Finding{Level: string(f.Level), What: f.What, Do: f.Do})
			}
			return all
		},
	}
}
