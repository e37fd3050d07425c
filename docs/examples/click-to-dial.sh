#!/bin/sh
# Joins two telephones by CAMARA's Click to Dial: a token for the business's password, a call with it, and what became of it.
#
#     BUSINESS=abc PASSWORD=… sh click-to-dial.sh https://EQUIPMENT +12125550100 +16465550101 [https://SINK TOKEN-OF-THE-SINK]
#
# Needs curl. Prints the call as it was accepted, then as it is.
set -eu
equipment=$1 caller=$2 callee=$3 sink=${4:-} sink_token=${5:-}

# The password and the sink's token go in by standard input: no list of processes shows them.
token=$(printf 'user = "%s:%s"\n' "$BUSINESS" "$PASSWORD" |
    curl --silent --show-error --fail-with-body --config - --data grant_type=client_credentials \
        --data-urlencode 'scope=click-to-dial:calls:create click-to-dial:calls:read' "$equipment/oauth2/token" |
    sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

call=$(
    {
        printf '{"caller":{"number":"%s"},"callee":{"number":"%s"}' "$caller" "$callee"
        [ -z "$sink" ] || printf ',"sink":"%s"' "$sink"
        [ -z "$sink_token" ] || printf ',"sinkCredential":{"credentialType":"ACCESSTOKEN","accessToken":"%s",%s,"accessTokenExpiresUtc":"%s"}' \
            "$sink_token" '"accessTokenType":"bearer"' "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)"
        printf '}'
    } | curl --silent --show-error --fail-with-body --header "Authorization: Bearer $token" --header "x-correlator: $$" \
        --json @- "$equipment/click-to-dial/v0.1/calls"
)
printf '%s\n' "$call"
id=$(printf %s "$call" | sed -n 's/.*"callId":"\([^"]*\)".*/\1/p')
curl --silent --show-error --fail-with-body --header "Authorization: Bearer $token" "$equipment/click-to-dial/v0.1/calls/$id"
echo
