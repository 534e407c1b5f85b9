// Package discover fetches the pages of apps and people and reads what they say
// about themselves: the relations of Link headers and of link and a elements, an
// app's client metadata, a person's representative h-card.
//
// Whoever names a client_id chooses what is read here, so the size of a page, its
// tokens, its depth and the work of reading it are bounded (see parse).
package discover
