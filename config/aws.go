package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"federation-agent/internal/region"
)

// regionShape is AREA-DIRECTION-NUMBER.
var regionShape = regexp.MustCompile(
	`^([a-z]+(?:-[a-z]+)?)-((?:north|south)?(?:east|west)|north|south|central)-[1-9][0-9]?$`)

// partitionOf gives the partition of a region, and whether the region is in the list. A region that AWS opens later in
// a known area is accepted with a warning, so that an old list excludes nobody. A name of another form has no
// partition.
func partitionOf(name string) (partition string, listed bool) {
	m := regionShape.FindStringSubmatch(name)
	sameArea := func(known string) bool { return m != nil && regionShape.FindStringSubmatch(known)[1] == m[1] }
	if !slices.ContainsFunc(region.All(), sameArea) {
		return "", false
	}
	return region.PartitionOf(name).ID, region.Known(name)
}

// likeRegion asks whether the known region that is most like a word was meant, if any is.
func likeRegion(word string) string {
	if meant := Meant(word, region.All()); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return ""
}

// Lengths are checked beside the patterns: each repetition that a pattern counts costs memory as long as the process
// lives, and 510 of them were most of what this package took.

// roleARN is documented by AWS: arn:PARTITION:iam::ACCOUNT:role/PATH/NAME.
var roleARN = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::[0-9]{12}:role/((?:[!-~]+/)?)([\w+=,.@-]+)$`)

// The most characters that AWS documents.
const (
	maxRolePath    = 511 // with the slash behind it
	maxRoleName    = 64
	maxStageName   = 128
	minAccessKeyID = 16
	maxAccessKeyID = 128
)

// partitionOfRole gives the partition of a role's ARN, if it is one.
func partitionOfRole(arn string) (partition string, ok bool) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil || len(m[2]) > maxRolePath || len(m[3]) > maxRoleName {
		return "", false
	}
	return m[1], true
}

func (l *loader) checkProvider(i int, p Provider) {
	kind, id := providerKey(i, "type"), providerKey(i, "integrationId")
	switch p.Type {
	case ProviderType:
	case "":
		l.fault(kind, "is missing")
	default:
		l.fault(kind, "%s is not served; this agent is for %s", show(p.Type), ProviderType)
	}
	switch {
	case p.IntegrationID == "":
		l.fault(id, "is missing: the id that the integration's Overview page in the APIM console shows")
	case isTemplate(p.IntegrationID):
		l.fault(id, templateText)
	case strings.ContainsAny(p.IntegrationID, " \t\r\n\"'"):
		l.fault(id, "contains a space or a quote; write only the id")
	}
	l.checkKeys(i, p)
	l.checkStages(i, p.Stages)
	l.checkFilter(i, p.Filter)
}

var (
	// accessKeyID is documented by AWS (IAM API, AccessKey). What a stand-in for AWS is given in place of both keys, such
	// as LocalStack's "test", may be shorter.
	accessKeyID = regexp.MustCompile(`^\w+$`)
	// secretAccessKey is not documented. AWS's have 40 letters, digits, / and +. A stand-in's may be others and fewer, but
	// no brackets or quotes, and not as few as a number or the word null has.
	secretAccessKey = regexp.MustCompile(`^[!#-&*-;=?-Z\\^_a-z|~]{8,}$`)
)

