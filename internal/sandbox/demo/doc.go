// Package demo puts the two stand-ins on sockets, says which settings lead an agent to them, and plays
// APIM's user against whatever agent comes: preview, ingest, subscribe, call, unsubscribe. The program's subcommands
// sandbox and demo are command lines over it.
//
// It knows nothing of how the agent is made: it is given a function that starts one.
package demo
