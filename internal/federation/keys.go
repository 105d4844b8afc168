package federation

import (
	"cmp"
	"fmt"
)

// MaxKeyName is AWS's limit for an API key's name, in characters.
const MaxKeyName = 1024

// KeyName names the AWS API key of a subscription after its application and the subscription. The application's name is cut,
// never the subscription's id: by it a key that was left behind is found.
func KeyName(application, subscription string) string {
	tail := " / " + Cut(line(subscription), maxSubscription)
	return Cut(cmp.Or(line(application), "application"), MaxKeyName-width(tail)) + tail
}

// maxSubscription is far above APIM's ids (36 characters).
const maxSubscription = 128

// KeyDescription says in AWS where a key comes from. The application's id is in it, unless APIM named none, because the name
// that the key bears is the application's of that day.
func KeyDescription(subscription, application string) string {
	text := "Made by the Gravitee federation agent for subscription " + Cut(line(subscription), maxSubscription)
	if application = line(application); application != "" {
		text += " of application " + Cut(application, maxSubscription)
	}
	return text
}

// KeyRef finds the AWS API key of a subscription again.
type KeyRef struct {
	// Target is zero, or in part empty, where another agent made the subscription and did not say.
	Target      Target
	UsagePlanID string
	KeyID       string
}

// Metadata is what the subscription keeps in APIM. The console shows it, so the key's value is not in it.
func (k KeyRef) Metadata() map[string]string {
	return map[string]string{
		MetadataKeyID:       k.KeyID,
		MetadataAccountID:   k.Target.Account,
		MetadataRegion:      k.Target.Region,
		MetadataUsagePlanID: k.UsagePlanID,
	}
}

// KeyRefOf reads a subscription's metadata at UNSUBSCRIBE, our own or another agent's. It fails when they name no key.
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
