package apimsim

import (
	"fmt"
	"unicode/utf8"
)

// Limits of APIM's SQL backend, in characters.
const (
	maxPlanName       = 64
	maxPageName       = 64
	maxCharacteristic = 64
	maxMetadataKey    = 64 // the key is the name, whose own column would take 1024
	maxMetadataValue  = 1024
	maxAPIKey         = 128
)

// fits is what a VARCHAR(limit) column says to a text.
func (a *APIM) fits(what, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n > limit && !a.opts.NoSQLLimits {
		return fmt.Errorf("%s has %d characters, the column takes %d", what, n, limit)
	}
	return nil
}
