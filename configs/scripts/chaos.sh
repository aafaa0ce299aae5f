#!/bin/sh
# A chaos session by the commands: each thing is waited for, nothing sleeps, and at the end all is as before.
#
#   bustedwall run my.yaml --control 8474 &
#   configs/scripts/chaos.sh PROXY          # with traffic through the proxy
#
# BUSTEDWALL_CONTROL says where the run is, WITHIN how long the traffic may take to meet a fault.
set -eu

proxy=${1:?"usage: chaos.sh PROXY"}
within=${WITHIN:-1m}

say() { printf '\n== %s\n' "$1"; }

bustedwall status -q
# Whatever happens: what was broken is whole again.
trap 'bustedwall clear --proxy "$proxy"' EXIT

say "there is traffic"
bustedwall wait --flows 1 --proxy "$proxy" --within "$within"

say "a slow link, for a while"
bustedwall apply slow-link:delay=20ms --proxy "$proxy" --for 30s
bustedwall wait --fired slow-link --proxy "$proxy" --within "$within"
bustedwall clear slow-link --proxy "$proxy"

say "resets in the middle of a response"
bustedwall apply reset-mid-response:after=100B --proxy "$proxy"
bustedwall wait --fired reset-mid-response --times 3 --proxy "$proxy" --within "$within"
bustedwall clear reset-mid-response --proxy "$proxy"

say "every connection is lost without a word"
bustedwall kill --all --how vanish --proxy "$proxy"

say "it has recovered: flows are open again, and one has been served"
bustedwall wait --flows 1 --proxy "$proxy" --within "$within"
bustedwall wait --fact peer-finished --proxy "$proxy" --within "$within"

say "what was done"
bustedwall facts --fact control-changed
