// Package moto starts moto, an AWS stand-in that others wrote (moto_server, Apache-2.0, from PyPI), and makes in it
// what the agent is to find. Its tests run the real agent against it over real sockets.
//
// moto is no AWS. Where the two differ, the test that meets the difference says so in its name or beside the
// assertion, and holds the agent to what it must do in either case; the agent is not bent to moto.
package moto
