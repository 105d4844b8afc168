package federation

import (
	"crypto/md5"

	"github.com/google/uuid"
)

// APIMID is the id that APIM gives to a federated API. Environment is the environment's real id, not its readable name;
// uniqueID is the text of an [ID] for APIs of this agent. A wrong environment gives ids that APIM does not know.
func APIMID(environment, integration, uniqueID string) string {
	return nameUUID(environment + integration + uniqueID)
}

// APIMPlanID is the id that APIM gives to a plan of a federated API: api is the API's [APIMID], plan the plan's own id.
func APIMPlanID(api, plan string) string { return nameUUID(api + plan) }

// nameUUID is Java's UUID.nameUUIDFromBytes over UTF-8: MD5 with the bits of version 3 and of the variant, and without
// a namespace, which the UUID library's own version 3 has.
func nameUUID(name string) string {
	const version, variant = 0x30, 0x80
	id := uuid.UUID(md5.Sum([]byte(name)))
	id[6] = id[6]&0x0f | version
	id[8] = id[8]&0x3f | variant
	return id.String()
}
