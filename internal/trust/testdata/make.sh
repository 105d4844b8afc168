#!/usr/bin/env bash
# Makes the stores in this directory: keytool of JDK 17 and openssl 3. Every password is "changeit", but the key's of
# otherkey.jks. All certificates live until 2126; the keys of the two authorities are thrown away.
set -euo pipefail
cd "$(dirname "$0")"
rm -f ./*.pem ./*.p12 ./*.jks ./*.jceks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=36500

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "/CN=$1" \
		-keyout "$work/$1.key" -out "$1.pem" 2>/dev/null
}
issue() { # NAME CA
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$work/$1.key" \
		-out "$work/$1.csr" 2>/dev/null
	openssl x509 -req -in "$work/$1.csr" -CA "$2.pem" -CAkey "$work/$2.key" -days $days -out "$work/$1.pem" \
		-extfile <(printf 'extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=DNS:%s' "$1") 2>/dev/null
}
authority ca
authority other
issue first other
issue second ca

java() { keytool -noprompt -storepass changeit "$@" 2>/dev/null; }
bundle() { # NAME: key and chain, as keytool imports them
	openssl pkcs12 -export -name "$1" -in "$work/$1.pem" -inkey "$work/$1.key" -certfile "$2.pem" -passout pass:changeit \
		-out "$work/$1.p12"
}
bundle first other
bundle second ca
for type in pkcs12 jks; do
	ext=$type
	[ $type = pkcs12 ] && ext=p12
	for name in ca other; do
		java -importcert -alias "$name" -file "$name.pem" -storetype $type -keystore trust.$ext
	done
	for name in first second; do
		java -importkeystore -srckeystore "$work/$name.p12" -srcstorepass changeit -deststoretype $type -destkeystore keys.$ext
	done
done
# A key beside a trusted certificate.
cp "$work/second.p12" mixed.p12
java -importcert -alias other -file other.pem -storetype pkcs12 -keystore mixed.p12
# A key made by Java, RSA, its own issuer.
java -genkeypair -alias made -keyalg RSA -keysize 2048 -validity $days -dname CN=made -storetype pkcs12 -keystore rsa.p12
# A key with another password than its store.
java -importkeystore -srckeystore "$work/second.p12" -srcstorepass changeit -deststoretype jks -destkeystore otherkey.jks
java -keypasswd -alias second -keypass changeit -new another -storetype jks -keystore otherkey.jks
# As JDK 8 made it: RC2 with 40 bits, 3DES, SHA-1.
java -J-Dkeystore.pkcs12.legacy -importcert -alias ca -file ca.pem -storetype pkcs12 -keystore jdk8.p12
# As OpenSSL makes them, and as OpenSSL 1 did.
cp "$work/second.p12" openssl.p12
openssl pkcs12 -export -legacy -name second -in "$work/second.pem" -inkey "$work/second.key" -certfile ca.pem \
	-passout pass:changeit -out openssl1.p12
openssl pkcs12 -export -nokeys -in <(cat ca.pem other.pem) -caname ca -caname other -passout pass:changeit -out nokeys.p12
java -importcert -alias ca -file ca.pem -storetype jceks -keystore old.jceks
chmod 644 ./*.p12
