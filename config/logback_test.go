package config_test

import (
	"log/slog"
	"strings"
	"testing"

	"federation-agent/config"
)

const (
	vendorHome = "/opt/graviteeio-federation-agent/config/"
	// chartLogback has the elements of the one that the vendor's Helm chart writes.
	chartLogback = `<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder class="ch.qos.logback.core.encoder.LayoutWrappingEncoder">
      <layout class="ch.qos.logback.contrib.json.classic.JsonLayout">
        <timestampFormat>yyyy-MM-dd'T'HH:mm:ss.SSSXX</timestampFormat>
      </layout>
    </encoder>
  </appender>
  <logger name="io.gravitee" level="INFO"/>
  <logger name="com.graviteesource.federationprovider.aws" level="debug"/>
  <logger name="org.eclipse.jetty" level="INFO"/>
  <root level="WARN"><appender-ref ref="STDOUT"/></root>
</configuration>`
)

// beside is a directory with a gravitee.yml and a logback.xml, at the place where the vendor's image looks.
func beside(logback string, environ ...string) config.Sources {
	return config.Sources{
		Environ: environ, ReadFile: files{vendorHome + "gravitee.yml": wholeYAML, vendorHome + "logback.xml": logback}.read,
	}
}

const readUnasked = vendorHome + "gravitee.yml is read, as by the vendor's image"

func TestTheVendorsFileIsReadWhereNothingNamesAnother(t *testing.T) {
	src := config.Sources{ReadFile: files{vendorHome + "gravitee.yml": wholeYAML}.read}
	cfg, warnings := mustLoad(t, src)
	wantWarnings(t, warnings)
	wantLines(t, "notes", cfg.Notes, readUnasked)
	if cfg.Providers[0].IntegrationID != "from-yaml" {
		t.Errorf("%+v", cfg.Providers[0])
	}
	src = config.Sources{ReadFile: files{vendorHome + "gravitee.yml": "[", "own.yml": wholeYAML}.read}
	src.Environ = []string{"gravitee_agent_config=own.yml"}
	if cfg, _ := mustLoad(t, src); len(cfg.Notes) > 0 {
		t.Errorf("%q", cfg.Notes)
	}
	src.Environ = nil
	wantFaults(t, faultsOf(t, src), vendorHome+"gravitee.yml:1: malformed YAML")
}

func TestLevelAndFormOfTheLogAreTakenFromTheStrongestThatSaysSomething(t *testing.T) {
	const (
		levelOwn    = "gravitee_agent_log_level=error"
		formOwn     = "gravitee_agent_log_format=TEXT"
		levelTheirs = "GRAVITEE_LOG_LEVEL=WARN"
	)
	for name, c := range map[string]struct {
		environ []string
		want    config.Log
		note    string
	}{
		"logback.xml": {
			nil, config.Log{Level: slog.LevelDebug, Format: "json"},
			"the log has the level debug by " + vendorHome + "logback.xml and the form json by " + vendorHome + "logback.xml",
		},
		"the vendor's variable": {
			[]string{levelTheirs}, config.Log{Level: slog.LevelWarn, Format: "json"},
			"the level warn by GRAVITEE_LOG_LEVEL and the form json by " + vendorHome,
		},
		"its stronger spelling": {
			[]string{levelTheirs, "gravitee_log_level=trace"}, config.Log{Level: slog.LevelDebug, Format: "json"},
			"the level debug by gravitee_log_level and",
		},
		"this agent's own": {
			[]string{levelTheirs, levelOwn, formOwn}, config.Log{Level: slog.LevelError, Format: "text"},
			"the level error by gravitee_agent_log_level and the form text by gravitee_agent_log_format",
		},
	} {
		cfg, warnings := mustLoad(t, beside(chartLogback, c.environ...))
		wantWarnings(t, warnings)
		if cfg.Agent.Log != c.want {
			t.Errorf("%s: %+v, want %+v", name, cfg.Agent.Log, c.want)
		}
		wantLines(t, "notes", cfg.Notes, readUnasked, c.note,
			`logback.xml: not taken: the level of "org.eclipse.jetty", the level of root`)
	}
	cfg, warnings := mustLoad(t, sources(seed("GRAVITEE_LOG_LEVEL=loud")...))
	wantWarnings(t, warnings, `GRAVITEE_LOG_LEVEL: "loud" is not a level such as DEBUG`)
	if cfg.Agent.Log.Level != slog.LevelInfo || len(cfg.Notes) > 0 {
		t.Errorf("%+v %q", cfg.Agent.Log, cfg.Notes)
	}
	if cfg, _ := mustLoad(t, sources(seed("LOG_LEVEL=DEBUG")...)); cfg.Agent.Log.Level != slog.LevelInfo {
		t.Error("the variable of any program was taken")
	}
}

