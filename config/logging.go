package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"federation-agent/internal/logback"
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
	file, back := l.findLogback()
	const byDefault = "by default"
	levelBy, formBy := byDefault, byDefault
	if back.Level != nil {
		log.Level, levelBy = *back.Level, "by "+file
	}
	if back.HasConsole {
		log.Format, formBy = formatText, "by "+file
	}
	if back.JSON {
		log.Format = formatJSON
	}
	for _, name := range slices.Backward(logVariables) {
		value := strings.TrimSpace(l.environ[name])
		if level, known := logback.Level(value); known {
			log.Level, levelBy = level, "by "+name
		} else if value != "" {
			l.warn(fmt.Sprintf("%s: %s is not a level such as DEBUG, INFO, WARN or ERROR; it has no effect",
				name, show(value)))
		}
	}
	if s, ok := l.settings[keyLogLevel]; ok {
		log.Level, _ = logback.Level(s.value)
		levelBy = "by " + s.String()
	}
	if s, ok := l.settings[keyLogFormat]; ok {
		log.Format, formBy = strings.ToLower(s.value), "by "+s.String()
	}
	l.tell(keyLogLevel, strings.ToLower(log.Level.String()), strings.TrimPrefix(levelBy, "by "))
	l.tell(keyLogFormat, log.Format, strings.TrimPrefix(formBy, "by "))
	if levelBy != byDefault || formBy != byDefault {
		l.note(fmt.Sprintf("the log has the level %s %s and the form %s %s",
			strings.ToLower(log.Level.String()), levelBy, log.Format, formBy))
	}
	if len(back.Left) > 0 {
		l.note(file + ": not taken: " + strings.Join(back.Left, ", "))
	}
}

// findLogback reads the logback.xml beside the YAML files, if there is one, or where the vendor's image looks. Beside
// several files, the last one counts, as of the YAML files.
func (l *loader) findLogback() (name string, back logback.Settings) {
	for _, file := range slices.Backward(append([]string{vendorFile}, l.files...)) {
		name = filepath.Join(filepath.Dir(file), "logback.xml")
		content, err := l.src.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			back, err = logback.Read(content, l.environ)
		}
		if err != nil {
			l.warn(fmt.Sprintf("%s: cannot be read, so that level and form of the log are not taken from it: %v", name, err))
		}
		break
	}
	return name, back
}
