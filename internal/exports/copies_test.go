package exports

import "testing"

// A document whose servers are changed is held as it came, changed, and encoded, with the servers in the last two.
func TestServersThatArePutIntoADocumentTakeRoomToo(t *testing.T) {
	for servers, want := range map[int64]int{0: 9000, 100: 9000 + 4000 + 225} {
		b := NewBound(1 << 20)
		claim := b.Holder(t.Context(), 0, func() {}).Claim()
		if err := (Copies{Claim: claim, Servers: servers}).Take(t.Context(), 4000); err != nil {
			t.Fatal(err)
		}
		if b.held != want {
			t.Errorf("%d bytes of servers: %d bytes are held, want %d", servers, b.held, want)
		}
	}
}
