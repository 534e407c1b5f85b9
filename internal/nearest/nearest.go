// Package nearest guesses what a person meant who mistyped a name.
package nearest

import (
	"fmt"
	"strings"
)

// Hint is "did you mean …?" in front of the hint otherwise, with the known name
// that is most like the word, or otherwise alone if none is like it.
func Hint(word string, known []string, otherwise string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, name := range known {
		if max(len(word)-len(name), len(name)-len(word)) >= least {
			continue // so much longer that it is another word; an address over HTTP has 60 KB
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return otherwise
	}
	return strings.TrimRight(fmt.Sprintf("did you mean %s? %s", best, otherwise), " ")
}

// distance is how many letters must be added, removed, replaced, or swapped with
// their neighbours to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row
		row = make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before = last
	}
	return row[len(b)]
}
