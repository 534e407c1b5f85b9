package discover

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"
)

// A liar is a DNS server that answers each question for an A record with the
// next of its addresses.
type liar struct {
	addresses []string
	asked     atomic.Int64
}

// resolver asks the liar and nobody else.
func (l *liar) resolver(t *testing.T) *net.Resolver {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go l.serve(c)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func (l *liar) serve(c net.PacketConn) {
	question := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(question)
		if err != nil {
			return
		}
		end := 12
		for end < n && question[end] != 0 {
			end += int(question[end]) + 1
		}
		end += 5
		if end > n {
			continue
		}
		answer := append([]byte(nil), question[:end]...)
		answer[2], answer[3] = 0x81, 0x80
		binary.BigEndian.PutUint16(answer[8:], 0)
		binary.BigEndian.PutUint16(answer[10:], 0)
		if binary.BigEndian.Uint16(question[end-4:]) == 1 { // A
			i := int(l.asked.Add(1)-1) % len(l.addresses)
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			answer = append(answer, netip.MustParseAddr(l.addresses[i]).AsSlice()...)
		}
		c.WriteTo(answer, from)
	}
}

// TestGuard: the client for strangers' addresses dials no private one, however
// it is written, named or reached. What listens on 127.0.0.1 stands for the public
// web, the rest of the loopback network for a private one.
func TestGuard(t *testing.T) {
	var reached atomic.Int64
	private := listenOn(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) { reached.Add(1) })
	port := strings.TrimPrefix(private, "127.0.0.2:")
	public := listenOn(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	})
	rebinding := &liar{addresses: []string{"127.0.0.1", "127.0.0.2"}}
	always := &liar{addresses: []string{"127.0.0.2"}}
	named := Network{}.PublicOnlyClient(always.resolver(t), netip.MustParsePrefix("127.0.0.1/32"))
	shifty := Network{}.PublicOnlyClient(rebinding.resolver(t), netip.MustParsePrefix("127.0.0.1/32"))
	plain := Network{}.PublicOnlyClient(nil, netip.MustParsePrefix("127.0.0.1/32"))
	if _, err := plain.Get("http://" + public); err != nil {
		t.Errorf("a public address: %v", err)
	}
	refuse := func(c *http.Client, address string) {
		t.Helper()
		resp, err := c.Get(address)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, host := range []string{"127.0.0.2", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
		"[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "198.18.0.1", "192.0.2.1"} {
		if strings.HasPrefix(host, "[") && strings.Contains(host, "::ffff:127.0.0.1") {
			continue // dialled as 127.0.0.1, which this test allows
		}
		refuse(plain, "http://"+host+":"+port+"/")
		refuse(plain, "http://"+public+"/?to=http://"+host+":"+port+"/")
	}
	refuse(named, "http://private.example:"+port+"/")
	for range 4 { // whichever answer the dialer takes, it checks that one
		shifty.Get("http://rebinding.example:" + port + "/")
		shifty.CloseIdleConnections()
	}
	unguarded := Network{}.PublicOnlyClient(nil)
	refuse(unguarded, "http://127.0.0.1:"+port+"/")
	refuse(unguarded, "http://localhost:"+port+"/")
	refuse(unguarded, "http://[::ffff:127.0.0.1]:"+port+"/")
	if reached.Load() != 0 {
		t.Errorf("the private server was reached %d times", reached.Load())
	}
	if rebinding.asked.Load() < 2 || always.asked.Load() == 0 {
		t.Error("the names were not asked for")
	}
	loop := listenOn(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	if _, err := plain.Get("http://" + loop); err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("a loop: %v", err)
	}
	if d := plain.Timeout; d == 0 || d > 15*time.Second {
		t.Errorf("it waits for %v", d)
	}
	if tr := realTransport(t, plain); tr.Proxy != nil {
		t.Error("it uses a proxy")
	}
}

func realTransport(t *testing.T, c *http.Client) *http.Transport {
	t.Helper()
	lazy := c.Transport.(*lazyTransport)
	if lazy.direct == nil {
		t.Fatal("not built")
	}
	return lazy.direct
}

func listenOn(t *testing.T, address string, f http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(f)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().String()
}
