# What `scripts/kafka --secure` adds: an authority for certificates that is thrown away with the cluster, and listeners
# with TLS, mutual TLS and SASL beside the plain one. Sourced by scripts/kafka, never run.
# shellcheck shell=bash

# The one user of the listener with SASL; a test needs no other, and nothing here is worth a secret.
secure_user=saga
secure_password=saga-secret

secure_usage() {
    cat <<END

--secure gives each node of a new cluster three listeners more, and what a client needs of them lies in the folder
secure of the cluster's:

  tls, mtls, sasl     one line each, the addresses of the listener: TLS; TLS that asks for the client's certificate;
                      SASL over TLS with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER
  ca.pem              who signed the certificates of the nodes (for 127.0.0.1 and localhost)
  client.pem .key     a certificate that mtls takes, and its key
  other-ca.pem        an authority that signed nothing here; other.pem and other.key are a certificate of it
  token               a token for OAUTHBEARER that is good for a day. It has no signature: the nodes ask for none

The user of PLAIN and SCRAM is $secure_user, the password $secure_password. Such a cluster is for trials only.
END
}

# An authority, $1.pem with its key, that is good for a year.
secure_authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$1" -keyout "$secure/$1.key" -out "$secure/$1.pem" \
        2>/dev/null
}

# A certificate of the authority $2 for $1: $1.key and $1.pem.
secure_certificate() {
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$secure/$1.key" -out "$secure/$1.csr" 2>/dev/null &&
        openssl x509 -req -in "$secure/$1.csr" -CA "$secure/$2.pem" -CAkey "$secure/$2.key" -CAcreateserial -days 365 \
            -extfile <(echo subjectAltName=IP:127.0.0.1,DNS:localhost) -out "$secure/$1.pem" 2>/dev/null &&
        rm "$secure/$1.csr"
}

# A JSON Web Token without a signature, for $1 seconds from now.
secure_token() {
    local now part
    now=$(date +%s)
    for part in '{"alg":"none"}' "{\"sub\":\"$secure_user\",\"iat\":$now,\"exp\":$((now + $1))}"; do
        printf '%s' "$part" | basenc --base64url --wrap=0 | tr -d '='
        printf .
    done
    echo
}

# Makes what all nodes share, in the folder $secure.
secure_create() {
    have openssl || die "--secure makes certificates with openssl, and there is none; run scripts/install"
    (umask 077 && mkdir -p "$secure")
    secure_authority ca && secure_authority other-ca && secure_certificate server ca &&
        secure_certificate client ca && secure_certificate other other-ca ||
        die "openssl did not make the certificates in $secure"
    cat "$secure/server.key" "$secure/server.pem" >"$secure/node.pem"
    secure_token 86400 >"$secure/token"
}

# Gives a node, whose settings lie in $1, its further listeners. Each is added to the file of its addresses.
secure_listeners() {
    local name listeners=''
    for name in tls mtls sasl; do
        free_port
        listeners+=",${name^^}://127.0.0.1:$drawn_port"
        { [ ! -s "$secure/$name" ] || printf ,; printf '127.0.0.1:%s' "$drawn_port"; } >>"$secure/$name"
    done
    sed -i "s|^listeners=.*|&$listeners|; s|^advertised.listeners=.*|&$listeners|" "$1"
    sed -e "s|@SECURE@|$secure|g; s|@USER@|$secure_user|g; s|@PASSWORD@|$secure_password|g" \
        scripts/kafka-secure.properties >>"$1"
}

# What the data folder of a node is formatted with.
secure_users() {
    local mechanism
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
        printf '%s\n' --add-scram "$mechanism=[name=$secure_user,password=$secure_password]"
    done
}
