package node

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	healthPath = "/_node/health"
	livePath   = "/_node/live"
	readyPath  = "/_node/ready"
)

// probePaths are what orchestrators ask.
var probePaths = []string{healthPath, livePath, readyPath}

// privateNames end the names that nobody can register in the public DNS: Kubernetes', those of clouds and of the local
// network, and the machine's own.
var privateNames = []string{".localhost", ".local", ".internal", ".svc"}

// isNamed tells whether a caller asks for this agent under a name of its own. A web page can let a name of its author
// lead to this address (DNS rebinding), and its script would then read the answers as the page's own. Such a name has
// a dot, since it must be a public one: an address, as the kubelet and load balancers send, a name without a dot, as in
// Compose, and a private name cannot be such a page's. A caller that sends no name at all is no browser.
func (a *api) isNamed(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil { // no port
		host = strings.Trim(r.Host, "[]")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, noAddress := netip.ParseAddr(host)
	return noAddress == nil || !strings.Contains(host, ".") ||
		slices.ContainsFunc(privateNames, func(end string) bool { return strings.HasSuffix(host, end) }) ||
		slices.ContainsFunc(a.HostNames, func(name string) bool { return strings.EqualFold(name, host) })
}

const (
	// wrongWaits is how long a wrong password waits for its answer, and is counted: a person does not mind.
	wrongWaits = time.Second
	// wrongFromOne is how many wrong passwords of one address wait at a time. More than one, because a probe with an old
	// password and one with the right one may come through the same address.
	wrongFromOne = 4
	// wrongAtOnce is how many of all addresses wait: so many requests are kept in memory, and so many guesses a second
	// are taken from somebody who has many addresses.
	wrongAtOnce = 64
	// homeBits is the part of an IPv6 address that tells one network from another: its owner has all the addresses below.
	homeBits = 64
)

// wrongPasswords are those of the last moments. While there are too many, no password is looked at, so that a guesser
// does not learn from the time of an answer which of many guesses at a time was right.
type wrongPasswords struct {
	mu     sync.Mutex
	recent []wrongPassword
}

type wrongPassword struct {
	from netip.Prefix
	at   time.Time
}

// look asks whether a password is right, unless its address or all together have sent too many wrong ones.
func (w *wrongPasswords) look(remote string, isRight func() bool) (right, tooMany bool) {
	address, _ := netip.ParseAddrPort(remote) // net/http writes both; what cannot be read is one address
	ip := address.Addr().Unmap()
	from, _ := ip.WithZone("").Prefix(min(ip.BitLen(), homeBits))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent = slices.DeleteFunc(w.recent, func(p wrongPassword) bool { return time.Since(p.at) >= wrongWaits })
	same := 0
	for _, p := range w.recent {
		if p.from == from {
			same++
		}
	}
	if same >= wrongFromOne || len(w.recent) >= wrongAtOnce {
		return false, true
	}
	if isRight() {
		return true, false
	}
	w.recent = append(w.recent, wrongPassword{from, time.Now()})
	return false, false
}
