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
        counter limited {
        }
        counter nat_unmapped {
        }
        counter new_connections_limited {
        }
        counter radius_limited {
        }
        counter route_changed {
        }
        counter route_down {
        }
        counter spoofed {
        }
        counter unsolicited {
        }
        counter vpn_denied {
        }
        counter vpn_limited {
        }
        counter vpn_spoofed {
        }
        map device_policy {
        type ipv4_addr : mark
        elements = { 100.64.0.1 : 0x00000011 }
        }
        set group_devices {
        type ipv4_addr . mark
        }
        map policy_chain {
        type mark : verdict
        size 131072
        elements = { 0x00000001 : jump policy_1, 0x00000011 : jump policy_2 }
        }
        map access_chain {
        type mark . ifname : verdict
        }
        map named_0 {
        type mark . ipv4_addr : mark
        }
        map named_1 {
        type mark . ipv4_addr : mark
        }
        map named_2 {
        type mark . ipv4_addr : mark
        }
        map named_3 {
        type mark . ipv4_addr : mark
        }
        map named_4 {
        type mark . ipv4_addr : mark
        }
        map named_5 {
        type mark . ipv4_addr : mark
        }
        map named_6 {
        type mark . ipv4_addr : mark
        }
        map named_7 {
        type mark . ipv4_addr : mark
        }
        map named_8 {
        type mark . ipv4_addr : mark
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
        map device_policy6 {
        type ipv6_addr : mark
        }
        set group_devices6 {
        type ipv6_addr . mark
        }
        map policy_chain6 {
        type mark : verdict
        size 131072
        }
        map access_chain6 {
        type mark . ifname : verdict
        }
        map named6_0 {
        type mark . ipv6_addr : mark
        }
        map named6_1 {
        type mark . ipv6_addr : mark
        }
        map named6_2 {
        type mark . ipv6_addr : mark
        }
        map named6_3 {
        type mark . ipv6_addr : mark
        }
        map named6_4 {
        type mark . ipv6_addr : mark
        }
        map named6_5 {
        type mark . ipv6_addr : mark
        }
        map named6_6 {
        type mark . ipv6_addr : mark
        }
        map named6_7 {
        type mark . ipv6_addr : mark
        }
        map named6_8 {
        type mark . ipv6_addr : mark
        }
        set pools6 {
        type ipv6_addr
        flags interval
        }
        set block_rates6 {
        type ipv6_addr
        size 65536
        flags dynamic,timeout
        timeout 1m
        }
        set observed6 {
        type ipv6_addr . ipv6_addr . inet_proto . inet_service . mark
        size 65536
        flags dynamic,timeout
        counter
        timeout 1h
        }
        map in_force {
        type mark . mark : mark
        elements = { 0x00000011 . 0x00000400 : 0x80000001 }
        }
        map vpn_policies {
        type mark . ifname : mark
        }
        set vpn_interfaces {
        type ifname
        }
        set vpn_refused {
        type ifname
        counter
        }
        map vpn_limits {
        type ifname : verdict
        }
        set vpn_marks {
        type mark . ifname
        }
        set to_time_server {
        type mark
        }
        set rated {
        type mark
        }
        map device_nat {
        type ipv4_addr : interval ipv4_addr . inet_service
        elements = { 100.64.0.1 : 203.0.113.1 . 10008-10015 }
        }
        set nas {
        type ipv4_addr
        elements = { 198.18.0.2 }
        }
        set nas_rates {
        type ipv4_addr
        size 1024
        flags dynamic,timeout
        timeout 1m
        }
        chain usage_up {
        xt match bpf accept
        goto limited
        }
        chain usage_down {
        xt match bpf meta mark set 0x00000000 accept
        goto limited
        }
        chain usage_between {
        xt match bpf accept
        goto limited
        }
        chain usage_input {
        xt match bpf accept
        goto limited
        }
        chain usage_output {
        xt match bpf accept
        goto limited
        }
        chain rated_up {
        meta priority set ct mark xt match bpf meta priority set none accept
        goto limited
        }
        chain rated_down {
        meta priority set ct mark xt match bpf meta priority set none meta mark set 0x00000000 accept
        goto limited
        }
        chain limited {
        counter name "limited" drop
        }
        chain blocked {
        ip daddr @pools counter name "device_to_device" drop
        ip6 daddr @pools6 counter name "device_to_device" drop
        counter name "blocked" drop
        }
        chain sgi_reply {
        meta mark set ip daddr map @device_policy ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force accept
        goto blocked
        }
        chain sgi_device {
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force accept
        ct direction reply goto sgi_reply
        ct state invalid,untracked counter name "invalid" drop
        ct state related counter name "blocked" drop
        meta mark vmap @policy_chain
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force accept
        goto blocked
        }
        chain sgi_reply6 {
        }
        chain sgi_device6 {
        }
        chain sgi_source6 {
        }
        chain sgi_source {
        meta mark set ip saddr map @device_policy goto sgi_device
        meta mark set 0x00000000
        ip saddr @nas fib daddr type local accept
        meta nfproto ipv6 counter name "ipv6" drop
        counter name "spoofed" drop
        }
        chain vpn_refused {
        iifname @vpn_refused
        counter name "vpn_denied" drop
        }
        chain vpn_spoofed {
        iifname @vpn_refused
        counter name "vpn_spoofed" drop
        }
        chain vpn_limited {
        iifname @vpn_refused
        counter name "vpn_limited" drop
        }
        chain vpn_access {
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force meta mark . iifname @vpn_marks meta mark set 0x80000006 accept
        ct state related goto vpn_refused
        meta mark set ip daddr map @device_policy
        meta mark . iifname vmap @access_chain
        ct mark != 0x00000000 meta mark set meta mark . ct mark map @in_force meta mark . iifname @vpn_marks meta mark set 0x80000006 accept
        goto vpn_refused
        }
        chain vpn_access6 {
        }
        chain vpn_known {
        fib saddr . mark . iif oif 0 goto vpn_spoofed
        ct state established,related ct direction reply meta mark set 0x80000002 accept
        ct state invalid,untracked counter name "invalid" drop
        meta mark set ip daddr map @device_policy goto vpn_access
        goto vpn_refused
        }
        chain vpn_device {
        meta mark set meta mark . iifname map @vpn_policies goto vpn_known
        goto vpn_refused
        }
        chain vpn_source {
        meta mark set ip daddr map @device_policy goto vpn_device
        ct state established ct direction reply fib daddr type local meta mark set 0x00000000 accept
        meta mark set 0x00000000
        meta nfproto ipv6 counter name "ipv6" drop
        goto vpn_refused
        }
        chain from_device {
        ct mark @rated goto rated_up
        goto usage_up
        }
        chain to_device {
        iif != "wan0" meta mark set meta mark . iifname map @vpn_policies
        ct mark @rated goto rated_down
        goto usage_down
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
        chain vpn_input {
        ct state established,related accept
        counter name "input_denied" drop
        }
        chain forward_vpn {
        ip daddr @pools counter name "device_to_device" drop
        ip6 daddr @pools6 counter name "device_to_device" drop
        ct status & snat == snat counter name "route_changed" drop
        ct state established,related,new meta mark . oifname @vpn_marks goto from_device
        counter name "forward_denied" drop
        }
        chain forward_group {
        meta mark 0xc0000000 counter name "route_down" drop
        oif "sgi0" ct direction original ip daddr . meta mark @group_devices goto usage_between
        oif "sgi0" ct direction reply ip saddr . meta mark @group_devices meta mark set ip daddr map @device_policy goto usage_between
        counter name "device_to_device" drop
        }
        chain raw_prerouting {
        type filter hook prerouting priority raw; policy accept;
        }
        chain raw_output {
        type filter hook output priority raw; policy accept;
        }
        chain mangle_prerouting {
        type filter hook prerouting priority mangle; policy accept;
        iif "sgi0" goto sgi_source
        iif "wan0" meta mark set 0x80000002 accept
        iif "lo" accept
        iifname @vpn_interfaces goto vpn_source
        }
        chain mangle_output {
        type route hook output priority mangle; policy accept;
        }
        chain filter_forward {
        type filter hook forward priority filter; policy drop;
        meta mark 0x80000001 oif "wan0" ct state established ct status & snat == snat goto from_device
        meta mark 0x80000002 oif "sgi0" ct state established,related ct direction reply meta mark set ip daddr map @device_policy goto to_device
        meta mark 0xa0000000/3 goto forward_vpn
        meta mark 0xc0000000/2 goto forward_group
        meta mark 0x80000001 ip daddr @pools counter name "device_to_device" drop
        meta mark 0x80000001 ip6 daddr @pools6 counter name "device_to_device" drop
        meta mark 0x80000001 meta nfproto ipv4 ct status confirmed / confirmed,snat counter name "route_changed" drop
        meta mark 0x80000001 oif "wan0" ct state established,related,new goto from_device
        meta mark 0x80000001 ct state invalid counter name "invalid" drop
        meta mark 0x80000006 oif "sgi0" ct state established,related,new ct direction original meta mark set ip daddr map @device_policy goto to_device
        iif "wan0" ct direction original counter name "unsolicited" drop
        iif "wan0" ct state invalid,untracked counter name "unsolicited" drop
        counter name "forward_denied" drop
        }
        chain filter_input {
        type filter hook input priority filter; policy accept;
        iif "sgi0" goto sgi_input
        iif "wan0" goto wan_input
        iif "lo" accept
        iifname @vpn_interfaces goto vpn_input
        }
        chain filter_output {
        type filter hook output priority filter; policy accept;
        oif "sgi0" meta l4proto != 17 meta mark set ip daddr map @device_policy goto usage_output
        }
        chain nat_prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        meta nfproto ipv4 meta mark 0x80000001 ct mark @to_time_server counter name "blocked" drop
        meta nfproto ipv6 meta mark 0x80000001 ct mark @to_time_server counter name "blocked" drop
        }
        chain nat_postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oif "wan0" meta mark 0x80000001 meta l4proto 17 snat ip to ip saddr map @device_nat
        oif "wan0" meta mark 0x80000001 meta l4proto 6 snat ip to ip saddr map @device_nat
        oif "wan0" meta mark 0x80000001 meta l4proto { 0-255 } snat ip to ip saddr map @device_nat
        meta mark 0x80000001 meta nfproto ipv4 counter name "nat_unmapped" drop
        }
        chain policy_1 {
        }
        chain policy_2 {
        }
        }
        """
}
