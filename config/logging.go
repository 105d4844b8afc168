package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
)

// logVariables are the vendor's for the level of its log, the stronger one first. Without a prefix, LOG_LEVEL is any
// program's.
var logVariables = []string{"gravitee_log_level", "GRAVITEE_LOG_LEVEL"}

const (
	keyLogLevel  = "agent.log.level"
	keyLogFormat = "agent.log.format"
)

// settleLog fills level and form of the log where this agent's own settings say nothing: from the vendor's variable,
// from its logback.xml. A note names what decided.
func (l *loader) settleLog(log *Log) {
	back := l.findLogback()
	const byDefault = "by default"
	levelBy, formBy := byDefault, byDefault
	if back.level != nil {
		log.Level, levelBy = *back.level, "by "+back.name
	}
	if back.format != "" {
		log.Format, formBy = back.format, "by "+back.name
	}
	for _, name := range slices.Backward(logVariables) {
		value := strings.TrimSpace(l.environ[name])
		if level, known := levelNamed(value); known {
			log.Level, levelBy = level, "by "+name
		} else if value != "" {
			l.warn(fmt.Sprintf("%s: %s is not a level such as DEBUG, INFO, WARN or ERROR; it has no effect",
				name, show(value)))
		}
	}
	if s, ok := l.settings[keyLogLevel]; ok {
		log.Level, _ = levelNamed(s.value)
		levelBy = "by " + s.String()
	}
	if s, ok := l.settings[keyLogFormat]; ok {
		log.Format, formBy = strings.ToLower(s.value), "by "+s.String()
	}
	if levelBy != byDefault || formBy != byDefault {
		l.note(fmt.Sprintf("the log has the level %s %s and the form %s %s",
			strings.ToLower(log.Level.String()), levelBy, log.Format, formBy))
	}
	if len(back.left) > 0 {
		l.note(back.name + ": not taken: " + strings.Join(back.left, ", "))
	}
}

// levelNamed reads a level of logback. This log has no levels below DEBUG and above ERROR, and is never switched off.
func levelNamed(name string) (level slog.Level, known bool) {
	switch strings.ToUpper(name) {
	case "TRACE", "ALL", "DEBUG":
		return slog.LevelDebug, true
	case "INFO":
		return slog.LevelInfo, true
	case "WARN", "WARNING":
		return slog.LevelWarn, true
	case "ERROR", "OFF":
		return slog.LevelError, true
	}
	return 0, false
}

// findLogback reads the logback.xml beside the YAML files, if there is one, or where the vendor's image looks. Beside
// several files, the last one counts, as of the YAML files.
func (l *loader) findLogback() logback {
	for _, file := range slices.Backward(append([]string{vendorFile}, l.files...)) {
		name := filepath.Join(filepath.Dir(file), "logback.xml")
		content, err := l.src.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var back logback
		if err == nil {
			back, err = readLogback(content, l.environ)
		}
		if err != nil {
			l.warn(fmt.Sprintf("%s: cannot be read, so that level and form of the log are not taken from it: %v", name, err))
			return logback{}
		}
		back.name = name
		return back
	}
	return logback{}
}
