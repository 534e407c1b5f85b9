package test

import (
	"os"
	"regexp"
)

// mintokenFile is a database of php-mintoken's, as SQL.
const mintokenFile = "testdata/mintoken.sql"

// mintokenTokens are the tokens of that database, by name.
func mintokenTokens() (map[string]string, error) {
	text, err := os.ReadFile(mintokenFile)
	if err != nil {
		return nil, err
	}
	tokens := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^-- ([A-Z]+) ([0-9a-f]{64}_[0-9a-f]{144})$`).FindAllStringSubmatch(string(text), -1) {
		tokens[m[1]] = m[2]
	}
	return tokens, nil
}
