package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"federation-agent/internal/region"
)

// Account is one more account to read, or one with regions or an external id of its own.
type Account struct {
	// IAM role to assume in that account. Without one, the entry is for the account of the agent's credentials. Where to
	// find it: IAM console, Roles, the role's Summary.
	RoleARN string `env:"roleArn" example:"arn:aws:iam::210987654321:role/gravitee-federation"`
	// External id that this role's trust policy asks for: 2 to 1224 letters, digits or _+=,.@:/- Without it,
	// agent.aws.externalId is sent. Where to find it: the role's trust policy, condition sts:ExternalId.
	ExternalID string `env:"externalId" example:"partner-4711"`
	// AWS region of this account, or several with commas, or all. Without it, what configuration.region says.
	Regions []string `env:"regions" example:"eu-west-1,eu-central-1"`
}

// Access is how one account is read.
type Access struct {
	// Role is the ARN of the role to assume, empty for none. ExternalID is sent with it, unless it is empty.
	Role, ExternalID string
	// RoleFrom is the setting that names the role, or would, within the provider's.
	RoleFrom string
	// ExternalIDFrom is the key of the setting that says the external id, or would.
	ExternalIDFrom string
	Regions        []string
	// All says that nobody has named Regions: they are all that this build knows of the partition, its home first. Those
	// that are off for the account are left alone.
	All bool
}

// AllRegions in the place of regions means every region.
const AllRegions = "all"

// isAll says whether regions mean every region.
func isAll(regions []string) bool {
	return len(regions) == 1 && strings.EqualFold(regions[0], AllRegions)
}

// RegionNames are the regions as they are configured.
func (a Access) RegionNames() []string {
	if a.All {
		return []string{AllRegions}
	}
	return a.Regions
}

// Accesses are how a provider's accounts are read, in the order of the configuration: each role of configuration.roleArn
// in each region of configuration.region, then each entry of configuration.accounts. Without either it is the account of
// the credentials. No role has one region twice.
func (c Config) Accesses(p Provider) []Access {
	return c.accesses(slices.IndexFunc(c.Providers, func(o Provider) bool { return o.IntegrationID == p.IntegrationID }))
}

