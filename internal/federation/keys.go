package federation

import (
	"cmp"
	"fmt"
	"strings"
)

// MaxKeyName is AWS's limit for an API key's name, in characters.
const MaxKeyName = 1024

// KeyName is the name of a subscription's AWS API key: its application and the subscription. The application's name may
// be cut. The subscription's id is never cut, because a key that was left behind is found by it.
func KeyName(application, subscription string) string {
	tail := " / " + Cut(line(subscription), maxSubscription)
	return Cut(cmp.Or(line(application), "application"), MaxKeyName-width(tail)) + tail
}

// maxSubscription is much more than APIM's ids need (36 characters).
const maxSubscription = 128

// KeyDescription says in AWS where a key comes from. It holds the application's id, unless APIM sent none, because the
// application's name in the key's name may change later.
//
// It ends with the id of the key's making, so that a key of which the agent only knows that it asked for it can be told
// from another agent's of the same name.
func KeyDescription(subscription, application, making string) string {
	text := "Made by the Gravitee federation agent for subscription " + Cut(line(subscription), maxSubscription)
	if application = line(application); application != "" {
		text += " of application " + Cut(application, maxSubscription)
	}
	return text + makingIs + making
}

// makingIs stands before the id of a key's making in its description.
const makingIs = ", making "

// KeyMaking reads the id of a key's making from its description; empty where there is none.
func KeyMaking(description string) string {
	at := strings.LastIndex(description, makingIs)
	if at < 0 {
		return ""
	}
	return description[at+len(makingIs):]
}

// KeyRef identifies the AWS API key of a subscription.
type KeyRef struct {
	// Target is empty, or partly empty, if another agent made the subscription and did not store it.
	Target      Target
	UsagePlanID string
	KeyID       string
}

// Metadata is what APIM stores with the subscription. Its console shows them, so they do not hold the key's value.
func (k KeyRef) Metadata() map[string]string {
	return map[string]string{
		MetadataKeyID:       k.KeyID,
		MetadataAccountID:   k.Target.Account,
		MetadataRegion:      k.Target.Region,
		MetadataUsagePlanID: k.UsagePlanID,
	}
}

// KeyRefOf reads the metadata of a subscription in UNSUBSCRIBE, this agent's or another's. It fails if they name no
// key.
func KeyRefOf(metadata map[string]string) (KeyRef, error) {
	k := KeyRef{
		Target:      Target{Account: metadata[MetadataAccountID], Region: metadata[MetadataRegion]},
		UsagePlanID: cmp.Or(metadata[MetadataUsagePlanID], metadata[MetadataPlanID]),
		KeyID:       metadata[MetadataKeyID],
	}
	if k.KeyID == "" {
		return k, fmt.Errorf("reading the subscription's metadata: %s is missing, so the AWS key is not known", MetadataKeyID)
	}
	return k, nil
}
