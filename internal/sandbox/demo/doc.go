// Package demo puts the two stand-ins on sockets, says which settings lead an agent to them, and plays
// APIM's user against whatever agent comes: preview, ingest, subscribe, call, unsubscribe.
//
// It knows nothing of how the agent is made: it is handed one that runs.
package demo
