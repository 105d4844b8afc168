package federation

// The limits of APIM's SQL backend, in characters. They are counted in UTF-16 units, which is the strictest way in
// which its databases count. The backend cannot write a longer text, so the API fails.
const (
	MaxPlanName       = 64
	MaxPageName       = 64
	MaxCharacteristic = 64
	MaxMetadataKey    = 64
	MaxMetadataValue  = 1024
)
