package trust

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // what old stores were made with
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"unicode/utf16"
)

// This file reads PKCS #12 (RFC 7292). Every library for it lacks what stores of Java need: entries by their alias,
// several keys in one store, keys beside trusted certificates, and certificates of OpenSSL that nobody marked.

// The structures of RFC 7292, as far as they are read.
type (
	pfx struct {
		Version  int
		AuthSafe pfxContent
		Mac      pfxMac `asn1:"optional"`
	}
	pfxContent struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	pfxMac struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	pfxEncrypted struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Data      []byte `asn1:"tag:0,optional"`
		}
	}
	pfxBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue  `asn1:"tag:0,explicit"`
		Attributes []pfxAttribute `asn1:"set,optional"`
	}
	pfxAttribute struct {
		ID     asn1.ObjectIdentifier
		Values asn1.RawValue `asn1:"set"`
	}
	pfxCertificate struct {
		ID    asn1.ObjectIdentifier
		Value []byte `asn1:"tag:0,explicit"`
	}
	pfxShroudedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbeParameters struct {
		Salt       []byte
		Iterations int
	}
	pbes2Parameters  struct{ Derivation, Cipher pkix.AlgorithmIdentifier }
	pbkdf2Parameters struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// The names of types and algorithms, written as in the RFCs.
const (
	oidData         = "1.2.840.113549.1.7.1"
	oidEncrypted    = "1.2.840.113549.1.7.6"
	oidKeyBag       = "1.2.840.113549.1.12.10.1.1"
	oidShroudedBag  = "1.2.840.113549.1.12.10.1.2"
	oidCertBag      = "1.2.840.113549.1.12.10.1.3"
	oidX509         = "1.2.840.113549.1.9.22.1"
	oidFriendlyName = "1.2.840.113549.1.9.20"
	oidTrusted      = "2.16.840.1.113894.746875.1.1" // Java marks trusted certificates so
	oidPBES2        = "1.2.840.113549.1.5.13"
	oidPBKDF2       = "1.2.840.113549.1.5.12"
	oidPBE3DES      = "1.2.840.113549.1.12.1.3"
	oidPBERC2       = "1.2.840.113549.1.12.1.6" // 40 bits: certificates of JDK 8 and of OpenSSL 1
)

var pfxHashes = map[string]func() hash.Hash{
	"1.3.14.3.2.26": sha1.New, "1.2.840.113549.2.7": sha1.New,
	"2.16.840.1.101.3.4.2.4": sha256.New224, "1.2.840.113549.2.8": sha256.New224,
	"2.16.840.1.101.3.4.2.1": sha256.New, "1.2.840.113549.2.9": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384, "1.2.840.113549.2.10": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New, "1.2.840.113549.2.11": sha512.New,
}

// aesKeyBytes is the length of the key of each kind of AES-CBC.
var aesKeyBytes = map[string]int{
	"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32,
}

// maxIterations bounds the work that a damaged store asks for. OpenSSL's default is 2,048 and Java's 10,000.
const maxIterations = 5_000_000

// errPassword says that a password does not open a store, errDamaged that what is in it cannot be read.
var (
	errPassword = errors.New("the password does not open it")
	errDamaged  = errors.New("it is damaged, or no PKCS12 store")
)

// notServed is an algorithm that this program does not know.
type notServed string

func (n notServed) Error() string {
	return "it is protected by an algorithm that is not served (" + string(n) + "); make it again, as by keytool " +
		"-importkeystore with a JDK from 11 to 25"
}

// unmarshal reads a whole value.
func unmarshal(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil || len(rest) > 0 {
		return errDamaged
	}
	return nil
}

// readPKCS12 gives the entries of a store in their order.
func readPKCS12(data []byte, password string) ([]entry, error) {
	var store pfx
	if err := unmarshal(data, &store); err != nil {
		return nil, err
	}
	var safe []byte
	if store.AuthSafe.Type.String() != oidData || unmarshal(store.AuthSafe.Content.Bytes, &safe) != nil {
		return nil, errDamaged
	}
	if err := store.Mac.check(safe, password); err != nil {
		return nil, err
	}
	var contents []pfxContent
	if err := unmarshal(safe, &contents); err != nil {
		return nil, err
	}
	var bags []pfxBag
	for _, content := range contents {
		plain, err := content.open(password)
		if err != nil {
			return nil, err
		}
		var more []pfxBag
		if err := unmarshal(plain, &more); err != nil {
			return nil, err
		}
		bags = append(bags, more...)
	}
	return entriesOf(bags, password)
}

