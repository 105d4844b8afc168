package drift

import "federation-agent/internal/federated"

// API is one federated API as APIM lists it. Version is empty where APIM does not tell it (4.5).
type API struct{ ID, Name, Version string }

// Held is what APIM has of an integration.
type Held struct {
	idOf func(uniqueID string) string
	apis map[string]API
}

// NewHeld takes APIM's list. idOf gives the id that APIM gives to an API of ours.
func NewHeld(apis []API, idOf func(uniqueID string) string) Held {
	h := Held{idOf: idOf, apis: make(map[string]API, len(apis))}
	for _, a := range apis {
		h.apis[a.ID] = a
	}
	return h
}

// Has says that APIM has an API of that identity, and under that name and version.
func (h Held) Has(s federated.Summary) bool {
	api, has := h.find(s.UniqueID)
	return has && api.isCalled(s)
}

func (h Held) find(uniqueID string) (API, bool) {
	api, has := h.apis[h.idOf(uniqueID)]
	return api, has
}

func (a API) isCalled(s federated.Summary) bool {
	return a.Name == s.Name && (a.Version == s.Version || a.Version == "")
}
