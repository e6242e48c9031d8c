# For bench-dns: the network, what is asked, and the resolvers. The caller has set what it sets at its top.
#
# Each resolver stands in a namespace of its own, between the devices' and the authority's. dnsperf has one address only:
# what it sends gets a device's address on its way out, in turn, and answers get dnsperf's, without a flow being tracked.

make_network() {
    local server count=0 end core
    for server in "$devices" "$authority"; do ip netns add "$server"; ip -n "$server" link set lo up; done
    ip -n "$authority" addr add 192.0.2.53/32 dev lo
    in_ns "$devices" sysctl -q -w net.ipv4.conf.all.rp_filter=0
    in_ns "$authority" sysctl -q -w net.ipv4.conf.all.rp_filter=0
    for server in "${ours[@]}" "${peers[@]}"; do
        number[$server]=$count
        address[$server]=198.18.$count.1
        ip netns add "cordondns-$server"
        ip -n "cordondns-$server" link set lo up
        ip link add sgi netns "cordondns-$server" type veth peer name "sgi-$server" netns "$devices"
        ip link add wan netns "cordondns-$server" type veth peer name "wan-$server" netns "$authority"
        ip -n "cordondns-$server" addr add "198.18.$count.1/30" dev sgi
        ip -n "$devices" addr add "198.18.$count.2/30" dev "sgi-$server"
        ip -n "cordondns-$server" addr add "198.18.1$count.1/30" dev wan
        ip -n "$authority" addr add "198.18.1$count.2/30" dev "wan-$server"
        for end in "cordondns-$server sgi" "cordondns-$server wan" "$devices sgi-$server" "$authority wan-$server"; do
            ip -n ${end% *} link set "${end#* }" up
            in_ns ${end% *} sysctl -q -w "net.ipv4.conf.${end#* }.rp_filter=0"
            # Whoever receives pays for it; without this a veth's sender does.
            [[ $end == cordondns-$server* ]] && core=1 || core=2
            ip netns exec ${end% *} sh -c "echo $core >/sys/class/net/${end#* }/queues/rx-0/rps_cpus"
        done
        in_ns "cordondns-$server" sysctl -q -w net.ipv4.conf.all.rp_filter=0
        ip -n "cordondns-$server" route add 100.64.0.0/10 via "198.18.$count.2"
        ip -n "cordondns-$server" route add 192.0.2.0/24 via "198.18.1$count.2"
        count=$((count + 1))
    done
}

asking=''
# ask_as FILE: from here on queries come from these devices, a thousand of them in turn.
ask_as() {
    in_ns "$devices" nft -f - <<END
table ip generator
delete table ip generator
table ip generator {
    chain output {
        type filter hook output priority filter;
        udp dport 53 ip saddr set numgen inc mod $devices_count map {
            $(awk '{ printf "%s%d : %s", (NR > 1 ? ", " : ""), NR - 1, $1 }' "$1")
        }
    }
    chain prerouting {
        type filter hook prerouting priority raw;
        $(for server in "${ours[@]}" "${peers[@]}"; do
            echo "        iifname sgi-$server udp sport 53 ip daddr set 198.18.${number[$server]}.2"
        done)
    }
}
END
}

