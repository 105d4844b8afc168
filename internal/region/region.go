// Package region knows AWS's regions and the partitions that they belong to.
package region

import (
	"slices"
	"strings"
)

// Partition is a separate part of AWS. Its regions, accounts and ARNs are unknown in other partitions.
type Partition struct {
	ID string // as in an ARN: aws, aws-cn, aws-us-gov …
	// Suffix is the domain that service and API host names end with.
	Suffix string
	// Home is a region that is always enabled, where any credentials of the partition can be tried.
	Home    string
	regions []string
}

// partitions are those of the SDK's version in go.mod (its partitions.json; a test compares the two): the SDK keeps
// them internal, and resolves an unknown region silently to a host that does not exist.
func partitions() []Partition {
	return []Partition{
		{"aws", "amazonaws.com", "us-east-1", strings.Fields(`af-south-1 ap-east-1 ap-east-2
			ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
			ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
			eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1
			me-central-1 me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1
			us-east-1 us-east-2 us-west-1 us-west-2`)},
		{"aws-cn", "amazonaws.com.cn", "cn-north-1", strings.Fields("cn-north-1 cn-northwest-1")},
		{"aws-us-gov", "amazonaws.com", "us-gov-west-1", strings.Fields("us-gov-east-1 us-gov-west-1")},
		{"aws-eusc", "amazonaws.eu", "eusc-de-east-1", strings.Fields("eusc-de-east-1")},
		{"aws-iso", "c2s.ic.gov", "us-iso-east-1", strings.Fields("us-iso-east-1 us-iso-west-1")},
		{"aws-iso-b", "sc2s.sgov.gov", "us-isob-east-1", strings.Fields("us-isob-east-1 us-isob-west-1")},
		{"aws-iso-e", "cloud.adc-e.uk", "eu-isoe-west-1", strings.Fields("eu-isoe-west-1")},
		{"aws-iso-f", "csp.hci.ic.gov", "us-isof-south-1", strings.Fields("us-isof-east-1 us-isof-south-1")},
	}
}

// All are the regions that this build knows, sorted.
func All() []string {
	var all []string
	for _, p := range partitions() {
		all = append(all, p.regions...)
	}
	slices.Sort(all)
	return all
}

// Known reports whether a region is one of [All].
func Known(name string) bool { return slices.Contains(All(), name) }

// Named is the partition with an id, else "aws".
func Named(id string) Partition {
	all := partitions()
	return all[max(slices.IndexFunc(all, func(p Partition) bool { return p.ID == id }), 0)]
}

// Regions are those that this build knows, the home region first, the others sorted.
func (p Partition) Regions() []string {
	others := slices.DeleteFunc(slices.Clone(p.regions), func(name string) bool { return name == p.Home })
	return append([]string{p.Home}, others...)
}

// PartitionOf is the partition whose known regions begin with the same words as a region, whether this build knows it
// or not; else "aws".
func PartitionOf(name string) Partition {
	all := partitions()
	for _, p := range all {
		if slices.ContainsFunc(p.regions, func(known string) bool { return stem(known) == stem(name) }) {
			return p
		}
	}
	return all[0]
}

// stem is the part of a region's name that shows its partition: "us-gov" of us-gov-west-1, "cn" of cn-north-1. No two
// partitions share one.
func stem(name string) string {
	parts := strings.Split(name, "-")
	return strings.Join(parts[:max(len(parts)-2, 0)], "-")
}
