// Package acceptance holds the tests of the whole agent between both stand-ins, in virtual time.
// They test what only the whole shows.
package acceptance
