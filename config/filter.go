package config

import (
	"regexp"
	"slices"
	"strings"
)

// FilterOf is what a list of a [Filter] looks at.
type FilterOf int

// What the lists look at.
const (
	FilterAPIs FilterOf = iota
	FilterAPITags
	FilterStages
	FilterStageTags
)

// FilterList is one list of a [Filter]. Setting is its key below the provider's.
type FilterList struct {
	Setting string
	Of      FilterOf
	Exclude bool
	Entries []string
}

// Lists are all lists, each excluding one before the including one beside it.
func (f Filter) Lists() []FilterList {
	const prefix = "configuration.filter."
	return []FilterList{
		{prefix + "excludeApis", FilterAPIs, true, f.ExcludeAPIs},
		{prefix + "includeApis", FilterAPIs, false, f.IncludeAPIs},
		{prefix + "excludeApiTags", FilterAPITags, true, f.ExcludeAPITags},
		{prefix + "includeApiTags", FilterAPITags, false, f.IncludeAPITags},
		{prefix + "excludeStages", FilterStages, true, f.ExcludeStages},
		{prefix + "includeStages", FilterStages, false, f.IncludeStages},
		{prefix + "excludeStageTags", FilterStageTags, true, f.ExcludeStageTags},
		{prefix + "includeStageTags", FilterStageTags, false, f.IncludeStageTags},
	}
}

// guardFilter is the guard of the lists of filters, which may be written with commas.
const guardFilter = "filter"

// listMark ends the pattern of a list whose elements have an index.
const listMark = "[" + indexMark + "]"

// inOneValue is a list of a filter as one value with commas.
func (f field) inOneValue() (one field, is bool) {
	pattern, isList := strings.CutSuffix(f.pattern, listMark)
	f.pattern = pattern
	return f, isList && f.guard == guardFilter
}

// spreadLists turns the lists that are one value with commas into lists with indexes. The environment overrides files
// as for any other setting; two forms of equal strength are a fault.
func (l *loader) spreadLists() {
	for _, key := range sortedKeys(l.settings) {
		f, _ := l.fieldOf(key)
		if f.guard != guardFilter || strings.HasSuffix(key, "]") {
			continue
		}
		s := l.settings[key]
		delete(l.settings, key)
		isOverridden := false
		for _, other := range sortedKeys(l.settings) {
			element := l.settings[other]
			switch {
			case !strings.HasPrefix(other, key+"["):
			case s.at == "" && element.at != "":
				delete(l.settings, other)
			case s.at != "" && element.at == "":
				isOverridden = true
			default:
				l.reject(other, "is set, and so is "+s.variable+"; write the list in one of the two forms")
			}
		}
		if isOverridden {
			continue
		}
		first, entries := key+"[0]", splitList(s.value)
		if err := unwrapped(s.value); err != nil || len(entries) == 0 {
			l.settings[first] = s
			if err != nil {
				l.reject(first, err.Error())
			} else {
				l.reject(first, "has no entry between its commas")
			}
			continue
		}
		for n, entry := range entries {
			element := s
			element.value = entry
			l.settings[withIndexes(f.pattern+listMark, append(indexesOf(key), n)...)] = element
		}
	}
}

func indexesOf(key string) []int {
	_, indexes := toPattern(key)
	return indexes
}

// The most characters that AWS documents of a tag.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

var (
	// stageGlob and tagGlob are what AWS documents of the names of stages, and of tags (letters, digits, spaces and
	// _.:/=+-@), with * and ?. Anything else matches nothing.
	stageGlob = regexp.MustCompile(`^[\w*?-]+$`)
	tagGlob   = regexp.MustCompile(`^[\p{L}\p{N}\p{Z}_.:/=+@*?-]+$`)
)

func (l *loader) checkFilter(i int, filter Filter) {
	lists := filter.Lists()
	for _, list := range lists {
		for n, entry := range list.Entries {
			key := providerKey(i, withIndexes(list.Setting+listMark, n))
			if why := list.neverMatches(entry); why != "" {
				l.fault(key, "%s %s", show(entry), why)
				continue
			}
			if list.Exclude {
				continue
			}
			beside := lists[slices.IndexFunc(lists, func(o FilterList) bool { return o.Exclude && o.Of == list.Of })]
			if slices.Contains(beside.Entries, entry) {
				l.fault(key, "%s is in %s, too, which wins: it lets nothing through", show(entry), beside.Setting)
			}
		}
	}
}

// neverMatches says why an entry can match nothing, or lets nothing through.
func (f FilterList) neverMatches(entry string) string {
	length := func(text string) int { return len([]rune(strings.ReplaceAll(text, "*", ""))) }
	key, value, _ := strings.Cut(entry, "=")
	switch {
	case f.Exclude && matchesAll(entry) && (f.Of == FilterAPIs || f.Of == FilterStages):
		return "lets nothing through"
	case f.Of == FilterAPIs:
		return ""
	case f.Of == FilterStages && (!stageGlob.MatchString(entry) || length(entry) > maxStageName):
		return "matches no stage name: letters, digits, - and _ only, with * and ?"
	case f.Of == FilterStages:
		return ""
	case key == "":
		return "has no tag key before the ="
	case !tagGlob.MatchString(entry):
		return "matches no tag: letters, digits, spaces and _.:/=+-@ only, with * and ?"
	case length(key) > maxTagKey || length(value) > maxTagValue:
		return "is longer than a tag of AWS: 128 characters of key, 256 of value"
	}
	return ""
}

// matchesAll says that an entry matches each name, which has one character at least.
func matchesAll(entry string) bool {
	return strings.Contains(entry, "*") && strings.Trim(entry, "*?") == "" && strings.Count(entry, "?") <= 1
}