# What is blocked, $run/blocked; and questions, as dnsperf reads them: $run/cached, nine in ten of them for some thousand
# names of which the first are asked for far more often (Zipf), one in ten for a blocked name; $run/allowed, only such as
# are allowed.
make_names() {
    awk -v n="$blocked" 'BEGIN {
        srand(1)
        split("com net org info biz xyz top io", tlds)
        for (i = 0; i < n; i++) {
            tld = tlds[1 + int(rand() * 8)]
            if (i % 10 < 6) printf "x%x.%s\n", i * 2654435761 % 4294967296, tld
            else printf "t%d.ads%x.%s\n", i % 7, i * 2654435761 % 4294967296, tld
        }
    }' >"$run/blocked"
    awk -v n="$distinct" -v file="$run/blocked" -v count="$blocked" -v all="$run/cached" -v good="$run/allowed" 'BEGIN {
        srand(2)
        while ((getline name < file) > 0) bad[i++] = name
        for (i = 1; i <= n; i++) sum[i] = total += 1 / i
        for (k = 0; k < 300000; k++) {
            if (k % 10 == 9) { print bad[int(rand() * count)], "A" > all; continue }
            at = rand() * total
            low = 1; high = n
            while (low < high) { middle = int((low + high) / 2); if (sum[middle] < at) low = middle + 1; else high = middle }
            question = "device-api-" low ".cloud" low % 97 ".example A"
            print question > all
            print question > good
        }
    }'
    for ((i = 1; i <= distinct; i++)); do echo "device-api-$i.cloud$((i % 97)).example A"; done >"$run/each"
}

# new_names TAG: questions for names that nobody has asked for, one in ten for a blocked one: $run/uncached.
new_names() {
    awk -v tag="$1" -v file="$run/blocked" 'BEGIN {
        for (k = 0; k < 60000; k++) {
            if (k % 10 == 9) { getline name < file; print name, "A" } else print "u" k "-" tag ".cloud" k % 97 ".example A"
        }
    }' >"$run/uncached"
}

# learned_names TAG: each name is asked by every device, one after the other: in the cache for all but the first, and an
# address that the next one's policy does not have yet. $run/learned: of names that a rule has; $run/unruled: that none has.
learned_names() {
    awk -v tag="$1" -v with="$run/learned" -v without="$run/unruled" -v n=$((rate * (seconds + 1))) \
        -v devices="$devices_count" 'BEGIN {
        for (k = 0; k < n; k++) {
            print "n" int(k / devices) "-" tag ".learned.example A" > with
            print "n" int(k / devices) "-" tag ".unruled.example A" > without
        }
    }'
}

start_authority() {
    nsenter --net="/run/netns/$authority" taskset -c 1 "$programs/PacketLoad" names --listen 192.0.2.53 >"$run/authority" &
    pids+=($!)
    until grep -q ready "$run/authority" 2>/dev/null; do sleep 0.02; done
}

# answers SERVER: waits until it answers.
answers() {
    local patience=$((SECONDS + 120))
    until in_ns "$devices" dig +time=1 +tries=1 +short "@${address[$1]}" "device-api-1.cloud1.example" A 2>/dev/null | grep -q '^11\.'; do
        kill -0 "${pid[$1]}" 2>/dev/null && ((SECONDS < patience)) || {
            echo "$1 does not answer" >&2
            tail -n 20 "$run/$1.log" >&2
            exit 1
        }
        sleep 0.1
    done
}

# unbound_conf INTERFACE [LINE...]: one that asks the authority, for one core.
unbound_conf() {
    cat <<END
server:
    directory: "$run"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    interface: $1
    access-control: 0.0.0.0/0 allow
    num-threads: 1
    module-config: "iterator"
    msg-cache-size: 128m
    rrset-cache-size: 256m
    so-rcvbuf: 8m
    so-sndbuf: 8m
    outgoing-range: 8192
    num-queries-per-thread: 4096
    do-not-query-localhost: no
END
    printf '    %s\n' "${@:2}"
    cat <<END
forward-zone:
    name: "."
    forward-addr: 192.0.2.53
remote-control:
    control-enable: no
END
}

# launch SERVER COMMAND...: in its namespace, on the resolvers' core.
launch() {
    nsenter --net="/run/netns/cordondns-$1" taskset -c 0 "${@:2}" >"$run/$1.log" 2>&1 &
    pid[$1]=$!
    pids+=($!)
}

# A local zone for each blocked name: what unbound itself has for that, beside response policy zones.
start_unbound() {
    sed 's/.*/local-zone: "&" always_nxdomain/' "$run/blocked" >"$run/zones.conf"
    unbound_conf "${address[unbound]}" "include: \"$run/zones.conf\"" >"$run/unbound.conf"
    launch unbound unbound -d -p -c "$run/unbound.conf"
    answers unbound
}

