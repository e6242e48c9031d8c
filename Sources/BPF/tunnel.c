// What happens to packets of tunnels before and behind the table (docs/decisions/0021). scripts/bpf makes
// Sources/LinuxNet/TunnelInstructions.swift of it.
//
// Attached by tc as direct actions: `to_peer` where packets leave an interface `vpnN`; `from_peer` where they come in
// (the kernel's ESP); `from_daemon` where they come in by the IKE daemon's TUN, which is one for all VPNs. Only helpers
// that Linux 6.1 has, and no access to packets but by helpers, which check every offset.

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define program(name) __attribute__((section("program/" #name), used)) int name(struct __sk_buff *skb)
#define inlined static inline __attribute__((always_inline))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const load_bytes)(const void *skb, __u32 offset, void *to, __u32 length) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const load_relative)(const void *skb, __u32 offset, void *to, __u32 length, __u32 start) =
    (void *)BPF_FUNC_skb_load_bytes_relative;
static long (*const store_bytes)(void *skb, __u32 offset, const void *from, __u32 length, __u64 flags) =
    (void *)BPF_FUNC_skb_store_bytes;
static long (*const l3_csum_replace)(void *skb, __u32 offset, __u64 from, __u64 to, __u64 size) =
    (void *)BPF_FUNC_l3_csum_replace;
static long (*const l4_csum_replace)(void *skb, __u32 offset, __u64 from, __u64 to, __u64 flags) =
    (void *)BPF_FUNC_l4_csum_replace;
static long (*const redirect)(__u32 interface, __u64 flags) = (void *)BPF_FUNC_redirect;

// The maps, which the loader makes; TunnelMaps.swift has the same keys and values.
struct map;
extern struct map links;    // an interface's number: struct link
extern struct map outward;  // struct network_key of what devices see: struct translation
extern struct map inward;   // struct network_key of what the peer has: struct translation
extern struct map blocks;   // struct address_key of a tenant's block: __u32, the tenant's set of VPNs
extern struct map sources;  // struct network_key with a set of VPNs: struct source
extern struct map settings; // zero: struct setting
extern struct map counts;   // a VPN's number: struct count

struct link {
    __u32 number;
    __u32 is_translated;
};

// Addresses are in network order throughout.
struct address_key {
    __u32 length;
    __u32 address;
};

struct network_key {
    __u32 length;
    __u32 owner; // a VPN's number, or a set's, in whatever order: it is compared whole
    __u32 address;
};

struct translation {
    __u32 network;
    __u32 mask;
};

struct source {
    __u32 number;
    __u32 interface;
    __u32 is_translated;
};

struct setting {
    __u32 target; // the daemon's TUN; ALONE where the kernel encrypts; zero as long as there is none
};

#define ALONE 0xffffffff

struct count {
    __u64 packets_to_peer;
    __u64 octets_to_peer;
    __u64 packets_from_peer;
    __u64 octets_from_peer;
};

#define UNASSIGNED 4096 // in `counts`: what came from the daemon and is of no VPN

#define IPV4 0x0800
#define ICMP 1
#define TCP 6
#define UDP 17
#define CHECKSUM_AT 10
#define SOURCE_AT 12
#define DESTINATION_AT 16

struct ipv4 {
    __u8 version_and_length;
    __u8 tos;
    __u16 total_length;
    __u16 identification;
    __u16 fragment;
    __u8 time_to_live;
    __u8 protocol;
    __u16 checksum;
    __u32 source;
    __u32 destination;
};

inlined __u32 header_length(const struct ipv4 *ip) { return (ip->version_and_length & 15) * 4; }

inlined int is_ipv4(const struct ipv4 *ip) { return ip->version_and_length >> 4 == 4 && header_length(ip) >= 20; }

inlined int is_first(const struct ipv4 *ip) { return (ip->fragment & __builtin_bswap16(0x1fff)) == 0; }

// What stands for an address in a VPN; the address itself where there is nothing.
inlined __u32 translated(struct map *map, __u32 vpn, __u32 address) {
    struct network_key key = {.length = 64, .owner = vpn, .address = address};
    struct translation *found = map_lookup(map, &key);
    return found ? found->network | (address & ~found->mask) : address;
}

// The packet that an ICMP error is about, as far as it is there. Its checksums change, and the error's with them: what
// the address and its own header's checksum add to that is nothing.
inlined int replace_inside(struct __sk_buff *skb, __u32 icmp, struct map *map, __u32 vpn, __u32 at) {
    __u8 type;
    if (load_bytes(skb, icmp, &type, 1)) return -1;
    // Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792).
    if (type != 3 && type != 4 && type != 5 && type != 11 && type != 12) return 0;
    __u32 start = icmp + 8;
    struct ipv4 ip;
    if (load_bytes(skb, start, &ip, sizeof ip) || !is_ipv4(&ip)) return 0;
    __u32 from = at == SOURCE_AT ? ip.source : ip.destination;
    __u32 to = translated(map, vpn, from);
    if (from == to) return 0;
    if (l3_csum_replace(skb, start + CHECKSUM_AT, from, to, 4) || store_bytes(skb, start + at, &to, 4, 0)) return -1;
    if (!is_first(&ip) || (ip.protocol != UDP && ip.protocol != TCP)) return 0;
    __u32 checksum = start + header_length(&ip) + (ip.protocol == UDP ? 6 : 16);
    __u16 before, after;
    // Eight octets of what was sent are enough for an error, and those of TCP end before its checksum.
    if (load_bytes(skb, checksum, &before, 2) || (ip.protocol == UDP && before == 0)) return 0;
    if (l4_csum_replace(skb, checksum, from, to, 4 | (ip.protocol == UDP ? BPF_F_MARK_MANGLED_0 : 0))) return -1;
    if (load_bytes(skb, checksum, &after, 2)) return -1;
    return l4_csum_replace(skb, icmp + 2, before, after, 2) ? -1 : 0;
}

// One end of a packet, and the other end of the one inside an ICMP error. The packet begins at `start`.
inlined int replace(
    struct __sk_buff *skb, __u32 start, const struct ipv4 *ip, struct map *map, __u32 vpn, __u32 at) {
    __u32 from = at == SOURCE_AT ? ip->source : ip->destination;
    __u32 to = translated(map, vpn, from);
    __u32 payload = start + header_length(ip);
    if (is_first(ip)) {
        if (ip->protocol == ICMP) {
            __u32 other = at == SOURCE_AT ? DESTINATION_AT : SOURCE_AT;
            if (replace_inside(skb, payload, map, vpn, other)) return -1;
        } else if (from != to && ip->protocol == TCP) {
            if (l4_csum_replace(skb, payload + 16, from, to, BPF_F_PSEUDO_HDR | 4)) return -1;
        } else if (from != to && ip->protocol == UDP) {
            // None stays none.
            __u64 flags = BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | 4;
            if (l4_csum_replace(skb, payload + 6, from, to, flags)) return -1;
        }
    }
    if (from == to) return 0;
    int failed = l3_csum_replace(skb, start + CHECKSUM_AT, from, to, 4) || store_bytes(skb, start + at, &to, 4, 0);
    return failed ? -1 : 0;
}

inlined struct count *count_of(__u32 number) { return map_lookup(&counts, &number); }

// Segments that travel as one are counted as what they will be.
inlined __u64 packets(struct __sk_buff *skb) { return skb->gso_segs ? skb->gso_segs : 1; }

inlined void count_from_peer(struct __sk_buff *skb, __u32 number, __u32 start) {
    struct count *count = count_of(number);
    if (!count) return;
    __sync_fetch_and_add(&count->packets_from_peer, packets(skb));
    __sync_fetch_and_add(&count->octets_from_peer, skb->len - start);
}

inlined int load_header(struct __sk_buff *skb, struct ipv4 *ip) {
    return skb->protocol != __builtin_bswap16(IPV4) || load_bytes(skb, 0, ip, sizeof *ip) || !is_ipv4(ip) ? -1 : 0;
}

// Whether the packet begins there. Its header was told by the kernel, wherever it is.
inlined int is_at(struct __sk_buff *skb, __u32 start, const struct ipv4 *ip) {
    __u32 there[sizeof *ip / 4];
    const __u32 *header = (const __u32 *)ip;
    if (load_bytes(skb, start, there, sizeof there)) return 0;
    return !((there[0] ^ header[0]) | (there[1] ^ header[1]) | (there[2] ^ header[2]) | (there[3] ^ header[3]) |
             (there[4] ^ header[4]));
}

program(to_peer) {
    __u32 interface = skb->ifindex, zero = 0;
    struct link *link = map_lookup(&links, &interface);
    struct setting *setting = map_lookup(&settings, &zero);
    struct ipv4 ip;
    if (!link || !setting || !setting->target || load_header(skb, &ip)) return TC_ACT_SHOT;
    __u32 number = link->number, target = setting->target;
    if (link->is_translated && replace(skb, 0, &ip, &outward, number, DESTINATION_AT)) return TC_ACT_SHOT;
    struct count *count = count_of(number);
    if (count) {
        __sync_fetch_and_add(&count->packets_to_peer, packets(skb));
        __sync_fetch_and_add(&count->octets_to_peer, skb->len);
    }
    return target == ALONE ? TC_ACT_OK : redirect(target, 0);
}

// What the kernel has decrypted still has the link-layer header in front of it that it came in with, encrypted: none,
// Ethernet's, or that with a VLAN.
program(from_peer) {
    __u32 interface = skb->ifindex;
    struct link *link = map_lookup(&links, &interface);
    struct ipv4 ip;
    if (!link || skb->protocol != __builtin_bswap16(IPV4)) return TC_ACT_SHOT;
    if (load_relative(skb, 0, &ip, sizeof ip, BPF_HDR_START_NET) || !is_ipv4(&ip)) return TC_ACT_SHOT;
    __u32 start = is_at(skb, 0, &ip) ? 0 : is_at(skb, 14, &ip) ? 14 : 18;
    if (start == 18 && !is_at(skb, 18, &ip)) return TC_ACT_SHOT;
    __u32 number = link->number;
    if (link->is_translated && replace(skb, start, &ip, &inward, number, SOURCE_AT)) return TC_ACT_SHOT;
    count_from_peer(skb, number, start);
    return TC_ACT_OK;
}

program(from_daemon) {
    struct ipv4 ip;
    if (load_header(skb, &ip)) return TC_ACT_SHOT;
    struct address_key device = {.length = 32, .address = ip.destination};
    __u32 *set = map_lookup(&blocks, &device);
    struct source *source = 0;
    if (set) {
        struct network_key key = {.length = 64, .owner = *set, .address = ip.source};
        source = map_lookup(&sources, &key);
    }
    if (!source) {
        count_from_peer(skb, UNASSIGNED, 0);
        return TC_ACT_SHOT;
    }
    __u32 number = source->number, interface = source->interface;
    if (source->is_translated && replace(skb, 0, &ip, &inward, number, SOURCE_AT)) return TC_ACT_SHOT;
    count_from_peer(skb, number, 0);
    return redirect(interface, BPF_F_INGRESS);
}
