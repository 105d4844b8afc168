package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

const (
	accounts = provider0 + "configuration_accounts_"
	roleOne  = "arn:aws:iam::111111111111:role/one"
	roleTwo  = "arn:aws:iam::222222222222:role/two"
)

// A remedy that names a setting that is not set sends people astray.
func TestEachRoleKnowsTheSettingThatNamesIt(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed(
		provider0+"configuration_roleArn="+roleTwo, accounts+"0_roleArn="+roleOne, accounts+"0_regions=us-east-1",
	)...))
	var from []string
	for _, a := range cfg.Accesses(cfg.Providers[0]) {
		from = append(from, a.RoleFrom)
	}
	want := []string{"configuration.roleArn", "configuration.accounts[0].roleArn"}
	if diff := cmp.Diff(want, from); diff != "" {
		t.Error(diff)
	}
}

// accesses are those of the one provider, one a line: role, external id and where it is from, regions.
func accesses(cfg config.Config) (lines []string) {
	for _, a := range cfg.Accesses(cfg.Providers[0]) {
		_, role, _ := strings.Cut(a.Role, "role/")
		lines = append(lines, strings.Join([]string{
			role, a.ExternalID, a.ExternalIDFrom, strings.Join(a.Regions, ","),
		}, " | "))
	}
	return lines
}

func TestEachAccountIsReadInItsRegionsWithItsExternalID(t *testing.T) {
	const roleArn = provider0 + "configuration_roleArn="
	const ofAll, ofSecond = "agent.aws.externalId", "integration.providers[0].configuration.accounts[1].externalId"
	for name, c := range map[string]struct{ set, want []string }{
		"the credentials' own account": {nil, []string{" |  | " + ofAll + " | eu-west-1"}},
		"the vendor's lists: every region with every role": {
			[]string{
				roleArn + roleOne + "," + roleTwo, provider0 + "configuration_region=eu-west-1,us-east-1",
				"gravitee_agent_aws_externalId=common",
			},
			[]string{"one | common | " + ofAll + " | eu-west-1,us-east-1", "two | common | " + ofAll + " | eu-west-1,us-east-1"},
		},
		"accounts with their own, and with what is common": {
			[]string{
				accounts + "0_roleArn=" + roleOne, accounts + "1_roleArn=" + roleTwo, accounts + "1_externalId=own",
				accounts + "1_regions=us-east-1, us-east-2,us-east-1", "gravitee_agent_aws_externalId=common",
			},
			[]string{"one | common | " + ofAll + " | eu-west-1", "two | own | " + ofSecond + " | us-east-1,us-east-2"},
		},
		"both forms: the lists first, then the accounts": {
			[]string{roleArn + roleTwo, accounts + "0_roleArn=" + roleOne, accounts + "0_regions=us-east-1"},
			[]string{"two |  | " + ofAll + " | eu-west-1", "one |  | " + ofAll + " | us-east-1"},
		},
		"an account of the credentials beside a role": {
			[]string{accounts + "0_regions=us-east-1", accounts + "1_roleArn=" + roleOne},
			[]string{" |  | " + ofAll + " | us-east-1", "one |  | " + ofAll + " | eu-west-1"},
		},
		"one role in two entries with different regions": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "1_roleArn=" + roleOne, accounts + "1_regions=us-east-1"},
			[]string{"one |  | " + ofAll + " | eu-west-1", "one |  | " + ofAll + " | us-east-1"},
		},
		"no common region, as nobody needs it": {
			[]string{
				provider0 + "configuration_region=", accounts + "0_roleArn=" + roleOne, accounts + "0_regions=us-east-1",
			},
			[]string{"one |  | " + ofAll + " | us-east-1"},
		},
		"every region of the partition, its home first": {
			[]string{
				accounts + "0_roleArn=arn:aws-cn:iam::111111111111:role/one", provider0 + "configuration_region=All",
			},
			[]string{"one |  | " + ofAll + " | cn-north-1,cn-northwest-1"},
		},
		"every region for one account": {
			[]string{
				accounts + "0_roleArn=arn:aws-us-gov:iam::111111111111:role/one", accounts + "0_regions=all",
				accounts + "1_roleArn=arn:aws-us-gov:iam::222222222222:role/two",
				provider0 + "configuration_region=us-gov-east-1",
			},
			[]string{
				"one |  | " + ofAll + " | us-gov-west-1,us-gov-east-1", "two |  | " + ofAll + " | us-gov-east-1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := mustLoad(t, sources(seed(c.set...)...))
			if diff := cmp.Diff(c.want, accesses(cfg)); diff != "" {
				t.Error(diff)
			}
		})
	}
	cfg, _ := mustLoad(t, fromYAML(seed(), `integration:
  providers:
    - configuration:
        accounts:
          - roleArn: `+roleOne+`
            externalId: mine
          - regions: us-east-1,us-west-2
`))
	want := []string{
		"one | mine | integration.providers[0].configuration.accounts[0].externalId | eu-west-1",
		" |  | " + ofAll + " | us-east-1,us-west-2",
	}
	if diff := cmp.Diff(want, accesses(cfg)); diff != "" {
		t.Errorf("YAML: %s", diff)
	}
}

func TestTheAccountsOfEachProviderAreItsOwn(t *testing.T) {
	const second = "gravitee_integration_providers_1_"
	cfg, _ := mustLoad(t, sources(seed(
		second+"type=aws-api-gateway", second+"integrationId=other", second+"configuration_region=us-east-1",
		second+"configuration_accounts_0_roleArn="+roleTwo, accounts+"0_roleArn="+roleOne, accounts+"1_roleArn="+roleTwo,
	)...))
	for n, want := range []int{2, 1} {
		if got := cfg.Accesses(cfg.Providers[n]); len(got) != want {
			t.Errorf("provider %d: %+v", n, got)
		}
	}
}

