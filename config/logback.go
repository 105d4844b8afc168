package config

import (
	"encoding/xml"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// logback is what can be taken from a logback.xml: one level and one form, since this log has one of each.
type logback struct {
	name   string
	level  *slog.Level // nil where the file names none
	format string      // empty where the file names none
	left   []string    // what was not taken
}

// The elements of a logback.xml that are read.
type (
	logbackXML struct {
		XMLName   xml.Name          `xml:"configuration"`
		Appenders []logbackAppender `xml:"appender"`
		Loggers   []logbackLogger   `xml:"logger"`
		Root      logbackLogger     `xml:"root"`
		Others    []logbackOther    `xml:",any"`
	}
	logbackAppender struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"class,attr"`
		Refs    []logbackRef `xml:"appender-ref"`
		Encoder logbackForm  `xml:"encoder"`
		Layout  logbackForm  `xml:"layout"`
	}
	logbackForm struct {
		Class   string        `xml:"class,attr"`
		Layout  *logbackClass `xml:"layout"`
		Pattern string        `xml:"pattern"`
	}
	logbackClass struct {
		Class string `xml:"class,attr"`
	}
	logbackLogger struct {
		Name  string       `xml:"name,attr"`
		Level string       `xml:"level,attr"`
		Below logbackLevel `xml:"level"` // the older form
		Refs  []logbackRef `xml:"appender-ref"`
	}
	logbackLevel struct {
		Value string `xml:"value,attr"`
	}
	logbackRef struct {
		Ref string `xml:"ref,attr"`
	}
	logbackOther struct {
		XMLName xml.Name
		Name    string `xml:"name,attr"`
		Value   string `xml:"value,attr"`
	}
)

var (
	// ownLogger is a logger in which the vendor's agent does what this one does.
	ownLogger = regexp.MustCompile(`^(io\.gravitee|com\.graviteesource)(\.|$)`)
	// jsonClass is an encoder or a layout that writes JSON.
	jsonClass = regexp.MustCompile(`(?i)json|logstash|ecsencoder`)
	// logbackVariable is ${NAME} or ${NAME:-default}.
	logbackVariable = regexp.MustCompile(`\$\{([^:}]+)(?::-([^}]*))?\}`)
)

// readLogback takes what it can. The level is the most talkative one of the agent's own loggers, else that of the root:
// what a user wants to see of one part must not be lost. The form is that of the console appender in use.
func readLogback(content []byte, environ map[string]string) (back logback, err error) {
	var file logbackXML
	if err := xml.Unmarshal(content, &file); err != nil {
		return back, err
	}
	properties := map[string]string{}
	for _, other := range file.Others {
		switch other.XMLName.Local {
		case "property", "variable":
			properties[other.Name] = other.Value
		case "statusListener", "shutdownHook", "contextName": // of the JVM alone
		default:
			back.left = append(back.left, "the element "+show(other.XMLName.Local))
		}
	}
	expand := func(text string) string {
		return logbackVariable.ReplaceAllStringFunc(text, func(found string) string {
			parts := logbackVariable.FindStringSubmatch(found)
			for _, value := range []string{properties[parts[1]], environ[parts[1]]} {
				if value != "" {
					return value
				}
			}
			return parts[2]
		})
	}
	back.takeLevels(file, expand)
	back.takeForm(file)
	slices.Sort(back.left)
	back.left = slices.Compact(back.left)
	return back, nil
}

func (b *logback) takeLevels(file logbackXML, expand func(string) string) {
	var ofRoot *slog.Level
	for _, logger := range append(file.Loggers, file.Root) {
		name, text := logger.Name, strings.TrimSpace(expand(logger.Level+logger.Below.Value))
		level, known := levelNamed(text)
		switch isRoot := name == ""; {
		case text == "", strings.EqualFold(text, "inherited"), strings.EqualFold(text, "null"):
		case known && isRoot:
			ofRoot = &level
		case known && ownLogger.MatchString(name):
			if b.level == nil || level < *b.level {
				b.level = &level
			}
		case isRoot:
			b.left = append(b.left, "the level of root")
		default:
			b.left = append(b.left, "the level of "+show(name))
		}
	}
	switch {
	case b.level == nil:
		b.level = ofRoot
	case ofRoot != nil:
		b.left = append(b.left, "the level of root")
	}
}

func (b *logback) takeForm(file logbackXML) {
	used := map[string]bool{}
	use := func(refs []logbackRef) {
		for _, r := range refs {
			used[r.Ref] = true
		}
	}
	for _, logger := range append(file.Loggers, file.Root) {
		use(logger.Refs)
	}
	for _, a := range file.Appenders { // one that hands on to others
		use(a.Refs)
	}
	for _, a := range file.Appenders {
		form := a.Encoder
		if form == (logbackForm{}) {
			form = a.Layout
		}
		isConsole := strings.HasSuffix(a.Class, ".ConsoleAppender")
		switch {
		case !used[a.Name], len(a.Refs) > 0:
		case !isConsole:
			b.left = append(b.left, "the appender "+show(a.Name)+", as this log goes to the standard error alone")
		case jsonClass.MatchString(form.classes()):
			b.format = formatJSON
		default:
			b.format = formatText
			if form.Layout != nil || strings.TrimSpace(form.Pattern) != "" {
				b.left = append(b.left, "the pattern of "+show(a.Name))
			}
		}
	}
}

func (f logbackForm) classes() string {
	if f.Layout != nil {
		return f.Class + " " + f.Layout.Class
	}
	return f.Class
}