func TestWhatCanBeTakenOfALogbackIsTaken(t *testing.T) {
	const console = `<appender name="C" class="ch.qos.logback.core.ConsoleAppender">`
	for name, c := range map[string]struct {
		inside, level, form string
		left                string
	}{
		"nothing": {``, "INFO", "text", ""},
		"the root alone, in the older form": {
			`<root><level value="ERROR"/></root>`, "ERROR", "text", "",
		},
		"a logger of ours, other loggers, an inherited level": {
			`<logger name="io.gravitee.exchange" level="DEBUG"/><logger name="io.graviteex" level="TRACE"/>
			<logger name="io.gravitee" level="INHERITED"/><root level="OFF"/>`, "DEBUG", "text",
			`the level of "io.graviteex", the level of root`,
		},
		"variables": {
			`<property name="ours" value="ERROR"/><logger name="io.gravitee" level="${ours}"/>
			<logger name="com.graviteesource" level="${NOBODY_SETS:-WARN}"/>`, "WARN", "text", "",
		},
		"a variable of the environment": {`<root level="${THE_LEVEL:-INFO}"/>`, "DEBUG", "text", ""},
		"no level at all":               {`<root level="loud"/>`, "INFO", "text", "the level of root"},
		"a pattern": {
			console + `<encoder><pattern>%d %msg%n</pattern></encoder></appender><root><appender-ref ref="C"/></root>`,
			"INFO", "text", `the pattern of "C"`,
		},
		"JSON of an encoder, behind another appender": {
			`<appender name="A" class="ch.qos.logback.classic.AsyncAppender"><appender-ref ref="C"/></appender>` + console +
				`<encoder class="net.logstash.logback.encoder.LogstashEncoder"/></appender>
			<root level="WARN"><appender-ref ref="A"/></root>`, "WARN", "json", "",
		},
		"JSON of an appender that is not in use": {
			console + `<encoder class="ch.qos.logback.classic.encoder.JsonEncoder"/></appender><root level="INFO"/>`,
			"INFO", "text", "",
		},
		"a file, and an element that is not read": {
			`<appender name="F" class="ch.qos.logback.core.rolling.RollingFileAppender"/><include resource="x"/>
			<logger name="io.gravitee"><appender-ref ref="F"/></logger>`, "INFO", "text",
			`the appender "F", as this log goes to the standard error alone, the element "include"`,
		},
	} {
		cfg, warnings := mustLoad(t, beside("<configuration>"+c.inside+"</configuration>", "THE_LEVEL=DEBUG"))
		wantWarnings(t, warnings)
		if got := cfg.Agent.Log; got.Level.String() != c.level || got.Format != c.form {
			t.Errorf("%s: %+v", name, got)
		}
		_, left, _ := strings.Cut(strings.Join(cfg.Notes, "\n"), "not taken: ")
		if left != c.left {
			t.Errorf("%s: not taken is %q, want %q", name, left, c.left)
		}
	}
}

func TestABrokenLogbackIsAWarning(t *testing.T) {
	for name, content := range map[string]string{
		"no XML": "{}", "cut off": chartLogback[:300], "another document": "<html/>",
		"an entity": `<!DOCTYPE x [<!ENTITY a "DEBUG">]><configuration><root level="&a;"/></configuration>`,
		"deep":      "<configuration>" + strings.Repeat("<a>", 20_000),
	} {
		cfg, warnings := mustLoad(t, beside(content))
		if len(warnings) != 1 || !strings.HasPrefix(warnings[0], vendorHome+"logback.xml: cannot be read, so that level") {
			t.Errorf("%s: %q", name, warnings)
		}
		if cfg.Agent.Log != (config.Log{Level: slog.LevelInfo, Format: "text"}) {
			t.Errorf("%s: %+v", name, cfg.Agent.Log)
		}
	}
}

// Compose files of the vendor mount a logback.xml alone: the vendor's image has a gravitee.yml of its own beside it.
func TestALogbackAloneIsReadWhereTheVendorsImageLooks(t *testing.T) {
	src := config.Sources{Environ: seed(), ReadFile: files{vendorHome + "logback.xml": chartLogback}.read}
	cfg, _ := mustLoad(t, src)
	if cfg.Agent.Log.Format != "json" || !strings.Contains(strings.Join(cfg.Notes, ""), "by "+vendorHome+"logback.xml") {
		t.Errorf("%+v %q", cfg.Agent.Log, cfg.Notes)
	}
}

// The vendor's chart names two files, and its logback.xml lies beside both.
func TestTheLogbackBesideANamedFileIsRead(t *testing.T) {
	src := config.Sources{
		Environ:  []string{"JDK_JAVA_OPTIONS=-Dgravitee.conf=/a/one.yml,/b/two.yml"},
		ReadFile: files{"/a/one.yml": wholeYAML, "/b/two.yml": "", "/a/logback.xml": chartLogback}.read,
	}
	cfg, _ := mustLoad(t, src)
	if cfg.Agent.Log.Format != "json" || !strings.Contains(strings.Join(cfg.Notes, ""), "by /a/logback.xml") {
		t.Errorf("%+v %q", cfg.Agent.Log, cfg.Notes)
	}
}