# The same with what Cordon's own unbound does beside asking: 0x20, stale answers, renewing before the end, EDE.
start_alike() {
    [[ -s $run/zones.conf ]] || sed 's/.*/local-zone: "&" always_nxdomain/' "$run/blocked" >"$run/zones.conf"
    local own="minimal-responses prefetch prefetch-key serve-expired ede ede-serve-expired use-caps-for-id aggressive-nsec"
    unbound_conf "${address[alike]}" $(printf '%s:yes\n' $own) serve-expired-ttl:86400 serve-expired-client-timeout:1800 \
        serve-expired-reply-ttl:30 edns-buffer-size:1232 "include:\"$run/zones.conf\"" >"$run/alike.conf"
    launch alike unbound -d -p -c "$run/alike.conf"
    answers alike
}

start_dnsdist() {
    unbound_conf 127.0.0.1@5300 >"$run/behind.conf"
    nsenter --net=/run/netns/cordondns-dnsdist taskset -c 0 unbound -d -p -c "$run/behind.conf" >"$run/behind.log" 2>&1 &
    pids+=($!)
    behind=$!
    cat >"$run/dnsdist.conf" <<END
setSecurityPollSuffix("")
addLocal("${address[dnsdist]}:53")
setACL({"0.0.0.0/0"})
newServer({address = "127.0.0.1:5300", sockets = 4})
getPool(""):setCache(newPacketCache(500000, {maxTTL = 86400}))
blocked = newSuffixMatchNode()
for name in io.lines("$run/blocked") do blocked:add(newDNSName(name)) end
addAction(SuffixMatchNodeRule(blocked), RCodeAction(DNSRCode.NXDOMAIN))
END
    launch dnsdist dnsdist --supervised --disable-syslog -C "$run/dnsdist.conf"
    answers dnsdist
}

# start_cordon KIND: one: a tenant with a thousand devices; many: a thousand tenants with one each; open: the same, and
# nothing is filtered; straight: as many, and the authority is asked by Cordon itself, as the operator's own resolver.
start_cordon() {
    local state=$work/$1 tenants=$devices_count fleet=(--rules 26 --hostnames 50 --blocklist blocked)
    mkdir -p "$state"
    cat >"$run/$1.ending" <<END
  - {name: learned, to: ["*.learned.example"], protocol: tcp, ports: [443], route: internet}
dns:
  default: allow
  deny: ["*.denied.example", "*.telemetry.vendor.example", tracking.example]
  blocklists: [blocked]
END
    local upstream="unbound: {directory: $run/$1.unbound, forward: [\"192.0.2.53\"], dnssec: false, cache-megabytes: 384}"
    case $1 in
    one) tenants=1 ;;
    straight) upstream='upstreams: ["192.0.2.53"]' ;;
    open)
        fleet=()
        printf 'dns: {default: allow}\n' >"$run/$1.ending"
        ;;
    esac
    "$programs/FleetStore" --state "$state" --policies "$tenants" --sessions "$devices_count" --idle 0 "${fleet[@]}" \
        --ending "$run/$1.ending" --secret-file "$run/secret" --addresses "$run/$1.addresses"
    cat >"$run/$1.yaml" <<END
state: $state
api: {socket: $run/$1.sock}
radius: {listen: "${address[$1]}"}
dns:
  listen: ["${address[$1]}"]
  limits:
    queries-per-device: 1000000
    burst-per-device: 1000000
    queries-per-tenant: 10000000
    burst-per-tenant: 10000000
    waiting-per-tenant: 20000
  $upstream
gateway:
  sgi: {interface: sgi, peer: 198.18.${number[$1]}.2}
  wan: {interface: wan, next-hop: 198.18.1${number[$1]}.2}
