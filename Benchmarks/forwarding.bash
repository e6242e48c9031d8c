# For benchmarks that forward: devices, servers, and routers between them. The caller has set:
#   bench     its name, in paths
#   routers   the routers to make: cordon, and spare, which is another; plain (the plainest stateful NAT router); bare (no
#             ruleset at all); those that peers.bash makes; hand (bench-vpn's, which makes tunnels)
#   tracked   how many connections the kernel may track
programs=$PWD/.build/release
work=/var/lib/cordon-$bench
run=/run/cordon-$bench
devices=cordonfwd-devices servers=cordonfwd-servers

((EUID == 0)) || { echo "must be root" >&2; exit 1; }

daemon='' responder='' iperf=''
stop() { # PID: ends it and waits.
    [[ -n $1 ]] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
tidy() {
    stop "$daemon"; stop "$responder"; stop "$iperf"
    ip netns list | awk '/^cordonfwd-/ { print "netns delete " $1 }' | ip -force -batch - 2>/dev/null || true
    rm -rf "$work" "$run"
    sysctl -q -w net.netfilter.nf_conntrack_max="$conntrack_max" net.netfilter.nf_conntrack_buckets="$conntrack_buckets"
}
conntrack_max=$(sysctl -n net.netfilter.nf_conntrack_max)
conntrack_buckets=$(sysctl -n net.netfilter.nf_conntrack_buckets)
trap tidy EXIT
tidy
mkdir -p "$work" "$run"
echo benchmark-secret >"$run/secret"
# Room for the flows of all routers at once, and short chains: the table is one for all namespaces.
sysctl -q -w net.netfilter.nf_conntrack_max=$tracked net.netfilter.nf_conntrack_buckets=1048576

# Not for what runs in the background: `$!` would be a shell's.
in_ns() { nsenter --net="/run/netns/$1" "${@:2}"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# The devices, the servers, and three routers between them, each with its own two links.
for name in "$devices" "$servers"; do ip netns add "$name"; ip -n "$name" link set lo up; done
for address in {10..25}; do ip -n "$servers" addr add "192.0.2.$address/32" dev lo; done
number=0
for router in "${routers[@]}"; do
    name=cordonfwd-$router
    ip netns add "$name"
    ip -n "$name" link set lo up
    ip link add sgi netns "$name" type veth peer name "sgi-$router" netns "$devices"
    ip link add wan netns "$name" type veth peer name "wan-$router" netns "$servers"
    ip -n "$name" addr add "198.18.$number.1/30" dev sgi
    ip -n "$devices" addr add "198.18.$number.2/30" dev "sgi-$router"
    ip -n "$name" addr add "198.18.1$number.1/30" dev wan
    ip -n "$servers" addr add "198.18.1$number.2/30" dev "wan-$router"
    for end in "$name sgi" "$name wan" "$devices sgi-$router" "$servers wan-$router"; do
        ip -n ${end% *} link set "${end#* }" up
        # The generator's packets carry device addresses; nobody answers for them.
        in_ns ${end% *} sysctl -q -w "net.ipv4.conf.${end#* }.rp_filter=0"
    done
    in_ns "$name" sysctl -q -w net.ipv4.conf.all.rp_filter=0
    if [[ $router != cordon && $router != spare ]]; then
        ip -n "$name" route add 100.64.0.0/10 via "198.18.$number.2"
        ip -n "$name" route add 192.0.2.0/24 via "198.18.1$number.2"
        in_ns "$name" sysctl -q -w net.ipv4.ip_forward=1
    fi
    number=$((number + 1))
done
mac() { ip -n "$1" -o link show "$2" | sed 's/.*ether \([0-9a-f:]*\).*/\1/'; }
declare -A macs
number=0
for router in "${routers[@]}"; do
    name=cordonfwd-$router
    macs[$router.from]=$(mac "$devices" "sgi-$router")
    macs[$router.to]=$(mac "$name" sgi)
    # Neighbours are fixed: nobody answers for them while the servers hear nothing.
    ip -n "$name" neigh replace "198.18.$number.2" lladdr "${macs[$router.from]}" dev sgi nud permanent
    ip -n "$name" neigh replace "198.18.1$number.2" lladdr "$(mac "$servers" "wan-$router")" dev wan nud permanent
    ip -n "$devices" neigh replace "198.18.$number.1" lladdr "${macs[$router.to]}" dev "sgi-$router" nud permanent
    ip -n "$servers" neigh replace "198.18.1$number.1" lladdr "$(mac "$name" wan)" dev "wan-$router" nud permanent
    number=$((number + 1))
done
in_ns "$devices" sysctl -q -w net.ipv4.conf.all.rp_filter=0
in_ns "$servers" sysctl -q -w net.ipv4.conf.all.rp_filter=0
[[ " ${routers[*]} " != *" plain "* ]] || in_ns cordonfwd-plain nft -f - <<END
table ip router {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "sgi" oifname "wan" accept
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "wan" masquerade
    }
}
END

# configure ROUTER STATE: the configuration of a Cordon, $run/ROUTER.yaml, with what comes as input at its end.
configure() {
    local sgi wan
    sgi=$(ip -n "cordonfwd-$1" -o -4 addr show sgi | sed 's/.* \([0-9.]*\)\.1\/30.*/\1/')
    wan=$(ip -n "cordonfwd-$1" -o -4 addr show wan | sed 's/.* \([0-9.]*\)\.1\/30.*/\1/')
    cat >"$run/$1.yaml" <<END
state: $2
api: {socket: $run/$1.sock}
radius: {listen: "$sgi.1"}
dns: {servers: ["$sgi.1"]}
gateway:
  sgi: {interface: sgi, peer: $sgi.2}
  wan: {interface: wan, next-hop: $wan.2}
  protected: [198.18.0.0/15]
nat: {public: ["198.19.0.0/19"], ports-per-device: 512}
limits: {new-connections-per-block: 1000000, new-connections-burst: 1000000}
log-level: info
$(cat)
END
}
configure cordon "$work/state" </dev/null
export CORDON_URL=unix:$run/cordon.sock CORDON_TOKEN_FILE=$work/state/operator.token

# start_daemon [ROUTER]: starts cordond and prints how long it took until all was enforced; its number is $daemon.
start_daemon() {
    local begun ready router=${1:-cordon}
    begun=$(date +%s%N)
    nsenter --net="/run/netns/cordonfwd-$router" "$programs/cordond" --config "$run/$router.yaml" >"$run/$router.log" 2>&1 &
    daemon=$!
    until curl -s -o /dev/null -m 2 -f --unix-socket "$run/$router.sock" http://localhost/readyz; do
        kill -0 "$daemon" 2>/dev/null || { tail -n 5 "$run/$router.log" >&2; exit 1; }
        sleep 0.02
    done
    ready=$(date +%s%N)
    awk -v a="$begun" -v b="$ready" 'BEGIN { printf "%.1f", (b - a) / 1e9 }' >"$run/start"
}

# route_back ROUTER: answers and public addresses of this router's flows come back through it.
route_back() {
    local via
    via=$(ip -n "$servers" -o -4 addr show "wan-$1" | sed 's/.* \([0-9.]*\)\.2\/30.*/\1.1/')
    ip -n "$servers" route replace 198.19.0.0/16 via "$via"
    ip -n "$servers" route replace 100.64.0.0/10 via "$via"
}

# route_out ROUTER: what programs of the devices' namespace send goes through it.
route_out() {
    ip -n "$devices" route replace 192.0.2.0/24 via \
        "$(ip -n "$devices" -o -4 addr show "sgi-$1" | sed 's/.* \([0-9.]*\)\.2\/30.*/\1.1/')" "${@:2}"
}

# counted ROUTER ARGUMENT...: sends packets through the router and prints how many a second came to the servers.
counted() {
    local router=$1 before after said
    shift
    before=$(in_ns "$servers" cat "/proc/net/dev" | awk -v i="wan-$router:" '$1 == i { print $3 }')
    said=$(in_ns "$devices" taskset -c 1 "$programs/PacketLoad" send --interface "sgi-$router" \
        --from "${macs[$router.from]}" --to "${macs[$router.to]}" --addresses "$run/addresses" "$@")
    after=$(in_ns "$servers" cat "/proc/net/dev" | awk -v i="wan-$router:" '$1 == i { print $3 }')
    # sent=N seconds=S
    local sent=${said%% *} time=${said##*=}
    awk -v n=$((after - before)) -v s="$time" 'BEGIN { print int(n / s) }'
    echo "$router ${sent#sent=} $((after - before))" >>"$run/sent"
}
forget_flows() {
    ip netns list | awk -v r="cordonfwd-$1" '$1 == r || index($1, r "-") == 1 { print $1 }' |
        xargs -P 2 -I '{}' nsenter --net=/run/netns/'{}' conntrack -F >/dev/null 2>&1 || true
}
# What came to the servers is dropped at once, so that only routers are measured.
deaf() {
    in_ns "$servers" nft -f - <<END
table netdev deaf {
$(for router in "${routers[@]}"; do echo "chain $router { type filter hook ingress device wan-$router priority 0; policy drop; }"; done)
}
END
}
hearing() { in_ns "$servers" nft delete table netdev deaf 2>/dev/null || true; }