func (l *loader) checkKeys(i int, p Provider) {
	const both = "set both, or neither to use the AWS SDK's default chain"
	id, key := providerKey(i, "configuration.accessKeyId"), providerKey(i, "configuration.secretAccessKey")
	token := providerKey(i, "configuration.sessionToken")
	switch {
	case p.AccessKeyID.IsZero() && !p.SecretAccessKey.IsZero():
		l.fault(id, "is missing, though the secret access key is set; "+both)
	case !p.AccessKeyID.IsZero() && p.SecretAccessKey.IsZero():
		l.fault(key, "is missing, though the access key id is set; "+both)
	case p.AccessKeyID.IsZero() && !p.SessionToken.IsZero():
		l.fault(id, "is missing, though the session token is set; set all three, or none to use the AWS SDK's default chain")
	}
	switch value := p.AccessKeyID.Reveal(); {
	case isTemplate(value):
		l.fault(id, templateText)
	case value != "" && (!accessKeyID.MatchString(value) || len(value) < minAccessKeyID || len(value) > maxAccessKeyID) &&
		!l.isStandInKey(value):
		l.fault(id, "has not the form of an access key id: 16 to 128 letters and digits, nothing else")
	case strings.HasPrefix(value, "ASIA") && p.SessionToken.IsZero():
		l.fault(token, "is missing: the access key is a temporary one (ASIA…), which works only with its session token")
	}
	if value := p.SessionToken.Reveal(); isTemplate(value) {
		l.fault(token, templateText)
	} else if strings.ContainsFunc(value, unicode.IsSpace) {
		l.fault(token, "contains a space; write only the token")
	}
	switch value := p.SecretAccessKey.Reveal(); {
	case isTemplate(value):
		l.fault(key, templateText)
	case value != "" && !secretAccessKey.MatchString(value) && !l.isStandInKey(value):
		l.fault(key, "has not the form of a secret access key: 40 letters, digits, / and +; no quotes, brackets or spaces")
	}
}

// isStandInKey says that a key has not AWS's form, and is not meant for AWS either.
func (l *loader) isStandInKey(value string) bool {
	return accessKeyID.MatchString(value) && len(value) <= maxAccessKeyID &&
		slices.ContainsFunc(endpointVariables, func(name string) bool { return l.environ[name] != "" })
}

func (l *loader) checkRegions(key string, regions []string) {
	for _, name := range regions {
		partition, _ := partitionOf(name)
		if strings.EqualFold(name, AllRegions) {
			if len(regions) > 1 {
				l.fault(key, "%s already means every region; write it alone, or name the regions", AllRegions)
			}
			continue
		}
		if partition == "" {
			l.fault(key, "%s is not an AWS region%s", show(name), likeRegion(name))
		}
	}
}

// checkRole checks a role, which the fault names as which.
func (l *loader) checkRole(key, which, role string, regionPartitions []string) {
	partition, ok := partitionOfRole(role)
	if strings.Count(role, ":role/") > 1 { // a path may have commas and colons
		l.fault(key, "%snames several roles; each needs an entry of its own", which)
		return
	}
	if !ok {
		l.fault(key, "%sis not the ARN of an IAM role", which)
		return
	}
	other := slices.IndexFunc(regionPartitions, func(other string) bool { return other != partition })
	if other >= 0 {
		l.fault(key, "%sis in the partition %s, but a region is in %s; no role works across partitions",
			which, partition, regionPartitions[other])
	}
}

// stageName is documented by AWS: letters, digits, hyphens and underscores, at most 128.
var stageName = regexp.MustCompile(`^[\w-]+$`)

func (l *loader) checkStages(i int, stages []string) {
	for n, stage := range stages {
		if !stageName.MatchString(stage) || len(stage) > maxStageName {
			l.fault(providerKey(i, fmt.Sprintf("configuration.%d_stage", n)),
				"%s is not a stage name: letters, digits, - and _ only, one stage for each index", show(stage))
		}
	}
}

// adviseRegions warns of regions that this version does not know.
func (l *loader) adviseRegions(cfg Config) {
	advise := func(key string, regions []string) {
		for _, name := range regions {
			if partition, listed := partitionOf(name); partition != "" && !listed {
				const text = "%s: %s is not a region that this version knows; check it, unless it is a new one%s"
				l.warn(fmt.Sprintf(text, l.settings[key], show(name), likeRegion(name)))
			}
		}
	}
	for i, p := range cfg.Providers {
		own := cfg.partitions(i, func(a Access) bool { return a.Role == "" })
		if len(own) > 1 {
			l.warn(fmt.Sprintf("%s: the regions without a role are in several partitions (%s); credentials work in one of them",
				l.named(providerKey(i, "configuration.region")), strings.Join(own, ", ")))
		}
		advise(providerKey(i, "configuration.region"), p.Regions)
		for n, account := range p.Accounts {
			advise(accountKey(i, n, "regions"), account.Regions)
		}
	}
}
