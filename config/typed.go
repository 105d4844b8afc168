package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// canonicalValue checks a value's form and gives it as the library reads it: sizes in bytes, booleans as
// true or false, lists without blanks. Its errors say what is accepted and never repeat a secret.
func (f field) canonicalValue(text string) (string, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("holds a line break or another control character")
	}
	switch f.kind {
	case kindBool:
		b, err := parseBool(text)
		return strconv.FormatBool(b), err
	case kindInt, kindSize, kindFloat, kindDuration:
		if err := f.inRange(text); err != nil {
			return "", err
		}
		if f.kind == kindSize {
			n, err := parseSize(text)
			return strconv.FormatInt(n, 10), err
		}
		return text, nil
	case kindCommaList:
		var parts []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, ","), nil
	}
	if len(f.oneOf) > 0 {
		text = strings.ToLower(text) // as gravitee-node takes them
	}
	if len(f.oneOf) > 0 && !slices.Contains(f.oneOf, text) {
		return "", fmt.Errorf("%s is not one of %s", show(text), strings.Join(f.oneOf, ", "))
	}
	return text, nil
}

// inRange reports a number, size or duration outside of the field's limits.
func (f field) inRange(text string) error {
	value, err := f.number(text)
	if err != nil {
		return err
	}
	low, errLow := f.number(f.min)
	high, errHigh := f.number(f.max)
	if err := errors.Join(errLow, errHigh); err != nil {
		return err
	}
	if value < low || value > high {
		return fmt.Errorf("%s is not between %s and %s", show(text), f.min, f.max)
	}
	return nil
}

// number gives an integer, size (bytes), decimal or duration (nanoseconds) for comparison.
func (f field) number(text string) (float64, error) {
	switch f.kind {
	case kindSize:
		n, err := parseSize(text)
		return float64(n), err
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration such as 500ms, 10s or 1m30s", show(text))
		}
		return float64(d), nil
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return 0, fmt.Errorf("%s is not a number", show(text))
		}
		return n, nil
	default:
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("%s is not a whole number", show(text))
		}
		return float64(n), nil
	}
}

func parseBool(text string) (bool, error) {
	// Spring, which reads these files in the vendor's agent, takes the same words.
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", show(text))
}

// parseSize reads bytes, with KiB, MiB or GiB behind the number if wanted.
func parseSize(text string) (int64, error) {
	digits, unit := text, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if d, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(d), int64(1)<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%s is not a size such as 65536, 512KiB or 8MiB", show(text))
	}
	return n * unit, nil
}