// check tells a wrong password from a right one. A store without a password has nothing to check.
func (m pfxMac) check(content []byte, password string) error {
	if m.Digest.Algorithm.Algorithm == nil {
		return nil
	}
	newHash, known := pfxHashes[m.Digest.Algorithm.Algorithm.String()]
	switch {
	case !known:
		return notServed(m.Digest.Algorithm.Algorithm.String())
	case m.Iterations < 1 || m.Iterations > maxIterations:
		return errDamaged
	}
	const purpose = 3
	sum := hmac.New(newHash, derive(newHash, purpose, newHash().Size(), m.Iterations, m.Salt, bmp(password)))
	sum.Write(content)
	if !hmac.Equal(sum.Sum(nil), m.Digest.Digest) {
		return errPassword
	}
	return nil
}

func (c pfxContent) open(password string) ([]byte, error) {
	switch c.Type.String() {
	case oidData:
		var plain []byte
		err := unmarshal(c.Content.Bytes, &plain)
		return plain, err
	case oidEncrypted:
		var sealed pfxEncrypted
		if err := unmarshal(c.Content.Bytes, &sealed); err != nil {
			return nil, err
		}
		return decrypt(sealed.Content.Algorithm, sealed.Content.Data, password)
	}
	return nil, notServed(c.Type.String())
}

// entriesOf puts keys and certificates together. A certificate belongs to the key whose public half it has: not every
// program writes the attribute that is meant for it. What stands beside keys and is not marked as trusted is the rest
// of their chains; without any key or mark, all are trusted.
func entriesOf(bags []pfxBag, password string) ([]entry, error) {
	var keys, trusted, rest []entry
	for _, bag := range bags {
		switch bag.ID.String() {
		case oidKeyBag, oidShroudedBag:
			key, err := bag.key(password)
			if err != nil {
				return nil, err
			}
			keys = append(keys, entry{alias: bag.alias(), key: key})
		case oidCertBag:
			certificate, err := bag.certificate()
			if err != nil {
				return nil, err
			}
			e := entry{alias: bag.alias(), chain: []*x509.Certificate{certificate}}
			if bag.attribute(oidTrusted) != nil {
				trusted = append(trusted, e)
			} else {
				rest = append(rest, e)
			}
		}
	}
	if len(keys)+len(trusted) == 0 { // OpenSSL's: what else than trusted could they be
		return rest, nil
	}
	for i := range keys {
		keys[i].chain = chainOf(keys[i].key, rest)
	}
	return append(keys, trusted...), nil
}

// chainOf begins with the certificate of a key, and follows the issuers.
func chainOf(key crypto.Signer, among []entry) (chain []*x509.Certificate) {
	public, _ := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	next := slices.IndexFunc(among, func(e entry) bool { return public.Equal(e.chain[0].PublicKey) })
	for next >= 0 {
		last := among[next].chain[0]
		chain = append(chain, last)
		next = slices.IndexFunc(among, func(e entry) bool {
			return bytes.Equal(e.chain[0].RawSubject, last.RawIssuer) && !slices.ContainsFunc(chain, e.chain[0].Equal)
		})
	}
	return chain
}

func (b pfxBag) attribute(id string) []byte {
	for _, a := range b.Attributes {
		if a.ID.String() == id {
			return a.Values.Bytes
		}
	}
	return nil
}

func (b pfxBag) alias() string {
	var name asn1.RawValue
	if unmarshal(b.attribute(oidFriendlyName), &name) != nil {
		return ""
	}
	units := make([]uint16, 0, len(name.Bytes)/2)
	for pair := range slices.Chunk(name.Bytes, 2) {
		if len(pair) == 2 {
			units = append(units, uint16(pair[0])<<8|uint16(pair[1]))
		}
	}
	return string(utf16.Decode(units))
}

func (b pfxBag) certificate() (*x509.Certificate, error) {
	var inner pfxCertificate
	if err := unmarshal(b.Value.Bytes, &inner); err != nil {
		return nil, err
	}
	if inner.ID.String() != oidX509 {
		return nil, notServed(inner.ID.String())
	}
	return x509.ParseCertificate(inner.Value)
}

func (b pfxBag) key(password string) (crypto.Signer, error) {
	der := b.Value.Bytes
	if b.ID.String() == oidShroudedBag {
		var sealed pfxShroudedKey
		if err := unmarshal(der, &sealed); err != nil {
			return nil, err
		}
		var err error
		if der, err = decrypt(sealed.Algorithm, sealed.Data, password); err != nil {
			return nil, fmt.Errorf("its key: %w", err)
		}
	}
	return parseKey(der)
}

