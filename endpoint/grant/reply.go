package grant

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"mintkeep/internal/secret"
)

// replyCipher derives a key that only the holder of the refresh token has.
func replyCipher(token secret.Secret) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(token), nil, "mintkeep refresh reply", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealReply encrypts the reply to a refresh for whoever presents the same token again.
func sealReply(token secret.Secret, reply *TokenResponse) ([]byte, error) {
	plain, err := json.Marshal(reply)
	if err != nil {
		return nil, fmt.Errorf("sealing the reply: %w", err)
	}
	aead, err := replyCipher(token)
	if err != nil {
		return nil, fmt.Errorf("sealing the reply: %w", err)
	}
	return aead.Seal(nil, nil, plain, []byte(token.Hash())), nil
}

func openReply(token secret.Secret, sealed []byte) (*TokenResponse, error) {
	aead, err := replyCipher(token)
	if err != nil {
		return nil, fmt.Errorf("opening the sealed reply: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(token.Hash()))
	if err != nil {
		return nil, fmt.Errorf("opening the sealed reply: %w", err)
	}
	reply := new(TokenResponse)
	if err := json.Unmarshal(plain, reply); err != nil {
		return nil, fmt.Errorf("reading the sealed reply: %w", err)
	}
	return reply, nil
}
