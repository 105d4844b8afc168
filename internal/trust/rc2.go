package trust

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// rc2 is the cipher of RFC 2268 as far as stores of JDK 8 and OpenSSL 1 need it: a key of five bytes that hides
// certificates, which are no secret. It only decrypts.
type rc2 [64]uint16

// rc2Digits are digits of pi, as RFC 2268 lists them.
const rc2Digits = "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
	"179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
	"54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
	"6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
	"08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
	"c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
	"2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
	"0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"

// rc2Shifts say how far each word of a block is turned in a round.
var rc2Shifts = [4]int{1, 2, 3, 5}

const rc2Block = 8

func newRC2(key []byte) (keys rc2) {
	digits, _ := hex.DecodeString(rc2Digits)
	var l [128]byte
	size := copy(l[:], key)
	for i := size; i < len(l); i++ {
		l[i] = digits[l[i-1]+l[i-size]]
	}
	l[len(l)-size] = digits[l[len(l)-size]]
	for i := len(l) - size - 1; i >= 0; i-- {
		l[i] = digits[l[i+1]^l[i+size]]
	}
	for i := range keys {
		keys[i] = binary.LittleEndian.Uint16(l[2*i:])
	}
	return keys
}

// BlockSize implements cipher.Block.
func (rc2) BlockSize() int { return rc2Block }

// Encrypt implements cipher.Block. No store is written here.
func (rc2) Encrypt(_, _ []byte) { panic("trust: RC2 only decrypts") }

// Decrypt implements cipher.Block.
func (keys rc2) Decrypt(to, from []byte) {
	var r [4]uint16
	for i := range r {
		r[i] = binary.LittleEndian.Uint16(from[2*i:])
	}
	// Sixteen rounds, the last first; RFC 2268 mashes between the 5th and 6th, and the 11th and 12th.
	for round := 15; round >= 0; round-- {
		if round == 10 || round == 4 {
			for i := 3; i >= 0; i-- {
				r[i] -= keys[r[(i+3)%4]&63]
			}
		}
		for i := 3; i >= 0; i-- {
			r[i] = bits.RotateLeft16(r[i], -rc2Shifts[i])
			r[i] -= keys[4*round+i] + r[(i+3)%4]&r[(i+2)%4] + ^r[(i+3)%4]&r[(i+1)%4]
		}
	}
	for i, word := range r {
		binary.LittleEndian.PutUint16(to[2*i:], word)
	}
}
