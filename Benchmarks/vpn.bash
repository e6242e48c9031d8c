# For bench-vpn, after forwarding.bash: the internet's part with the peers, what they are given, and who asks whom. The
# caller has set:
#   peer_count   how many peers there are that answer
peers=cordonfwd-peers doomed=cordonfwd-doomed
declare -A charons=()

# Peers' addresses: those of one gateway that stands for all, of one that is to die, and of nobody.
peer_address() { echo "203.$(($1 / 62500)).$(($1 / 250 % 250)).$(($1 % 250 + 1))"; } # NUMBER
doomed_address() { echo "203.128.0.$(($1 + 1))"; }
silent_address() { echo "203.64.$(($1 / 250)).$(($1 % 250 + 1))"; }

make_peers() {
    local router name address end number=0
    for name in "$peers" "$doomed"; do
        ip netns add "$name"
        ip -n "$name" link set lo up
        end=to-${name#cordonfwd-}
        ip link add wan netns "$name" type veth peer name "$end" netns "$servers"
        ip -n "$servers" addr add "198.51.100.$((number * 4 + 1))/30" dev "$end"
        ip -n "$name" addr add "198.51.100.$((number * 4 + 2))/30" dev wan
        ip -n "$servers" link set "$end" up
        ip -n "$name" link set wan up
        ip -n "$name" route add default via "198.51.100.$((number * 4 + 1))"
        # Of a TUN the packets' way back is another.
        in_ns "$name" sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
        for address in 10.0.0.10 10.8.0.10; do ip -n "$name" addr add "$address/32" dev lo; done
        number=$((number + 1))
    done
    in_ns "$servers" sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
    ip -n "$servers" route add 203.0.0.0/10 via 198.51.100.2
    ip -n "$servers" route add 203.128.0.0/16 via 198.51.100.6
    ip -n "$servers" route add blackhole 203.64.0.0/10
    for ((number = 0; number < peer_count; number++)); do echo "addr add $(peer_address "$number")/32 dev lo"; done |
        ip -n "$peers" -batch -
    for number in {0..31}; do echo "addr add $(doomed_address "$number")/32 dev lo"; done | ip -n "$doomed" -batch -
    for router in "${routers[@]}"; do
        number=$(ip -n "cordonfwd-$router" -o -4 addr show wan | sed 's/.* \([0-9.]*\)\.1\/30.*/\1/')
        ip -n "cordonfwd-$router" route replace default via "$number.2"
    done
    # Every device is there, and its hosts behind VPNs are behind its gateway.
    ip -n "$devices" route add local 100.64.0.0/10 dev lo
    ip -n "$devices" route add 10.0.0.0/8 via 198.18.0.1
}

# charon NAMESPACE BEHIND: a strongSwan as somebody else has it, that stands for very many; what is in BEHIND is reached
# through its tunnels.
#
# In a session of its own, as an init system starts it and Cordon does its own: the kernel shares cores among sessions
# (autogroup), and what is in one with iperf3 is not interrupted by what it sends, which doubles the throughput of both.
charon() {
    local own=$run/charon-$1 encrypting=kernel-libipsec patience=$((SECONDS + 60))
    [[ $path == user-space ]] || encrypting=''
    mkdir -p "$own"
    rm -f "$own/vici.sock"
    cat >"$own/strongswan.conf" <<END
charon-systemd {
    load_modular = no
    load = aesni openssl random nonce aes sha1 sha2 hmac kdf gcm curve25519 pem pkcs1 pkcs8 x509 pubkey constraints $encrypting kernel-netlink socket-default vici
    threads = 32
    install_routes = no
    # All come from the address of one gateway, for which as many peers would have a limit each. 0 would not be none:
    # charon raises the limit for one address above cookie_threshold_ip, which is 3 (5.9.8).
    block_threshold = 1000000
    cookie_threshold = 1000000
    cookie_threshold_ip = 1000000
    ikesa_table_size = 4096
    ikesa_table_segments = 16
    plugins { vici { socket = unix://$own/vici.sock } }
    filelog { log { path = $own/log
        default = ${CHARON_LOG:-0} } }
}
swanctl { load = random openssl pem pkcs1 x509 }
END
    STRONGSWAN_CONF=$own/strongswan.conf setsid nsenter --net="/run/netns/$1" /usr/sbin/charon-systemd </dev/null >/dev/null 2>&1 &
    charons[$1]=$!
    until [[ -S $own/vici.sock ]]; do
        ((SECONDS < patience)) || { echo "no charon in $1" >&2; exit 1; }
        sleep 0.05
    done
    [[ $path != user-space ]] || ip -n "$1" route add "$2" dev ipsec0
}
# load NAMESPACE: gives its charon all that is in its directory of configurations, as it is.
load() {
    local own=$run/charon-$1
    cat "$own"/conf/*.conf >"$own/all.conf"
    STRONGSWAN_CONF=$own/strongswan.conf swanctl --load-all --file "$own/all.conf" --uri "unix://$own/vici.sock" \
        >"$own/loaded" 2>&1 || { tail -n 5 "$own/loaded" >&2; exit 1; }
}

# by_hand OWN_ADDRESS OTHER_ADDRESS OWN_NAME OTHER_NAME OWN_NETWORK OTHER_NETWORK: what somebody writes without Cordon, with
# the same algorithms.
by_hand() {
    cat <<END
connections {
    by-hand {
        version = 2
        local_addrs = $1
        remote_addrs = $2
        proposals = aes256gcm16-prfsha384-ecp384
        mobike = no
        local {
            auth = psk
            id = $3
        }
        remote {
            auth = psk
            id = $4
        }
        children {
            by-hand {
                local_ts = $5
                remote_ts = $6
                esp_proposals = aes256gcm16-ecp384
            }
        }
    }
}
secrets {
    ike-by-hand {
        id-1 = $3
        id-2 = $4
        secret = nobody-else-has-it
    }
}
END
}

# VPNs are lines of PLACE TENANT NAME PEER NETWORK HOST [OPTION...], PLACE being the namespace of the peer.
hq() { echo "$1 tenant-$2 $3-$2 $4 10.0.0.0/24 10.0.0.10 ${*:5}"; }       # PLACE TENANT NAME PEER [OPTION...]
plant() { echo "$1 tenant-$2 $3-$2 $4 10.8.0.0/24 10.8.0.10 ${*:5}"; }

# A key that the peer brings, so that it is ready before there is a VPN.
key_of() { echo "$run/keys/$1.$2"; } # TENANT NAME
create() { # PLACE TENANT NAME PEER NETWORK HOST [OPTION...]
    "$programs/cordon" vpn create "$3" --tenant "$2" --peer "$4" --remote-network "$5" --key-file "$(key_of "$2" "$3")" "${@:7}" --json
}

# What one peer is given: the configuration that Cordon prints. Its VPN is deleted again: nobody calls a peer before.
cat >"$run/prepare" <<END
#!/bin/bash
set -euo pipefail
set -- \$1
key=$run/keys/\$2.\$3
head -c 32 /dev/urandom | base64 -w 0 >"\$key"
$programs/cordon vpn create "\$3" --tenant "\$2" --peer "\$4" --remote-network "\$5" --key-file "\$key" "\${@:7}" --json >/dev/null
$programs/cordon vpn peer-config "\$3" --tenant "\$2" --for strongswan --key-file "\$key" --directory "$run/charon-\$1/conf" >/dev/null
$programs/cordon vpn delete "\$3" --tenant "\$2" >/dev/null
END
chmod +x "$run/prepare"
# prepare FILE: the peers of its VPNs.
prepare() {
    mkdir -p "$run/keys" "$run/charon-$peers/conf" "$run/charon-$doomed/conf"
    xargs -r -P 2 -d '\n' -n 1 "$run/prepare" <"$1"
}

device_of() { sed -n "$((${1#tenant-} + 1))p" "$run/addresses"; } # TENANT

# allow TENANT ROUTE...: its policy, with the way to each network, 10.0.0.0/24 first.
allow() {
    local tenant=$1 networks=(10.0.0.0/24 10.8.0.0/24) number=0 route
    shift
    {
        echo "{policy: fleet, rules: ["
        echo "{name: udp, to: [192.0.2.0/24], protocol: udp, ports: [5000-9000], route: internet}"
        for route in "$@"; do
            echo ", {name: way-$number, to: [${networks[number]}], route: $route}"
            number=$((number + 1))
        done
        echo "]}"
    } >"$run/policy.$tenant"
    "$programs/cordon" policy apply "$run/policy.$tenant" --tenant "$tenant" --json >/dev/null
}

# ask FILE OUTPUT ARGUMENT...: devices ask hosts from now on; the number of who asks is $asker.
ask() {
    nsenter --net="/run/netns/$devices" "$programs/PacketLoad" echo --pairs "$1" "${@:3}" >"$2" &
    asker=$!
    until grep -q asking "$2" 2>/dev/null; do sleep 0.005; done
}

at() { sort -g | awk -v q="$1" '{ v[NR] = $1 } END { i = int(q * NR + 0.999999); print v[i < 1 ? 1 : i] }'; } # QUANTILE
since() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", b - a }'; }
kib() { awk '/VmRSS/ { print $2 }' "/proc/$1/status"; } # PID
charon_of() { pgrep -P "$1" charon; } # PID of cordond
