package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/secret"
	"federation-agent/internal/secrets"
)

// store is a provider whose texts change.
type store struct {
	mu    sync.Mutex
	texts map[string]string
	err   error
	reads int
	slow  time.Duration
}

func (s *store) Read(context.Context, secret.Reference) (map[string]string, error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return maps.Clone(s.texts), s.err
}

func (s *store) set(texts map[string]string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts, s.err = texts, err
}

func reference(t *testing.T, text string) secret.Reference {
	t.Helper()
	r, err := secret.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func takeAll(string) error { return nil }

func read(t *testing.T, k *secrets.Keeper, text string, accept func(string) error) secret.String {
	t.Helper()
	s, err := k.Read(t.Context(), reference(t, text), accept)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// output is what was logged.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

func (o *output) logger() *slog.Logger { return slog.New(slog.NewTextHandler(o, nil)) }

func keeperOf(s *store) *secrets.Keeper {
	k := secrets.New()
	k.Use(secret.AWS, s)
	return k
}

func TestAPairOfOneSecretIsReadOnceAndChangesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: map[string]string{"id": "id-1", "secret": "secret-1"}}
		k := keeperOf(s)
		id := read(t, k, "secret://aws/keys:id", takeAll)
		key := read(t, k, "secret://aws/keys:secret", takeAll)
		if s.reads != 1 || id.Reveal() != "id-1" || key.Reveal() != "secret-1" {
			t.Fatalf("%d reads: %s %s", s.reads, id.Reveal(), key.Reveal())
		}
		time.Sleep(2 * time.Second)
		s.set(map[string]string{"id": "id-2", "secret": "secret-2"}, nil)
		id.Refresh(t.Context())
		if id.Reveal() != "id-2" || key.Reveal() != "secret-2" {
			t.Errorf("%s %s", id.Reveal(), key.Reveal())
		}
		key.Refresh(t.Context())
		if s.reads != 2 {
			t.Errorf("%d reads", s.reads)
		}
		time.Sleep(2 * time.Second)
		s.set(map[string]string{"id": "id-3"}, nil)
		id.Refresh(t.Context())
		if id.Reveal() != "id-2" {
			t.Error("half of a pair is taken")
		}
	})
}

// pass lets time pass, and what is due at its end be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAFailedReadKeepsTheLastValueAndIsLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: map[string]string{"k": "first-value"}}
		k, log := keeperOf(s), &output{}
		watching, stop := context.WithCancel(t.Context())
		kept := read(t, k, "secret://aws/x:k", func(text string) error {
			if text == "unfit" {
				return errors.New("is not what it should be")
			}
			return nil
		})
		go k.Watch(watching, log.logger())
		synctest.Wait()
		s.set(nil, errors.New("AccessDenied"))
		pass(9 * time.Minute)
		if got := log.take(); kept.Reveal() != "first-value" || strings.Count(got, "\n") != 1 ||
			!strings.Contains(got, "level=WARN msg=\"a secret cannot be read again; its last value stays in use\" "+
				"reference=secret://aws/x:k error=AccessDenied") {
			t.Errorf("%s", got)
		}
		pass(10 * time.Minute)
		if got := log.take(); strings.Count(got, "\n") != 1 {
			t.Errorf("%s", got)
		}
		s.set(map[string]string{"k": "second-value"}, nil)
		pass(time.Minute)
		got := log.take()
		if kept.Reveal() != "second-value" || !strings.Contains(got, "a secret can be read again") ||
			!strings.Contains(got, "a secret has changed") || strings.Contains(got, "-value") {
			t.Errorf("%s", got)
		}
		s.set(map[string]string{"k": "unfit"}, nil)
		pass(time.Minute)
		if got := log.take(); kept.Reveal() != "second-value" || !strings.Contains(got, "is not what it should be") {
			t.Errorf("%s", got)
		}
		stop()
		synctest.Wait()
	})
}

func TestWhoIsGoneSaysNothingOfTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: map[string]string{"k": "v"}}
		k, log := keeperOf(s), &output{}
		kept := read(t, k, "secret://aws/x:k", takeAll)
		watching, stop := context.WithCancel(t.Context())
		go k.Watch(watching, log.logger())
		time.Sleep(2 * time.Second)
		s.set(nil, context.Canceled)
		gone, leave := context.WithCancel(t.Context())
		leave()
		kept.Refresh(gone)
		if got := log.take(); got != "" || kept.Reveal() != "v" {
			t.Errorf("%s", got)
		}
		stop()
	})
}

func TestManyWhoAskAtOnceShareOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: map[string]string{"k": "v"}}
		kept := read(t, keeperOf(s), "secret://aws/x:k", takeAll)
		time.Sleep(2 * time.Second)
		s.slow = 3 * time.Second
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { kept.Refresh(t.Context()) })
		}
		all.Wait()
		if s.reads != 2 {
			t.Errorf("%d reads", s.reads)
		}
	})
}

func TestAFixedReferenceIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: map[string]string{"k": "v"}}
		kept := read(t, keeperOf(s), "secret://aws/x:k?watch=false", takeAll)
		time.Sleep(time.Minute)
		s.set(map[string]string{"k": "w"}, nil)
		kept.Refresh(t.Context())
		if kept.IsLive() || kept.Reveal() != "v" {
			t.Errorf("%s", kept.Reveal())
		}
	})
}

func TestWhatCannotBeReadAtFirstIsAnError(t *testing.T) {
	k := keeperOf(&store{texts: map[string]string{"k": "v"}})
	for text, want := range map[string]string{
		"secret://aws/x:other": `has no key "other" (it has k)`,
		"secret://vault/x:k":   `the provider "vault" is not served`,
	} {
		if _, err := k.Read(t.Context(), reference(t, text), takeAll); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	failing := keeperOf(&store{err: errors.New("AccessDenied")})
	if _, err := failing.Read(t.Context(), reference(t, "secret://aws/x:k"), takeAll); err == nil {
		t.Error("no error")
	}
}

func TestAFileIsOneText(t *testing.T) {
	content := "token\n"
	k := secrets.New()
	k.Use(secret.File, secrets.Files(func(name string) ([]byte, error) {
		if name != "/run/token" {
			return nil, errors.New("there is no such file")
		}
		return []byte(content), nil
	}))
	got, err := k.Read(t.Context(), secret.FileReference("/run/token"), takeAll)
	if err != nil || got.Reveal() != "token" {
		t.Errorf("%v %q", err, got.Reveal())
	}
	if _, err := k.Read(t.Context(), secret.FileReference("/run/other"), takeAll); err == nil {
		t.Error("no error")
	}
}
