#!/bin/sh
# Makes a test authority and the certificates it signs, for trying TLS on one's own machine. Never use them anywhere else.
# usage: certs/make-test-certs.sh [FOLDER]      (default: certs/out, which git ignores)
set -eu

out=${1:-$(dirname "$0")/out}
days=30
command -v openssl >/dev/null || { echo "openssl is missing; install it: apt-get install openssl" >&2; exit 1; }
mkdir -p "$out"
chmod 700 "$out"
cd "$out"
umask 077

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }

authority() { # name, subject
    key "$1"
    openssl req -x509 -new -key "$1.key" -sha256 -days "$days" -subj "/CN=$2" -out "$1.pem" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
}

leaf() { # name, subject, extended use, alternative names
    key "$1"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' \
        "$3" "$4" >"$1.ext"
    openssl req -new -key "$1.key" -subj "/CN=$2" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days "$days" -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm "$1.ext"
}

authority ca "callbridge test authority"
leaf server localhost serverAuth "DNS:localhost,IP:127.0.0.1,IP:::1"
leaf client "test business" clientAuth "DNS:client.test"
rm -f ca.srl

echo "made in $(pwd), good for $days days:"
echo "  ca.pem                  the authority that clients trust (--ca), and that signs clients (client_ca)"
echo "  server.pem server.key   for localhost, 127.0.0.1 and ::1"
echo "  client.pem client.key   for a client, where client_ca is set"
