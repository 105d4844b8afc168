package awssim

import (
	"strings"
	"time"
)

// Names of the demonstration's estate.
const (
	// DemoAccountA is the account of the agent's own user, DemoAccountB another that it reaches by its role.
	DemoAccountA = "111122223333"
	DemoAccountB = "444455556666"
	// DemoRegion1 and DemoRegion2 hold something in both accounts; DemoDisabledRegion is one that nobody
	// opted in to.
	DemoRegion1        = "eu-west-1"
	DemoRegion2        = "us-east-1"
	DemoDisabledRegion = "ap-east-1"
	// DemoAccessKeyIDA and DemoAccessKeyIDB are the agent's users', with the minimum policy.
	DemoAccessKeyIDA = "AKIADEMOAGENT0000001"
	DemoAccessKeyIDB = "AKIADEMOAGENT0000002"
	// DemoNeighbourKeyIDA and DemoNeighbourKeyIDB may do everything.
	DemoNeighbourKeyIDA = "AKIADEMONEIGHBOUR001"
	DemoNeighbourKeyIDB = "AKIADEMONEIGHBOUR002"
	// DemoRoleARNA and DemoRoleARNB can be assumed by each of them.
	DemoRoleARNA = "arn:aws:iam::" + DemoAccountA + ":role/" + agentName
	DemoRoleARNB = "arn:aws:iam::" + DemoAccountB + ":role/" + agentName
	// DemoUnplannedAPI is the name of an API in no usage plan, DemoUnexportableAPI that of one whose exports
	// fail for good. Both are in DemoAccountA, DemoRegion1.
	DemoUnplannedAPI    = "Internal Metrics"
	DemoUnexportableAPI = "Legacy Billing"
)

// demoAPI is one line of the demonstration's catalogue.
type demoAPI struct {
	name, description, version, team string
}

// DemoEstate makes a believable estate: two accounts with two regions each, 40 APIs with the stages dev,
// test and prod, four usage plans a region, names that collide between regions and accounts ("Orders",
// "Customers", "Identity"), one API outside any plan and one that cannot be exported.
func DemoEstate(seed uint64) Estate {
	return Estate{Accounts: []Account{
		demoAccount(seed, DemoAccountA, DemoAccessKeyIDA, DemoNeighbourKeyIDA, [2][]demoAPI{
			{
				{"Orders", "Places and tracks orders", "2.3.0", "commerce"},
				{"Customers", "Customer master data", "1.8.1", "crm"},
				{"Identity", "Sign-in and tokens", "3.0.0", "platform"},
				{"Payments", "Card and direct debit payments", "4.1.2", "payments"},
				{"Catalogue", "Products and their prices", "1.12.0", "commerce"},
				{"Shipping Rates", "Quotes for parcels and freight", "1.0.4", "logistics"},
				{"Inventory", "Stock by warehouse", "2.0.0", "logistics"},
				{"Notifications", "Mail, SMS and push", "", "platform"},
				{DemoUnexportableAPI, "Invoices of the old billing system", "0.9", "finance"},
				{DemoUnplannedAPI, "Counters for the operations team", "", "platform"},
			},
			{
				{"Orders", "Places and tracks orders in the Americas", "2.2.7", "commerce"},
				{"Customers", "Customer master data, Americas", "1.8.1", "crm"},
				{"Identity", "Sign-in and tokens", "3.0.0", "platform"},
				{"Sales Tax", "Sales tax by state and county", "1.4.0", "finance"},
				{"Fraud Checks", "Scores a payment before it is taken", "0.7.2", "payments"},
				{"Loyalty", "Points, tiers and rewards", "1.1.0", "crm"},
				{"Returns", "Return labels and refunds", "1.0.0", "commerce"},
				{"Store Locator", "Shops, opening hours, stock on hand", "2.5.0", "retail"},
				{"Gift Cards", "Issue, top up and redeem", "1.3.3", "payments"},
				{"Recommendations", "What others bought", "", "data"},
			},
		}),
		demoAccount(seed, DemoAccountB, DemoAccessKeyIDB, DemoNeighbourKeyIDB, [2][]demoAPI{
			{
				{"Orders", "Orders of business partners", "1.0.0", "partners"},
				{"Partner Onboarding", "Contracts and credentials of partners", "1.2.0", "partners"},
				{"Track & Trace", "Where a parcel is, and when it comes", "3.4.1", "logistics"},
				{"Customs", "Declarations and duty estimates", "0.3.0", "logistics"},
				{"Warehouse Robots", "Missions for picking robots", "0.9.9", "automation"},
				{"Fleet", "Vehicles, routes and drivers", "2.1.0", "logistics"},
				{"Weather", "Forecasts along a route", "", "data"},
				{"Größen & Maße", "Umrechnung von Größen und Maßen", "1.0.0", "data"},
				{"Identity", "Sign-in for partners", "1.9.0", "platform"},
				{"Documents", "Stores and renders documents", "1.6.0", "platform"},
			},
			{
				{"Customers", "Accounts of business partners", "1.0.2", "partners"},
				{"Track & Trace", "Where a parcel is, and when it comes", "3.4.0", "logistics"},
				{"Ports", "Berths and container terminals", "1.1.0", "logistics"},
				{"Exchange Rates", "Reference rates, once a day", "5.0.0", "finance"},
				{"Invoices", "Invoices and credit notes of partners", "2.2.0", "finance"},
				{"Telemetry", "Readings of sensors in containers", "0.5.0", "automation"},
				{"Geocoding", "Addresses to positions and back", "1.7.0", "data"},
				{"Contracts", "Terms and their versions", "1.0.0", "partners"},
				{"Surveys", "Questionnaires and answers", "", "crm"},
				{"Audit", "Who did what", "1.0.1", "platform"},
			},
		}),
	}}
}

