// Package logback takes from a logback.xml, the configuration of the log of programs in Java, what a log with one level
// and one form can use.
package logback

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// Settings are what could be taken.
type Settings struct {
	// Level is nil where the file names none.
	Level *slog.Level
	// HasConsole says that lines go to the console, and JSON in which form.
	HasConsole, JSON bool
	// Left names what was not taken.
	Left []string
}

// element is any element of the file.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inside  []element  `xml:",any"`
}

func (e element) attr(name string) string {
	at := slices.IndexFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == name })
	if at < 0 {
		return ""
	}
	return e.Attrs[at].Value
}

// all are the elements of a name directly inside.
func (e element) all(name string) []element {
	return slices.DeleteFunc(slices.Clone(e.Inside), func(inner element) bool { return inner.XMLName.Local != name })
}

var (
	// ownLogger is a logger in which the vendor's agent does what this one does.
	ownLogger = regexp.MustCompile(`^(io\.gravitee|com\.graviteesource)(\.|$)`)
	// jsonClass is an encoder or a layout that writes JSON.
	jsonClass = regexp.MustCompile(`(?i)json|logstash|ecsencoder`)
	// variable is ${NAME} or ${NAME:-default}.
	variable = regexp.MustCompile(`\$\{([^:}]+)(?::-([^}]*))?\}`)
)

// Read takes what it can. The level is the most talkative one of the agent's own loggers, else that of the root: what a
// user wants to see of one part must not be lost. The form is that of the console appender in use.
func Read(content []byte, environ map[string]string) (s Settings, err error) {
	var file element
	if err := xml.Unmarshal(content, &file); err != nil {
		return s, err
	}
	if name := file.XMLName.Local; name != "configuration" {
		return s, fmt.Errorf("its first element is <%.40s> instead of <configuration>", name)
	}
	properties := map[string]string{}
	for _, e := range file.Inside {
		switch name := e.XMLName.Local; name {
		case "property", "variable":
			properties[e.attr("name")] = e.attr("value")
		case "appender", "logger", "root", "statusListener", "shutdownHook", "contextName": // read below, or of the JVM alone
		default:
			s.leave("the element %.40q", name)
		}
	}
	expand := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(found string) string {
			parts := variable.FindStringSubmatch(found)
			for _, value := range []string{properties[parts[1]], environ[parts[1]]} {
				if value != "" {
					return value
				}
			}
			return parts[2]
		})
	}
	loggers := slices.Concat(file.all("logger"), file.all("root"))
	s.takeLevels(loggers, expand)
	s.takeForm(loggers, file.all("appender"))
	slices.Sort(s.Left)
	s.Left = slices.Compact(s.Left)
	return s, nil
}

func (s *Settings) leave(format string, args ...any) {
	s.Left = append(s.Left, fmt.Sprintf(format, args...))
}

func (s *Settings) takeLevels(loggers []element, expand func(string) string) {
	var ofRoot *slog.Level
	for _, logger := range loggers {
		text := logger.attr("level")
		for _, below := range logger.all("level") { // the older form
			text += below.attr("value")
		}
		name, text := logger.attr("name"), strings.TrimSpace(expand(text))
		level, known := Level(text)
		switch isRoot := name == ""; {
		case text == "", strings.EqualFold(text, "inherited"), strings.EqualFold(text, "null"):
		case known && isRoot:
			ofRoot = &level
		case known && ownLogger.MatchString(name):
			if s.Level == nil || level < *s.Level {
				s.Level = &level
			}
		case isRoot:
			s.leave("the level of root")
		default:
			s.leave("the level of %.40q", name)
		}
	}
	switch {
	case s.Level == nil:
		s.Level = ofRoot
	case ofRoot != nil:
		s.leave("the level of root")
	}
}

func (s *Settings) takeForm(loggers, appenders []element) {
	used := map[string]bool{}
	for _, e := range slices.Concat(loggers, appenders) { // some appenders hand on to others
		for _, ref := range e.all("appender-ref") {
			used[ref.attr("ref")] = true
		}
	}
	for _, a := range appenders {
		name := a.attr("name")
		form := slices.Concat(a.all("encoder"), a.all("layout"), []element{{}})[0]
		classes, layouts := form.attr("class"), form.all("layout")
		for _, layout := range layouts {
			classes += " " + layout.attr("class")
		}
		switch {
		case !used[name], len(a.all("appender-ref")) > 0:
			continue
		case !strings.HasSuffix(a.attr("class"), ".ConsoleAppender"):
			s.leave("the appender %.40q, as this log goes to the standard error alone", name)
			continue
		}
		s.HasConsole, s.JSON = true, jsonClass.MatchString(classes)
		if !s.JSON && (len(layouts) > 0 || len(form.all("pattern")) > 0) {
			s.leave("the pattern of %.40q", name)
		}
	}
}

// Level reads a level of logback. This log has no levels below DEBUG and above ERROR, and is never switched off.
func Level(name string) (level slog.Level, known bool) {
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