nat: {public: ["198.19.0.0/26"], ports-per-device: 512}
log-level: notice
END
    launch "$1" "$programs/cordond" --config "$run/$1.yaml"
    until curl -s -o /dev/null -m 2 -f --unix-socket "$run/$1.sock" http://localhost/readyz; do
        kill -0 "${pid[$1]}" 2>/dev/null || { tail -n 5 "$run/$1.log" >&2; exit 1; }
        sleep 0.05
    done
    if [[ $1 != open ]]; then
        cordon "$1" blocklist upload blocked "$run/blocked" >/dev/null
        until cordon "$1" blocklist show blocked --json | grep -q '"state":"ready"'; do sleep 0.1; done
    fi
    ask_as "$run/$1.addresses"
    answers "$1"
}
cordon() { CORDON_URL=unix:$run/$1.sock CORDON_TOKEN_FILE=$work/$1/operator.token "$programs/cordon" "${@:2}"; }

# family SERVER: the process ids of what answers there.
family() {
    ip netns pids "cordondns-$1"
}
resident() { for one in $(family "$1"); do awk '/VmRSS/ { print $2 }' "/proc/$one/status"; done | awk '{ n += $1 } END { printf "%d", n / 1024 }'; }
# ticks SERVER: what it has had of its core, and what the kernel's network has had there: hundredths of a second.
ticks() {
    {
        for one in $(family "$1"); do cat "/proc/$one/stat"; done | sed 's/.*) //' | awk '{ print $12 + $13 }'
        awk '$1 == "cpu0" { print $8 }' /proc/stat
    } | awk '{ n += $1 } END { print n }'
}

# load SERVER FILE ARGUMENT...: the others have the first store's devices, so that packets are the same.
load() {
    local devices_of=$1
    [[ -e $run/$1.addresses ]] || devices_of=${ours[0]:-}
    [[ -z $devices_of || $asking == "$devices_of" ]] || { ask_as "$run/$devices_of.addresses"; asking=$devices_of; }
    in_ns "$devices" taskset -c 1 dnsperf -s "${address[$1]}" -a "198.18.${number[$1]}.2" -d "$2" -f inet -T 1 -t 2 "${@:3}"
}

warm() { load "$1" "$run/each" -n 1 -q 50 -c 4 >"$run/warm"; }

# measure KIND SERVER FILE ARGUMENT...: as fast as it goes, in queries a second; and what the resolver's core would answer
# in a second: dnsperf costs more than some that it asks, and they wait for it.
measure() {
    local before after
    before=$(ticks "$2")
    load "$2" "$3" -c 2 -q 500 "${@:4}" >"$run/said" 2>&1
    after=$(ticks "$2")
    awk '/Queries per second/ { printf "%d\n", $4 }' "$run/said" >>"$run/$1.$2"
    awk '/Queries sent/ { sent = $3 } /Queries lost/ { print sent, $3 }' "$run/said" >>"$run/lost.$2"
    awk -v t=$((after - before)) '/Queries completed/ { printf "%d\n", $3 * 100 / t }' "$run/said" >>"$run/$1.core.$2"
}

# time_each KIND SERVER FILE ARGUMENT...: at a rate that all of them bear.
time_each() {
    load "$2" "$3" -c 8 -q 500 -Q "$rate" -v "${@:4}" >"$run/said" 2>&1
    # > NOERROR name A 0.000123
    awk '$1 == ">" && NF >= 4 { printf "%.3f\n", $NF * 1000 }' "$run/said" | sort -g >"$run/times"
    awk '{ v[NR] = $1 } END { print v[int(NR * 0.5) + 1] }' "$run/times" >>"$run/$1.p50.$2"
    awk '{ v[NR] = $1 } END { print v[int(NR * 0.99) + 1] }' "$run/times" >>"$run/$1.p99.$2"
}
result() { [[ -s $run/$1.$2 ]] && median <"$run/$1.$2" || echo -; }
