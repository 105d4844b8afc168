package exchange_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"federation-agent/internal/exchange"
)

// goldenVersions are the published versions of Gravitee's exchange whose frames are recorded in testdata/golden/VERSION/*.frame: for
// APIM 4.4, 4.5 to 4.8, 4.9 and 4.10, and 4.11.
var goldenVersions = []string{"1.5.2", "1.8.2", "1.9.1", "2.0.1"}

func TestFramesOfTheRealControllersAreRead(t *testing.T) {
	const root = "testdata/golden"
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no frames are recorded in internal/exchange/" + root)
	}
	for _, version := range goldenVersions {
		t.Run(version, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(root, version, "*.frame"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no recorded frame of exchange %s in %s (%v)", version, root, err)
			}
			for _, file := range files {
				message, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				checkGolden(t, filepath.Base(file), message)
			}
		})
	}
}

func checkGolden(t *testing.T, name string, message []byte) {
	t.Helper()
	frame, err := exchange.ReadFrame(message)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	switch frame.Kind {
	case exchange.KindCommand:
		id, command, err := exchange.DecodeCommand(frame)
		if err != nil || id == "" {
			t.Errorf("%s: id %q, %v", name, id, err)
			return
		}
		if unknown, odd := command.(exchange.Unknown); odd && frame.Type != exchange.TypeUnknown {
			t.Errorf("%s: the type %s is not known", name, unknown.CommandType)
		}
		if command.Type() != frame.Type {
			t.Errorf("%s: et:%s was read as %s", name, frame.Type, command.Type())
		}
	case exchange.KindReply:
		reply, err := exchange.DecodeReply(frame)
		if err != nil || reply.Type != frame.Type {
			t.Errorf("%s: type %q, %v", name, reply.Type, err)
		}
	}
}
