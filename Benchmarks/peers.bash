# Two ways in which tenants are kept apart today, with the same rules as Cordon's. Sourced after forwarding.bash, with
# `namespaces` and `iptables` among the routers. $run/peers holds what FleetStore --peers wrote.

# make_iptables: a chain for each tenant, reached by a list of their prefixes. Packets of known flows do not come to it.
make_iptables() {
    {
        echo '*filter'
        echo ':FORWARD DROP [0:0]'
        echo '-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'
        cat "$run/peers/iptables"
        echo COMMIT
        echo '*nat'
        echo '-A POSTROUTING -o wan -j MASQUERADE'
        echo COMMIT
    } | in_ns cordonfwd-iptables "${IPTABLES:-iptables-nft}-restore"
}

# make_namespaces SECONDS: a namespace for each tenant, with its own ruleset, its own NAT and one link to the gateway,
# which routes by source; as many as are ready in this time. Their prefixes' first addresses go to $run/made, one a line.
make_namespaces() {
    local begun=$SECONDS limit=$1 gateway=cordonfwd-namespaces total from chunk=25
    # number, first address, group of 32 tenants, place in the group
    (cd "$run/peers" && printf '%s\n' *.nft) | sort -V |
        awk -F. '{ k = $1 "." $2 "." int($3 / 32) * 32
            if (!(k in group)) group[k] = groups++
            print NR, $1 "." $2 "." $3 ".0", group[k], $3 % 32, k }' >"$run/tenants"
    total=$(wc -l <"$run/tenants")
    # What does not come from devices is routed as usual. What does is compared with groups first: in one list of all
    # prefixes each packet would be compared with half of them.
    {
        echo "rule add pref 999 not iif sgi goto 32766"
        awk '!seen[$3]++ { print "rule add pref", 1000 + $3, "from", $5 ".0/19 goto", 10000 + 100 * $3 }' "$run/tenants"
        echo "rule add pref 9999 goto 32766"
    } | ip -n "$gateway" -batch -
    : >"$run/made"
    for ((from = 1; from <= total && SECONDS - begun < limit; from += chunk)); do
        awk -v a="$from" -v b=$((from + chunk)) '$1 >= a && $1 < b' "$run/tenants" >"$run/chunk"
        awk -v g="$gateway" '{ name = g "-" $1
            print "netns add", name
            printf "link add t%d address 02:00:01:00:%02x:%02x netns %s type veth peer name gw address 02:00:02:00:%02x:%02x netns %s\n",
                $1, $1 / 256, $1 % 256, g, $1 / 256, $1 % 256, name }' "$run/chunk" | ip -batch -
        awk '{ print "link set t" $1 " up"
            printf "neigh replace 169.254.0.2 lladdr 02:00:02:00:%02x:%02x dev t%d nud permanent\n", $1 / 256, $1 % 256, $1
            print "route add default via 169.254.0.2 dev t" $1 " onlink table " 10000 + $1
            printf "route add 198.19.%d.%d/32 via 169.254.0.2 dev t%d onlink\n", $1 / 256, $1 % 256, $1
            print "rule add pref", 10000 + 100 * $3 + $4, "from", $2 "/24 lookup", 10000 + $1 }' "$run/chunk" |
            ip -n "$gateway" -batch -
        xargs -P 2 -L 1 "$run/tenant" <"$run/chunk"
        awk '{ print $2 }' "$run/chunk" >>"$run/made"
    done
}

# What is done inside a tenant's namespace: NUMBER FIRST_ADDRESS ...
cat >"$run/tenant" <<END
#!/bin/sh
exec nsenter --net=/run/netns/cordonfwd-namespaces-\$1 sh -e -c '
    for knob in ip_forward=1 conf/all/rp_filter=0 conf/default/rp_filter=0 conf/gw/rp_filter=0; do
        echo "\${knob#*=}" >"/proc/sys/net/ipv4/\${knob%=*}"
    done
    ip -batch - <<BATCH
link set lo up
link set gw up
addr add 169.254.0.2/32 dev gw
neigh replace 169.254.0.1 lladdr \$(printf "02:00:01:00:%02x:%02x" \$((\$1 / 256)) \$((\$1 % 256))) dev gw nud permanent
route add default via 169.254.0.1 dev gw onlink
BATCH
    nft -f - <<RULES
table ip tenant {
    chain allowed {
\$(cat $run/peers/\$2.nft)
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ip saddr \$2/24 jump allowed
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ip saddr \$2/24 snat to 198.19.\$((\$1 / 256)).\$((\$1 % 256))
    }
}
RULES
' sh "\$@"
END
chmod +x "$run/tenant"
