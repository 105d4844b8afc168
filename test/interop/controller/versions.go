package controller

import "strings"

// Version is one of the published controllers that the harness can be built against.
type Version struct {
	// ID names the Maven profile and folders, such as "apim49".
	ID string
	// APIM is the product's versions that are made of it.
	APIM string
	// Exchange is the version of io.gravitee.exchange.
	Exchange string
	Dialect  Dialect
	// SendsUnhealthyAway says that an agent that answers HEALTH_CHECK unhealthy, or not at all, is told GOOD_BYE. Where
	// it does not hold, the agent stays connected but is never sent anything again.
	SendsUnhealthyAway bool
}

// Versions lists them all, oldest first. The versions of the artifacts themselves stand in the harness's pom.xml.
func Versions() []Version {
	return []Version{
		{ID: "apim44", APIM: "4.4", Exchange: "1.5.2", Dialect: DialectFetch},
		{ID: "apim45", APIM: "4.5 to 4.8", Exchange: "1.8.2", Dialect: DialectIngest},
		{ID: "apim49", APIM: "4.9, 4.10", Exchange: "1.9.1", Dialect: DialectIngest, SendsUnhealthyAway: true},
		{ID: "apim411", APIM: "4.11", Exchange: "2.0.1", Dialect: DialectIngest, SendsUnhealthyAway: true},
	}
}

// Oldest is the oldest APIM version of these, such as "4.5".
func (v Version) Oldest() string {
	return strings.FieldsFunc(v.APIM, func(r rune) bool { return r == ' ' || r == ',' })[0]
}
