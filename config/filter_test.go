package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

const filterVariable = provider0 + "configuration_filter_"

func TestAListOfAFilterHasTwoFormsAndTheEnvironmentOverridesFiles(t *testing.T) {
	const yaml = "integration: {providers: [{configuration: {filter: {"
	for name, c := range map[string]struct {
		environ  []string
		content  string
		want     []string
		warnings []string
	}{
		"nothing":              {},
		"blank":                {environ: []string{"includeApis= "}},
		"commas":               {environ: []string{"includeApis=orders-*, billing,,b ill "}, want: []string{"orders-*", "billing", "b ill"}},
		"indexes":              {environ: []string{"includeApis_0=a, b", "includeApis_10=c", "includeApis_9=d"}, want: []string{"a, b", "d", "c"}},
		"a blank index":        {environ: []string{"includeApis_0=", "includeApis_1=c"}, want: []string{"c"}},
		"YAML, commas":         {content: yaml + "includeApis: 'a,b'}}}]}", want: []string{"a", "b"}},
		"YAML, a list":         {content: yaml + "includeApis: ['a,b', c]}}}]}", want: []string{"a,b", "c"}},
		"environment and list": {environ: []string{"includeApis=x"}, content: yaml + "includeApis: [a, b]}}}]}", want: []string{"x"}},
		"index and commas":     {environ: []string{"includeApis_0=x"}, content: yaml + "includeApis: 'a,b'}}}]}", want: []string{"x"}},
		"the same twice": {
			environ: []string{"includeApis=a,b,a"}, want: []string{"a", "b"},
			warnings: []string{filterVariable + `includeApis: names "a", which is already in the filter`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			environ := seed()
			for _, assignment := range c.environ {
				environ = append(environ, filterVariable+assignment)
			}
			cfg, warnings := mustLoad(t, fromYAML(environ, c.content+"\n"))
			if diff := cmp.Diff(c.want, cfg.Providers[0].Filter.IncludeAPIs); diff != "" {
				t.Error(diff)
			}
			wantWarnings(t, warnings, c.warnings...)
		})
	}
}

func TestEachListOfAFilterIsReadIntoItsPlace(t *testing.T) {
	environ := seed()
	var want []config.FilterList
	for _, list := range (config.Filter{}).Lists() {
		_, last, _ := strings.Cut(list.Setting, "filter.")
		list.Entries = []string{"of-" + last, "and*"}
		if list.Exclude {
			list.Entries[1] = "not*"
		}
		want = append(want, list)
		environ = append(environ, filterVariable+last+"="+strings.Join(list.Entries, ","))
		isTag, isStage := strings.Contains(last, "Tags"), strings.Contains(last, "Stage")
		of := map[[2]bool]config.FilterOf{
			{false, false}: config.FilterAPIs, {true, false}: config.FilterAPITags,
			{false, true}: config.FilterStages, {true, true}: config.FilterStageTags,
		}[[2]bool{isTag, isStage}]
		if list.Of != of || list.Exclude != strings.HasPrefix(last, "exclude") {
			t.Errorf("%s is %+v", last, list)
		}
	}
	cfg, _ := mustLoad(t, sources(environ...))
	if diff := cmp.Diff(want, cfg.Providers[0].Filter.Lists()); diff != "" {
		t.Error(diff)
	}
}

func TestAnEntryThatCannotMatchIsAFaultThatNamesItsVariable(t *testing.T) {
	for assignment, want := range map[string]string{
		"includeApiTags==prod":                           `includeApiTags: "=prod" has no tag key before the =`,
		"excludeStageTags_3=":                            "",
		"excludeApiTags=a,b(c)":                          `excludeApiTags: "b(c)" matches no tag`,
		"includeStageTags=" + strings.Repeat("x", 129):   "includeStageTags: a value of 129 characters is longer than a tag of AWS",
		"includeStageTags=*" + strings.Repeat("x", 128):  "",
		"includeApiTags=k=" + strings.Repeat("x", 257):   "is longer than a tag of AWS",
		"includeStages=prod,my stage":                    `includeStages: "my stage" matches no stage name`,
		"excludeStages=" + strings.Repeat("s", 129):      "matches no stage name",
		"excludeStages=*":                                `excludeStages: "*" lets nothing through`,
		"excludeApis=orders,**":                          `excludeApis: "**" lets nothing through`,
		"excludeApis=*?":                                 `excludeApis: "*?" lets nothing through`,
		"excludeApis=??*,?":                              "",
		"excludeApiTags=*":                               "",
		"includeApis=, ,":                                "includeApis: has no entry between its commas",
		"includeApis=[orders]":                           "includeApis: is in brackets",
		`includeApis="orders"`:                           "a quote",
		"includeApis=true":                               "stands for no value",
		"includeApis=orders,orders-*,[beta] Orders":      "",
		"includeApi=orders":                              "did you mean " + filterVariable + "includeApis? A filter that is not read",
		"excludeTags=x":                                  "A filter that is not read",
		"includeApis_x=orders":                           "A filter that is not read",
		"includeApis_0=Gr\u00f6\u00dfe, *":               "",
		"includeApiTags=Bereich=Gr\u00f6\u00dfe 1/2@x+y": "",
	} {
		t.Run(assignment, func(t *testing.T) {
			src := sources(seed(filterVariable + assignment)...)
			if want == "" {
				mustLoad(t, src)
				return
			}
			wantFaults(t, faultsOf(t, src), want)
		})
	}
}

func TestWhatIsIncludedAndExcludedAlikeIsAFault(t *testing.T) {
	wantFaults(t, faultsOf(t, sources(seed(filterVariable+"includeApis=a,b*", filterVariable+"excludeApis=x,b*")...)),
		filterVariable+`includeApis: "b*" is in configuration.filter.excludeApis, too, which wins`)
	wantFaults(t, faultsOf(t, sources(seed(filterVariable+"includeApis=a", filterVariable+"includeApis_0=b")...)),
		filterVariable+"includeApis_0: is set, and so is "+filterVariable+"includeApis; write the list in one of the two forms")
}

func TestTheFiltersOfTwoProvidersAreKeptApart(t *testing.T) {
	const second = "gravitee_integration_providers_1_"
	cfg, _ := mustLoad(t, sources(seed(second+"type=aws-api-gateway", second+"integrationId=other",
		second+"configuration_region=us-east-1", second+"configuration_filter_excludeStages=qa,test-*",
		filterVariable+"excludeStages=qa")...))
	if diff := cmp.Diff([][]string{{"qa"}, {"qa", "test-*"}},
		[][]string{cfg.Providers[0].Filter.ExcludeStages, cfg.Providers[1].Filter.ExcludeStages}); diff != "" {
		t.Error(diff)
	}
}
