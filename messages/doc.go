// Package messages is what the actors say to each other: small immutable structs without behaviour.
//
// Each message names its sender and receiver. The sender's PID travels with the message (Request), never in a field. No
// message carries a credential; the one key value that must travel is a [secret.String]. Slices and maps in a message
// are read and never written once it is sent.
package messages
