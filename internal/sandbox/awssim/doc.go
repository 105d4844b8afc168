// Package awssim is a stand-in for AWS API Gateway's control plane, for STS, and for what of SQS and DynamoDB is
// asked, good enough to develop a federation agent against: the real HTTP surface (REST-JSON and the query
// protocol), SigV4 credential scopes that select account and region, an IAM evaluator with the agent's minimum
// policy, AWS's fixed quotas with honest 429s, seeded latencies, scripted faults, and a full log of attempts.
//
// A [Server] is an [http.Handler]. It knows no time but package time's, so that it also runs inside a
// testing/synctest bubble; it starts no goroutine of its own but those of [Server.StartNeighbour].
//
// What its answers look like was recorded against AWS; where a fact is only believed, its comment says so.
// What it does not do: verify signatures (the header must be well formed, any secret will do), evaluate
// policy conditions, and serve anything but JSON OpenAPI 3.0 exports.
package awssim
