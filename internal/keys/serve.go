package keys

// Place is where keys are, and for which integration they were made.
type Place struct{ Integration, Account, Region string }

// Place is where the record's key is.
func (r Record) Place() Place {
	return Place{Integration: r.Integration, Account: r.Account, Region: r.Region}
}

// Credentials are one configured way to a place. The account is empty while nobody knows it.
type Credentials struct {
	Place
	// Usable: the account is known, and there is a writer that deletes keys with them.
	Usable bool
}

// Server is who does what is left to do about a record.
type Server string

const (
	// Own is the writer of the record's own integration, account and region.
	Own Server = "own"
	// Neighbour is the writer of another integration for the same account and region.
	Neighbour Server = "neighbour"
	// Kin are credentials of the same account that are configured for other regions. They work in the record's, too.
	Kin Server = "kin"
	// Awaited: there may be credentials, which cannot be used yet.
	Awaited Server = "awaited"
	// Nobody: nothing that is configured reaches the key.
	Nobody Server = "nobody"
)

// Serves says who does what [Decide] left to do at a place, and with which credentials. Of equal ones the first counts.
//
//	what there is, the first that applies                            answer
//	---------------------------------------------------------------  ---------
//	usable, of the integration, account and region                   own
//	not usable yet, of the integration and region, and may be of
//	the account: it may serve SUBSCRIBEs at any moment, so nobody
//	else may touch the records                                       awaited
//	usable, of the account and region                                neighbour
//	usable, of the account                                           kin
//	not usable yet, and may be of the account                        awaited
//	nothing of these                                                 nobody
//
// Which states need whom follows from the steps:
//
//	state of the record                        step                   needs
//	-----------------------------------------  ---------------------  --------------------------------------------
//	delivered, unconfirmed, lost-create        none                   nobody: it is in use, or an operator's
//	intent, creating, answered                 forget or a list       the journal alone, see [Step.Noted]
//	created, attached, deleting, or replaced   delete                 credentials: own, neighbour or kin; without
//	                                                                  them it is named to an operator
//
// A record without own credentials has nothing under way: only an own writer makes keys.
func Serves(at Place, configured []Credentials) (who Server, with Credentials) {
	answers := []Server{Own, Awaited, Neighbour, Kin, Awaited, Nobody}
	best := len(answers) - 1
	for _, c := range configured {
		if line := c.line(at); line < best {
			best, with = line, c
		}
	}
	return answers[best], with
}

// line is which line of the table of [Serves] applies to these credentials alone.
func (c Credentials) line(at Place) int {
	mayBe := c.Account == "" || c.Account == at.Account
	switch {
	case c.Usable && c.Place == at:
		return 0
	case !c.Usable && mayBe && c.Integration == at.Integration && c.Region == at.Region:
		return 1
	case c.Usable && c.Account == at.Account && c.Region == at.Region:
		return 2
	case c.Usable && c.Account == at.Account:
		return 3
	case !c.Usable && mayBe:
		return 4
	}
	return 5
}
