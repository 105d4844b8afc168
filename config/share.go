package config

import (
	"strconv"
	"strings"
)

// Share is the percentage of AWS's rate and burst that the agent uses, or [AutoShare].
type Share int

// AutoShare is [PoliteShare] or nearly all, as others use the quota or not.
const AutoShare Share = -1

// PoliteShare is used where others may use the quota.
const PoliteShare Share = 70

const autoShare = "auto"

// Part is the least part of the quota that the agent uses if AWS throttles nothing, in (0, 1].
func (s Share) Part() float64 {
	if s == AutoShare {
		s = PoliteShare
	}
	return float64(s) / 100
}

func (s Share) String() string {
	if s == AutoShare {
		return autoShare
	}
	return strconv.Itoa(int(s))
}

// UnmarshalText reads a percentage or auto.
func (s *Share) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), autoShare) {
		*s = AutoShare
		return nil
	}
	n, err := strconv.Atoi(string(text))
	*s = Share(n)
	return err
}