// parseKey reads PKCS #8, in which both kinds of stores keep keys.
func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("its key cannot sign, so TLS cannot use it")
	}
	return signer, nil
}

// decrypt opens what a password protects.
func decrypt(algorithm pkix.AlgorithmIdentifier, data []byte, password string) ([]byte, error) {
	block, iv, err := cipherOf(algorithm, password)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errDamaged
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > size ||
		!bytes.Equal(plain[len(plain)-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, errPassword
	}
	return plain[:len(plain)-padding], nil
}

func cipherOf(algorithm pkix.AlgorithmIdentifier, password string) (block cipher.Block, iv []byte, err error) {
	id := algorithm.Algorithm.String()
	if id == oidPBES2 {
		return pbes2(algorithm.Parameters.FullBytes, password)
	}
	var p pbeParameters
	if err := unmarshal(algorithm.Parameters.FullBytes, &p); err != nil {
		return nil, nil, err
	}
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, nil, errDamaged
	}
	const forKey, forIV, ivBytes = 1, 2, 8
	key := func(size int) []byte { return derive(sha1.New, forKey, size, p.Iterations, p.Salt, bmp(password)) }
	switch id {
	case oidPBE3DES:
		block, err = des.NewTripleDESCipher(key(24)) //nolint:gosec // the store's, not our choice
	case oidPBERC2:
		block = newRC2(key(5))
	default:
		return nil, nil, notServed(id)
	}
	return block, derive(sha1.New, forIV, ivBytes, p.Iterations, p.Salt, bmp(password)), err
}

// pbes2 is RFC 8018's scheme, in which newer programs write: PBKDF2 and AES.
func pbes2(parameters []byte, password string) (cipher.Block, []byte, error) {
	var scheme pbes2Parameters
	var p pbkdf2Parameters
	var iv []byte
	if err := unmarshal(parameters, &scheme); err != nil {
		return nil, nil, err
	}
	if id := scheme.Derivation.Algorithm.String(); id != oidPBKDF2 {
		return nil, nil, notServed(id)
	}
	size, known := aesKeyBytes[scheme.Cipher.Algorithm.String()]
	if !known {
		return nil, nil, notServed(scheme.Cipher.Algorithm.String())
	}
	if unmarshal(scheme.Derivation.Parameters.FullBytes, &p) != nil ||
		unmarshal(scheme.Cipher.Parameters.FullBytes, &iv) != nil ||
		p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, nil, errDamaged
	}
	newHash := sha1.New // the default
	if id := p.Hash.Algorithm; id != nil {
		if newHash, known = pfxHashes[id.String()]; !known {
			return nil, nil, notServed(id.String())
		}
	}
	key, err := pbkdf2.Key(newHash, password, p.Salt, p.Iterations, size)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	return block, iv, err
}

// bmp writes a password as RFC 7292 wants it: UTF-16 with a zero at the end.
func bmp(password string) []byte {
	out := make([]byte, 0, 2*len(password)+2)
	for _, unit := range utf16.Encode([]rune(password)) {
		out = append(out, byte(unit>>8), byte(unit))
	}
	return append(out, 0, 0)
}

// derive is RFC 7292, appendix B.2: purpose 1 is a key, 2 an IV, 3 the key of a MAC.
func derive(newHash func() hash.Hash, purpose byte, size, iterations int, salt, password []byte) (key []byte) {
	h := newHash()
	v := h.BlockSize()
	fill := func(text []byte) []byte {
		if len(text) == 0 {
			return nil
		}
		long := bytes.Repeat(text, (v+len(text)-1)/len(text)+len(text)/v)
		return long[:v*((len(text)+v-1)/v)]
	}
	mixed := append(fill(salt), fill(password)...)
	for len(key) < size {
		h.Reset()
		h.Write(bytes.Repeat([]byte{purpose}, v))
		h.Write(mixed)
		sum := h.Sum(nil)
		for range iterations - 1 {
			h.Reset()
			h.Write(sum)
			sum = h.Sum(sum[:0])
		}
		key = append(key, sum...)
		step := new(big.Int).SetBytes(bytes.Repeat(sum, v/len(sum)+1)[:v])
		step.Add(step, big.NewInt(1))
		for part := range slices.Chunk(mixed, v) {
			next := new(big.Int).SetBytes(part)
			next.Add(next, step)
			wide := next.FillBytes(make([]byte, v+1))
			copy(part, wide[1:])
		}
	}
	return key[:size]
}
