// Package apimsim is a stand-in for Gravitee APIM as a federation agent sees it: the exchange
// controller behind /exchange/controller and, behind that, what APIM does with jobs, APIs, plans,
// pages, metadata and subscriptions. It speaks the 4.4 and the 4.5+ dialect.
//
// It shares no code with the agent's codec on purpose: a mistake made twice in one place would hide.
// Behaviour was read in gravitee-exchange 1.5 to 3.0 and gravitee-api-management 4.4 to 4.12; where
// a comment says "read", it is from there.
//
// Time comes from package time alone and every goroutine ends on [APIM.Close], so that a whole
// stand-in runs inside a testing/synctest bubble over an in-memory listener. Faults are asked of
// [Script] under stable names (the second INGEST of job J), never drawn from a shared random stream.
package apimsim