func (c Config) accesses(i int) (all []Access) {
	p := c.Providers[i]
	common := func(role string) Access {
		return Access{
			Role: role, RoleFrom: "configuration.roleArn", ExternalID: c.Agent.AWS.ExternalID,
			ExternalIDFrom: "agent.aws.externalId", Regions: p.Regions,
		}
	}
	for _, role := range p.RoleARNs {
		all = append(all, common(role))
	}
	for n, account := range p.Accounts {
		a := common(account.RoleARN)
		a.RoleFrom = accountOf(n, "roleArn")
		if account.ExternalID != "" {
			a.ExternalID, a.ExternalIDFrom = account.ExternalID, accountKey(i, n, "externalId")
		}
		if len(account.Regions) > 0 {
			a.Regions = account.Regions
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		all = []Access{common("")}
	}
	for n := range all {
		if a := &all[n]; isAll(a.Regions) {
			partition, _ := partitionOfRole(a.Role)
			a.All, a.Regions = true, region.Named(partition).Regions()
		}
	}
	return all
}

// partitions are those of the regions that some accounts of a provider are read in.
func (c Config) partitions(i int, some func(Access) bool) (found []string) {
	for _, a := range c.accesses(i) {
		for _, name := range a.Regions {
			partition, _ := partitionOf(name)
			if some(a) && partition != "" && !slices.Contains(found, partition) {
				found = append(found, partition)
			}
		}
	}
	return found
}

// RegionsOf are all regions of some accounts, as of gives those of each.
func RegionsOf(all []Access, of func(Access) []string) (regions []string) {
	for _, a := range all {
		for _, name := range of(a) {
			if !slices.Contains(regions, name) {
				regions = append(regions, name)
			}
		}
	}
	return regions
}

// accountKey is the key of a setting of the nth account of the ith provider.
func accountKey(i, n int, last string) string {
	return providerKey(i, accountOf(n, last))
}

// accountOf is that key within the provider's.
func accountOf(n int, last string) string {
	return fmt.Sprintf("configuration.accounts[%d].%s", n, last)
}

// accountLists are the lists of accounts that are set, one for a provider.
func (l *loader) accountLists() (lists []string) {
	const list = "integration.providers[#].configuration.accounts"
	note := func(key string) {
		pattern, indexes := toPattern(key)
		if strings.HasPrefix(pattern, list+elementMark) {
			lists = append(lists, withIndexes(list, indexes[0]))
		}
	}
	for key := range l.settings {
		note(key)
	}
	for key := range l.rejected {
		note(key)
	}
	slices.Sort(lists)
	return slices.Compact(lists)
}

// checkAccounts checks the roles and regions of a provider, in both forms.
func (l *loader) checkAccounts(cfg Config, i int) {
	p := cfg.Providers[i]
	l.checkRegions(providerKey(i, "configuration.region"), p.Regions)
	for n, account := range p.Accounts {
		l.checkRegions(accountKey(i, n, "regions"), account.Regions)
	}
	found := cfg.partitions(i, func(Access) bool { return true })
	for n, role := range p.RoleARNs {
		l.checkRole(providerKey(i, "configuration.roleArn"), fmt.Sprintf("role %d of %d ", n+1, len(p.RoleARNs)), role, found)
	}
	needsRegion := len(p.Accounts) == 0 || len(p.RoleARNs) > 0
	for n, account := range p.Accounts {
		if account.RoleARN != "" {
			l.checkRole(accountKey(i, n, "roleArn"), "", account.RoleARN, found)
		} else if account.ExternalID != "" {
			l.fault(accountKey(i, n, "externalId"), "is set, but the entry has no roleArn, and only a role asks for one")
		}
		l.checkExternalID(accountKey(i, n, "externalId"), account.ExternalID)
		needsRegion = needsRegion || len(account.Regions) == 0
	}
	if len(p.Regions) == 0 && needsRegion {
		l.fault(providerKey(i, "configuration.region"),
			"is missing: the AWS region, or several with commas; AWS_REGION does not replace it")
	}
	l.checkTwice(cfg, i)
}

// checkTwice refuses a role that has one region twice, or two external ids.
func (l *loader) checkTwice(cfg Config, i int) {
	roles := len(cfg.Providers[i].RoleARNs)
	regions, ids := map[[2]string]string{}, map[string]Access{}
	for n, a := range cfg.accesses(i) {
		key := providerKey(i, "configuration.roleArn")
		if n >= roles && len(cfg.Providers[i].Accounts) > 0 {
			key = accountKey(i, n-roles, "roleArn")
		}
		if _, set := l.settings[key]; !set && a.Role == "" && n >= roles {
			key = strings.TrimSuffix(key, "roleArn") + "regions"
		}
		for _, name := range a.Regions {
			at := [2]string{a.Role, name}
			if other, twice := regions[at]; twice {
				l.fault(key, "%s is read in %s already, by %s; name each account and region once",
					cmp.Or(a.Role, "the account of the credentials"), show(name), other)
				break
			}
			regions[at] = l.named(key)
		}
		if other, known := ids[a.Role]; known && a.Role != "" && other.ExternalID != a.ExternalID {
			l.faultOfIDs(a, other)
		}
		ids[a.Role] = a
	}
}

// faultOfIDs says that two entries of one role differ in the external id. One may have none.
func (l *loader) faultOfIDs(a, other Access) {
	if a.ExternalID != "" && other.ExternalID != "" {
		l.fault(a.ExternalIDFrom, "is not the external id of %s, which has the same role; a role has one",
			l.named(other.ExternalIDFrom))
		return
	}
	with, without := a, other
	if with.ExternalID == "" {
		with, without = other, a
	}
	l.fault(with.ExternalIDFrom, "is set, but the same role stands elsewhere without an external id, and %s is not set; "+
		"a role has one", l.named(without.ExternalIDFrom))
}

// named is a key as the user spelled it, or as it could be.
func (l *loader) named(key string) string {
	if s, set := l.settings[key]; set {
		return s.String()
	}
	return variableName(key)
}
