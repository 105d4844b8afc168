package config

import (
	"regexp"
	"strings"
)

// maxSlip is the edit distance of a typing error: a letter too many, one missing, or two that changed places.
const maxSlip = 2

// nearestPattern gives the known pattern with the least edit distance, and that distance.
func nearestPattern(pattern string, known []string) (best string, least int) {
	return nearest(known, func(k string) int { return slip(pattern, k) })
}

// slip is the edit distance of two names. Case and separators do not count.
func slip(a, b string) int { return editDistance(squash(a), squash(b)) }

func nearest(known []string, distance func(string) int) (best string, least int) {
	least = -1
	for _, k := range known {
		if d := distance(k); least < 0 || d < least {
			best, least = k, d
		}
	}
	return best, least
}

// lastWordCounts is how much more the last word of a key counts than a letter before it: providers[0].stage means a
// stage, though its letters are nearer to those of providers[0].type.
const lastWordCounts = 60

// longWord is from how many letters on half of a word tells it from others.
const longWord = 8

// meant gives the setting that is nearest to an unknown name by meaning, and whether it is near at all: a typing error
// away, or with two thirds of its last word, or half of a long one.
func (l *loader) meant(pattern string) (best string, isNear bool) {
	best, _ = nearest(l.patterns(), func(k string) int {
		missed, of := lastWordMissed(pattern, k)
		distance := slip(pattern, k) + lastWordCounts*missed/of
		if strings.HasPrefix(k, secretsPrefix) && !strings.HasPrefix(squash(pattern), "secret") ||
			strings.HasPrefix(k, eventsPrefix) && !strings.Contains(squash(pattern), "event") ||
			strings.HasPrefix(k, tablePrefix) && !strings.Contains(squash(pattern), "store") {
			distance += lastWordCounts // their regions and keys are others than the agent's own
		}
		if l.fields[k].guard == guardFilter && !filterWord.MatchString(pattern) {
			distance += lastWordCounts // their long names are like many a word
		}
		return distance
	})
	missed, of := lastWordMissed(pattern, best)
	if l.fields[best].guard == guardFilter && !filterWord.MatchString(pattern) {
		return best, false
	}
	return best, missed <= of/3 || of > longWord && missed <= of/2 || slip(pattern, best) <= maxSlip
}

// filterWord is a word that the name of a filter has.
var filterWord = regexp.MustCompile(`(?i)filter|include|exclude`)

// lastWordMissed is how many letters of the last word of a known pattern a name does not end with, and of how many. A
// word that is cut short, such as role, counts as near.
func lastWordMissed(name, known string) (missed, of int) {
	own, last := lastWord(name), lastWord(strings.TrimSuffix(known, ".NAME"))
	end := strings.ReplaceAll(squash(name), indexMark, "")
	missed = len(last)
	for size := len(last) / 2; size <= len(last)+maxSlip; size++ {
		missed = min(missed, editDistance(end[max(len(end)-size, 0):], last))
	}
	if one := strings.TrimSuffix(own, "s"); one == last {
		missed = 0
	} else if len(one) > maxSlip && strings.HasPrefix(last, one) {
		missed = min(missed, len(last)/3)
	}
	return missed, len(last)
}

// Meant is the known name that a misspelt one was meant to be: the same but for case and separators, or a typing error
// that leaves half of it right. It is empty where none is like it, as with Ireland for a region.
func Meant(name string, known []string) string {
	found, distance := nearestPattern(name, known)
	if distance > min(maxSlip, len(name)/2) {
		return ""
	}
	return found
}

func lastWord(pattern string) string {
	words := strings.FieldsFunc(strings.ToLower(pattern), func(r rune) bool {
		return strings.ContainsRune("._-[]"+indexMark, r)
	})
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// isSlip tells whether a name is a known one with a typing error anywhere in it, its first word included.
func isSlip(name string, known []string) bool {
	pattern, _ := toPattern(name)
	_, distance := nearestPattern(pattern, known)
	return distance <= maxSlip
}

var separators = strings.NewReplacer(".", "", "_", "", "-", "", "[", "", "]", "")

// squash leaves only what tells two names apart to a reader.
func squash(name string) string { return separators.Replace(strings.ToLower(name)) }

// maxSuggested is how many bytes of a name are compared. Longer names are no typing errors: the longest key has 60.
const maxSuggested = 80

// editDistance is Levenshtein's: insertions, deletions and substitutions of one byte.
func editDistance(a, b string) int {
	a = a[:min(len(a), maxSuggested)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
