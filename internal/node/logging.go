package node

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/logback"
)

const (
	loggingPath = "/_node/logging"
	// untilHeader says until when a level counts that was changed for a time, RFC 3339.
	untilHeader = "Log-Level-Until"
	// forAtMost bounds the time for which a level is changed: whoever wants longer changes the setting.
	forAtMost = 7 * 24 * time.Hour
	// rootLogger is logback's name of the logger of all.
	rootLogger = "ROOT"
)

// ourLoggers are the vendor's loggers that mean this log, which has one level. Others are those of libraries that are not
// here: what is said of them changes nothing.
var ourLoggers = []string{rootLogger, "io.gravitee", "com.graviteesource"}

// logging answers as gravitee-node does: loggers by name, with their levels.
func (a *api) logging(w http.ResponseWriter, _ *http.Request, _ string) {
	level, until := a.Book.Level()
	if !until.IsZero() {
		w.Header().Set(untilHeader, until.UTC().Format(time.RFC3339))
	}
	levels := map[string]string{}
	for _, name := range ourLoggers {
		levels[name] = level.String()
	}
	writeJSON(w, http.StatusOK, levels)
}

// setLogging changes the level as gravitee-node does: {"io.gravitee": "DEBUG"}. An empty level is the configured one.
// With ?for=10m the configured one is back after that time.
func (a *api) setLogging(w http.ResponseWriter, r *http.Request, by string) {
	wanted, d, err := readLevel(http.MaxBytesReader(w, r.Body, maxOrder), r.URL.Query().Get("for"))
	if err != nil {
		refuse(w, r, http.StatusBadRequest, err.Error(), "")
		return
	}
	switch {
	case wanted.level != nil:
		a.Book.SetLevel(*wanted.level, d, by)
	case wanted.reset:
		a.Book.Reset(by)
	}
	a.logging(w, r, by)
}

// wantedLevel is what is asked for; nothing if neither is set.
type wantedLevel struct {
	level *slog.Level
	reset bool
}

// readLevel takes the most talkative level of those that mean this log, as at the start from a logback.xml.
func readLevel(body io.Reader, lasts string) (wanted wantedLevel, d time.Duration, err error) {
	if lasts != "" {
		if d, err = time.ParseDuration(lasts); err != nil || d < 0 || d > forAtMost {
			return wanted, 0, fmt.Errorf("for=%.20q is no time such as 10m, of %s at most", lasts, forAtMost)
		}
	}
	text, err := io.ReadAll(body)
	levels := map[string]*string{}
	if err != nil || json.Unmarshal(text, &levels) != nil {
		return wanted, 0, fmt.Errorf("send levels by logger, such as {%q: %q}", rootLogger, slog.LevelDebug)
	}
	for name, text := range levels {
		switch {
		case !slices.ContainsFunc(ourLoggers, func(ours string) bool {
			return name == ours || strings.HasPrefix(name, ours+".")
		}):
		case text == nil || *text == "":
			wanted.reset = true
		default:
			level, known := logback.Level(*text)
			if !known {
				return wanted, 0, fmt.Errorf("%.20q is no level: DEBUG, INFO, WARN or ERROR", *text)
			}
			if wanted.level == nil || level < *wanted.level {
				wanted.level = &level
			}
		}
	}
	return wanted, d, nil
}
