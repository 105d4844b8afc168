package controller

// Version is one of the published controllers that the harness can be built against.
type Version struct {
	// ID names the Maven profile and folders, such as "apim49".
	ID string
	// APIM is the product's versions that are made of it.
	APIM string
	// Exchange is the version of io.gravitee.exchange, Integration that of the integration API: the commands' classes.
	Exchange, Integration string
	// StandIn is the version that our stand-in imitates it as. Where it is empty, the controller has no stand-in of its
	// own: each of its two parts is that of a neighbour which has one.
	StandIn string
	Dialect Dialect
	// SendsUnhealthyAway says that an agent that answers HEALTH_CHECK unhealthy, or not at all, is told GOOD_BYE. Where
	// it does not hold, the agent stays connected but is never sent anything again.
	SendsUnhealthyAway bool
}

// Versions lists them all, oldest first. The versions of the artifacts are those of the harness's pom.xml. APIM changes
// them within a minor version, too, so that a range of APIM's is one of patches.
func Versions() []Version {
	return []Version{
		{
			ID: "apim44", APIM: "4.4.0, 4.4.1", Exchange: "1.5.2", Integration: "1.0.1",
			StandIn: "4.4", Dialect: DialectFetch,
		},
		{
			ID: "apim444", APIM: "4.4.4 on", Exchange: "1.8.2", Integration: "1.1.0",
			Dialect: DialectFetch,
		},
		{
			ID: "apim45", APIM: "4.5 to 4.7.16, 4.8.0 to 4.8.2", Exchange: "1.8.2", Integration: "4.1.0",
			StandIn: "4.5", Dialect: DialectIngest,
		},
		{
			ID: "apim4820", APIM: "4.7.25 on, 4.8.20 on", Exchange: "2.0.1", Integration: "4.1.0",
			Dialect: DialectIngest, SendsUnhealthyAway: true,
		},
		{
			ID: "apim49", APIM: "4.9.0 to 4.9.12", Exchange: "1.9.1", Integration: "5.1.0",
			StandIn: "4.9", Dialect: DialectIngest, SendsUnhealthyAway: true,
		},
		{
			ID: "apim411", APIM: "4.9.13 on, 4.10.5 on, 4.11", Exchange: "2.0.1", Integration: "5.1.0",
			StandIn: "4.11", Dialect: DialectIngest, SendsUnhealthyAway: true,
		},
	}
}

// Artifacts names what the controller is made of: the versions of the exchange and of the integration API.
func (v Version) Artifacts() string { return v.Exchange + "-" + v.Integration }
