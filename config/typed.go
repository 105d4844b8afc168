package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"federation-agent/internal/secret"
)

// parsers let caarlos0/env read a value as the checks do: its own know neither MiB nor yes. In the place of each secret,
// the library is given its key.
func parsers(secrets map[string]secret.String) map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():          func(text string) (any, error) { return parseBool(text) },
		reflect.TypeFor[int]():           func(text string) (any, error) { n, err := parseSize(text); return int(n), err },
		reflect.TypeFor[int64]():         func(text string) (any, error) { n, err := parseSize(text); return int64(n), err },
		reflect.TypeFor[secret.String](): func(key string) (any, error) { return secrets[key], nil },
	}
}

// canonicalValue checks a value and gives it as the library reads it. Its errors say what is accepted and never repeat
// a secret.
func (f field) canonicalValue(text string) (string, error) {
	if f.kind != kindLines && strings.ContainsFunc(text, isControl) {
		return "", errors.New("contains a line break or another control character")
	}
	if len(f.oneOf) > 0 {
		text = strings.ToLower(text) // gravitee-node accepts any case, too
		if !slices.Contains(f.oneOf, text) {
			return "", fmt.Errorf("%s is not one of %s", show(text), strings.Join(f.oneOf, ", "))
		}
	}
	if f.guard != "" && f.kind != kindBool && len(f.oneOf) == 0 {
		if err := unwrapped(text); err != nil {
			return "", err
		}
	}
	switch f.kind {
	case kindBool:
		_, err := parseBool(text)
		return text, err
	case kindShare:
		if strings.EqualFold(text, autoShare) {
			return text, nil
		}
		return text, f.inRange(text)
	case kindInt, kindSize, kindFloat, kindDuration:
		return text, f.inRange(text)
	case kindCommaList:
		return strings.Join(splitList(text), ","), nil
	default: // any text
		return text, nil
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// numbers says how each kind of number is read, and what it is called. A float64 is exact for whole numbers within
// every range.
var numbers = map[kind]struct {
	parse func(text string) (float64, error)
	name  string
}{
	kindInt: {
		func(text string) (float64, error) { n, err := strconv.Atoi(text); return float64(n), err },
		"a whole number",
	},
	kindShare: {
		func(text string) (float64, error) { n, err := strconv.Atoi(text); return float64(n), err },
		"a whole number, or auto",
	},
	kindSize:  {parseSize, "a size such as 65536, 512KiB or 8MiB"},
	kindFloat: {func(text string) (float64, error) { return strconv.ParseFloat(text, 64) }, "a number"},
	kindDuration: {
		func(text string) (float64, error) { d, err := time.ParseDuration(text); return float64(d), err },
		"a duration such as 500ms, 10s or 1m30s",
	},
}

// inRange refuses what is not a number, size or duration within the field's limits.
func (f field) inRange(text string) error {
	form := numbers[f.kind]
	value, err := form.parse(text)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("%s is not %s", show(text), form.name)
	}
	low, errLow := form.parse(f.min)
	high, errHigh := form.parse(f.max)
	if errLow != nil || errHigh != nil || value < low || value > high {
		return fmt.Errorf("%s is not between %s and %s", show(text), f.min, f.max)
	}
	return nil
}

func parseBool(text string) (bool, error) {
	// Spring, which reads these files in the vendor's agent, accepts the same words.
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", show(text))
}

// parseSize reads a number of bytes, with an optional KiB, MiB or GiB after it.
func parseSize(text string) (float64, error) {
	digits, unit := text, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if d, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(d), int64(1)<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if n < 0 || n > math.MaxInt64/unit {
		err = strconv.ErrRange
	}
	return float64(n * unit), err
}
