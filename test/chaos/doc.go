// Package chaos searches for a schedule that breaks one of the agent's promises. A run is the whole agent and
// both stand-ins in one bubble of virtual time (package world), driven by one seed: it makes an estate, a
// schedule of what people do in AWS and in APIM, and a plan of faults. Then the faults stop, time passes,
// everything is ingested once more, and observers who stand outside of the agent (at the network's edge, in
// the stand-ins, at the disk) say what must not be.
//
// Goroutines that wake at one virtual instant run in a different order each time. So a fault is never drawn
// from a stream that they share: it is a function of the seed and of an event's stable name ("2nd
// CreateUsagePlanKey of that key", "byte 812 of the 3rd connection").
package chaos
