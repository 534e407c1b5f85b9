// The Go SDK's client, which does and says what client.mjs does.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

var errRefused = errors.New("nobody signs in again")

func main() {
	ctx, in, asked := context.Background(), bufio.NewScanner(os.Stdin), false
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: os.Getenv("REDIRECT_URI"),
		ScopeFilter: func(found []string) []string {
			if scope := strings.Fields(os.Getenv("SCOPE")); len(scope) > 0 {
				return scope
			}
			return found
		},
		AuthorizationCodeFetcher: func(_ context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			fmt.Println("VISIT", a.URL)
			if asked {
				return nil, errRefused
			}
			asked = true
			fmt.Println("UNAUTHORIZED")
			in.Scan()
			back, err := url.Parse(in.Text())
			if err != nil {
				return nil, err
			}
			q := back.Query()
			return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
		},
	}
	if document := os.Getenv("DOCUMENT"); document != "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: document}
	} else {
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: os.Getenv("CLIENT_ID")}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		log.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: os.Getenv("RESOURCE"), OAuthHandler: handler}, nil)
	if err != nil {
		log.Fatal(err)
	}
	source, err := handler.TokenSource(ctx)
	if err != nil {
		log.Fatal(err)
	}
	token, err := source.Token()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("AUTHORIZED", token.AccessToken)
	answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("TOOL", answer.Content[0].(*mcp.TextContent).Text)
	in.Scan()
	switch _, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"}); {
	case err == nil:
		fmt.Println("LET IN")
	case strings.Contains(err.Error(), errRefused.Error()):
		fmt.Println("REFUSED")
	default:
		fmt.Println("FAILED", err)
	}
}
