extension KernelTests.Table {
    /// `nft list ruleset` of version 1.0.6, without indentation and counters' values.
    static let recorded = """
        table inet cordon {
        counter blocked {
        }
        counter device_to_device {
        }
        counter forward_denied {
        }
        counter input_denied {
        }
        counter invalid {
        }
        counter ipv6 {
        }
        counter nat_unmapped {
        }
        counter new_connections_limited {
        }
        counter radius_limited {
        }
        counter spoofed {
        }
        counter unsolicited {
        }
        map device_policy {
        type ipv4_addr : mark
        elements = { 100.64.0.1 : 0x00000011 }
        }
        map policy_chain {
        type mark : verdict
        size 131072
        elements = { 0x00000001 : jump policy_1, 0x00000011 : jump policy_2 }
        }
        map in_force {
        type mark . mark : mark
        elements = { 0x00000011 . 0x00000400 : 0x80000001 }
        }
        map device_nat {
        type ipv4_addr : interval ipv4_addr . inet_service
        elements = { 100.64.0.1 : 203.0.113.1 . 10008-10015 }
        }
        set nas {
        type ipv4_addr
        elements = { 198.18.0.2 }
        }
        set pools {
        type ipv4_addr
        flags interval
        elements = { 100.64.0.0/10, 198.18.0.0/24 }
        }
        set block_rates {
        type ipv4_addr
        size 65536
        flags dynamic,timeout
        timeout 1m
        }
        set observed {
        type ipv4_addr . ipv4_addr . inet_proto . inet_service . mark
        size 65536
        flags dynamic,timeout
        counter
        timeout 1h
        }
        set nas_rates {
        type ipv4_addr
        size 1024
        flags dynamic,timeout
        timeout 1m
        }
        chain blocked {
        ip daddr @pools counter name "device_to_device" drop
        counter name "blocked" drop
        }
        chain sgi_source {
        meta mark set ip saddr map @device_policy goto sgi_device
        meta mark set 0x00000000
        ip saddr @nas fib daddr type local accept
        meta nfproto ipv6 counter name "ipv6" drop
        counter name "spoofed" drop
        }
        chain sgi_device {
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force accept
        ct state invalid,untracked counter name "invalid" drop
        ct state related counter name "blocked" drop
        meta mark vmap @policy_chain
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force accept
        goto blocked
        }
        chain radius {
        accept
        }
        chain sgi_input {
        meta mark != 0x00000000 counter name "input_denied" drop
        ct state established,related accept
        ip saddr @nas udp dport { 1812, 1813 } goto radius
        ip saddr @nas icmp type echo-request accept
        counter name "input_denied" drop
        }
        chain wan_input {
        ct state established,related accept
        icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
        counter name "input_denied" drop
        }
        chain mangle_prerouting {
        type filter hook prerouting priority mangle; policy accept;
        iif "sgi0" goto sgi_source
        iif "wan0" meta mark set 0x80000002
        }
        chain filter_forward {
        type filter hook forward priority filter; policy drop;
        meta mark 0x80000001 oif "wan0" ct state established accept
        meta mark 0x80000002 oif "sgi0" ct state established,related ct direction reply meta mark set ip daddr map @device_policy accept
        meta mark 0x80000001 ip daddr @pools counter name "device_to_device" drop
        meta mark 0x80000001 oif "wan0" ct state related,new accept
        meta mark 0x80000001 ct state invalid counter name "invalid" drop
        iif "wan0" ct direction original counter name "unsolicited" drop
        iif "wan0" ct state invalid,untracked counter name "unsolicited" drop
        counter name "forward_denied" drop
        }
        chain filter_input {
        type filter hook input priority filter; policy accept;
        iif "sgi0" goto sgi_input
        iif "wan0" goto wan_input
        }
        chain nat_postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oif "wan0" meta mark 0x80000001 meta l4proto 17 snat ip to ip saddr map @device_nat
        oif "wan0" meta mark 0x80000001 meta l4proto 6 snat ip to ip saddr map @device_nat
        oif "wan0" meta mark 0x80000001 meta l4proto { 0-255 } snat ip to ip saddr map @device_nat
        meta mark 0x80000001 counter name "nat_unmapped" drop
        }
        chain policy_1 {
        }
        chain policy_2 {
        }
        }
        """
}