func demoAccount(seed uint64, id, agentKey, neighbourKey string, apis [2][]demoAPI) Account {
	return Account{
		ID: id,
		Principals: []Principal{
			{Name: agentName, AccessKeyID: agentKey},
			{Name: neighbourName, AccessKeyID: neighbourKey, Policy: AllowAll()},
		},
		Roles: []Role{{Name: agentName, TrustedAccounts: []string{DemoAccountA, DemoAccountB}}},
		Regions: []Region{
			demoRegion(seed, Scope{id, DemoRegion1}, apis[0]),
			demoRegion(seed, Scope{id, DemoRegion2}, apis[1]),
			{Name: DemoDisabledRegion, Disabled: true},
		},
	}
}

// demoRegion puts prod into Gold and Silver, test into Silver and Bronze, dev into Bronze, and one API in
// three into Partner as well.
func demoRegion(seed uint64, scope Scope, catalogue []demoAPI) Region {
	id := func(kind, name string, n int) string {
		return identifier(hash64(seed, kind, scope.String(), name), lowerAlphanumeric, n)
	}
	plan := func(name, description string, rate float64, burst, quota int) UsagePlan {
		return UsagePlan{
			ID: id("plan", name, deploymentIDLength), Name: name, Description: description,
			Throttle: &Throttle{BurstLimit: burst, RateLimit: rate}, Quota: &PlanQuota{Limit: quota, Period: "MONTH"},
			Tags: map[string]string{"tier": strings.ToLower(name)},
		}
	}
	gold := plan("Gold", "For production at scale", 500, 1000, 10_000_000)
	silver := plan("Silver", "For production and acceptance", 50, 100, 500_000)
	bronze := plan("Bronze", "For development, free of charge", 5, 10, 10_000)
	partner := UsagePlan{
		ID: id("plan", "Partner", deploymentIDLength), Name: "Partner", Description: "By contract, without limits",
	}

	region := Region{Name: scope.Region}
	for i, a := range catalogue {
		api := RestAPI{
			ID: id("api", a.name, 10), Name: a.name, Description: a.description, Version: a.version,
			Created:       demoDate(hash64(seed, "created", scope.String(), a.name)),
			EndpointTypes: []string{[]string{"REGIONAL", "EDGE", "PRIVATE"}[i%3]},
			Tags: map[string]string{
				"team": a.team, "cost-centre": strings.ToUpper(a.team[:2]) + "-" + scope.Account[:4],
			},
		}
		for _, name := range []string{"dev", "test", "prod"} {
			api.Stages = append(api.Stages, demoStage(seed, scope, api, name))
		}
		region.RestAPIs = append(region.RestAPIs, api)
		if a.name == DemoUnplannedAPI {
			continue
		}
		link := func(stage string) APIStage { return APIStage{RestAPI: api.ID, Stage: stage} }
		prod := link("prod")
		if i == 0 {
			prod.Throttle = map[string]Throttle{"/orders/GET": {BurstLimit: 50, RateLimit: 20}}
		}
		gold.APIStages = append(gold.APIStages, prod)
		silver.APIStages = append(silver.APIStages, link("prod"), link("test"))
		bronze.APIStages = append(bronze.APIStages, link("test"), link("dev"))
		if i%3 == 0 {
			partner.APIStages = append(partner.APIStages, link("prod"))
		}
	}
	region.UsagePlans = []UsagePlan{gold, silver, bronze, partner}
	return region
}

func demoStage(seed uint64, scope Scope, api RestAPI, name string) Stage {
	bits := hash64(seed, "stage", scope.String(), api.Name, name)
	stage := Stage{
		Name: name, DeploymentID: identifier(bits, lowerAlphanumeric, deploymentIDLength),
		Description: api.Name + ", " + name, Created: api.Created, Updated: demoDate(mix(bits)),
		Variables: map[string]string{"environment": name},
	}
	if stage.Updated.Before(stage.Created) {
		stage.Updated = stage.Created
	}
	if api.Version != "" {
		stage.DocumentationVersion = api.Version
	}
	if name == "prod" && bits%5 == 0 {
		stage.Canary = &Canary{
			DeploymentID: identifier(mix(bits+1), lowerAlphanumeric, deploymentIDLength), PercentTraffic: 10,
		}
	}
	if api.Name == DemoUnexportableAPI {
		stage.ExportError = ExportErrorModels
	}
	return stage
}

// demoDate spreads dates over the two years from 2023.
func demoDate(bits uint64) time.Time {
	const span = 2 * 365 * 24 * 60 * 60
	return time.Date(2023, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(bits%span) * time.Second)
}