func TestRegionsThatNobodyReadsHaveNoPartition(t *testing.T) {
	// configuration.region is of roles and entries that name none.
	mustLoad(t, sources(seed(accounts+"0_roleArn=arn:aws-cn:iam::111122223333:role/r", accounts+"0_regions=all")...))
	got := faultsOf(t, sources(seed(
		accounts+"0_roleArn=arn:aws-cn:iam::111122223333:role/r", accounts+"0_regions=all", accounts+"1_roleArn="+roleOne,
		accounts+"1_regions=all",
	)...))
	wantFaults(t, got, accounts+"0_roleArn: is in the partition aws-cn, but a region is in aws; ",
		accounts+"1_roleArn: is in the partition aws, but a region is in aws-cn; ")
}

func TestRegionsOfSeveralPartitionsWithoutARoleAreAWarning(t *testing.T) {
	_, warnings := mustLoad(t, sources(seed(provider0+"configuration_region=eu-west-1,cn-north-1")...))
	wantWarnings(t, warnings, provider0+"configuration_region: the regions without a role are in several partitions (aws, aws-cn)")
}

func TestFaultsOfAccountsNameTheVariables(t *testing.T) {
	const roleArn = provider0 + "configuration_roleArn"
	for name, c := range map[string]struct {
		set  []string
		want string
	}{
		"the same role and region in both forms": {
			[]string{roleArn + "=" + roleOne, accounts + "0_roleArn=" + roleOne},
			accounts + "0_roleArn: " + roleOne + " is read in \"eu-west-1\" already, by " + roleArn + "; ",
		},
		"the same in two entries": {
			[]string{
				accounts + "0_roleArn=" + roleOne, accounts + "1_roleArn=" + roleOne, accounts + "1_regions=us-east-1,eu-west-1",
			},
			accounts + "1_roleArn: " + roleOne + " is read in \"eu-west-1\" already, by " + accounts + "0_roleArn; ",
		},
		"the credentials' account twice": {
			[]string{accounts + "0_regions=eu-west-1", accounts + "1_regions=eu-west-1"},
			accounts + "1_regions: the account of the credentials is read in \"eu-west-1\" already, by " + accounts + "0_regions; ",
		},
		"two external ids of one role": {
			[]string{
				accounts + "0_roleArn=" + roleOne, accounts + "0_externalId=one", accounts + "1_roleArn=" + roleOne,
				accounts + "1_externalId=two", accounts + "1_regions=us-east-1",
			},
			accounts + "1_externalId: is not the external id of " + accounts + "0_externalId, which has the same role; ",
		},
		"an external id in one of two entries of a role": {
			[]string{
				accounts + "0_roleArn=" + roleOne, accounts + "0_externalId=one", accounts + "1_roleArn=" + roleOne,
				accounts + "1_regions=us-east-1",
			},
			accounts + "0_externalId: is set, but the same role stands elsewhere without an external id, " +
				"and gravitee_agent_aws_externalId is not set; ",
		},
		"two roles in one entry": {
			[]string{accounts + "0_roleArn=" + roleOne + "," + roleTwo},
			accounts + "0_roleArn: names several roles; each needs an entry of its own",
		},
		"two roles in one entry, with a space": {
			[]string{accounts + "0_roleArn=" + roleOne + ", " + roleTwo}, accounts + "0_roleArn: names several roles; ",
		},
		"every region of a partition that nobody knows": {
			[]string{accounts + "0_roleArn=arn:aws-moon:iam::111122223333:role/r", accounts + "0_regions=all"},
			accounts + "0_roleArn: is in the partition aws-moon, but a region is in aws; ",
		},
		"an external id for nobody": {
			[]string{accounts + "0_regions=us-east-1", accounts + "0_externalId=one"},
			accounts + "0_externalId: is set, but the entry has no roleArn",
		},
		"an external id of one letter": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "0_externalId=a"}, accounts + "0_externalId: must be 2 to 1224",
		},
		"no role": {[]string{accounts + "0_roleArn=x"}, accounts + "0_roleArn: is not the ARN of an IAM role"},
		"no region": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "0_regions=eu-wset-1"},
			accounts + "0_regions: \"eu-wset-1\" is not an AWS region; did you mean eu-west-1?",
		},
		"another partition": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "0_regions=cn-north-1"},
			accounts + "0_roleArn: is in the partition aws, but a region is in aws-cn",
		},
		"a region that somebody needs": {
			[]string{
				provider0 + "configuration_region=", accounts + "0_regions=us-east-1", accounts + "1_roleArn=" + roleOne,
			},
			provider0 + "configuration_region: is missing",
		},
		"every region and others": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "0_regions=all,eu-west-1"},
			accounts + "0_regions: all already means every region; write it alone",
		},
		"every region, and one of them again": {
			[]string{provider0 + "configuration_region=all", roleArn + "=" + roleOne, accounts + "0_roleArn=" + roleOne, accounts + "0_regions=eu-west-1"},
			accounts + "0_roleArn: " + roleOne + " is read in \"eu-west-1\" already, by " + roleArn + "; ",
		},
		"a gap, such as an empty variable makes": {
			[]string{accounts + "0_roleArn=" + roleOne, accounts + "1_roleArn=", accounts + "2_regions=us-east-1", accounts + "2_roleArn=" + roleTwo},
			accounts + "2_regions: would not be read, as integration.providers[0].configuration.accounts[1] is missing",
		},
		"a list": {[]string{accounts + "0=" + roleOne}, accounts + "0: is not a setting of this agent; "},
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, faultsOf(t, sources(seed(c.set...)...)), c.want)
		})
	}
}
