package config

import "strings"

// maxSlip is the edit distance of a typing error: a letter too many, one missing, or two that changed places.
const maxSlip = 2

// nearestPattern gives the known pattern with the least edit distance, and that distance. Case and separators do not
// count.
func nearestPattern(pattern string, known []string) (best string, least int) {
	least = -1
	for _, k := range known {
		if d := editDistance(squash(pattern), squash(k)); least < 0 || d < least {
			best, least = k, d
		}
	}
	return best, least
}

// isSlip tells whether a name is a known one with a typing error anywhere in it, its first word included.
func isSlip(name string, known []string) bool {
	pattern, _ := toPattern(name)
	_, distance := nearestPattern(pattern, known)
	return distance <= maxSlip
}

// squash leaves only what tells two names apart to a reader.
func squash(name string) string {
	return strings.NewReplacer(".", "", "_", "", "-", "", "[", "", "]", "").Replace(strings.ToLower(name))
}

// maxSuggested is how many bytes of a name are compared. Longer names are no typing errors.
const maxSuggested = 200

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
