// What devices' packets are counted and limited by, once the table has let them pass (docs/decisions/0028). scripts/bpf
// makes Sources/LinuxNet/UsageInstructions.swift of it.
//
// Called by rules of the chains `usage_*` and `rated_*` (nftables' `match`, xt_bpf): `up` and `down` for packets between
// devices and everything else, `rated_up` and `rated_down` for those of rules that have rates or counters of their own,
// `between` for those from device to device, `gateway_up` and `gateway_down` for what the gateway itself takes and sends.
// They return whether the packet passes. A packet begins with its IP header. `change`, `set_quotas`, `get_quotas` and
// `add_limits` are called by the loader, with elements that change in one step (BPF_PROG_TEST_RUN). Only helpers that Linux
// 6.1 has.

#include <linux/bpf.h>

#define program(name) __attribute__((section("program/" #name), used)) int name(struct __sk_buff *skb)
#define inlined static inline __attribute__((always_inline))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const map_update)(void *map, const void *key, const void *value, __u64 flags) =
    (void *)BPF_FUNC_map_update_elem;
static long (*const map_push)(void *map, const void *value, __u64 flags) = (void *)BPF_FUNC_map_push_elem;
static long (*const load_bytes)(const void *skb, __u32 offset, void *to, __u32 length) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const store_bytes)(void *skb, __u32 offset, const void *from, __u32 length, __u64 flags) =
    (void *)BPF_FUNC_skb_store_bytes;
static __u64 (*const now)(void) = (void *)BPF_FUNC_ktime_get_ns;

// The maps, which the loader makes; UsagePrograms.swift has the same keys and values.
struct map;
extern struct map devices; // a device's key: struct device
extern struct map ways;    // struct way_key: struct way
extern struct map limits;  // a limit's number: struct limit
extern struct map quotas;  // a quota's number: struct quota
extern struct map rates;   // the number of a flow's way: struct rate
extern struct map dues;    // struct due_key: struct due
extern struct map rules;   // the number of a rule: struct rule
extern struct map notices; // a queue of struct notice
extern struct map totals;  // zero: struct total

struct counts {
    __u64 octets_up, packets_up, octets_down, packets_down;
};

// By an IPv4 address behind four zero octets, or the first eight octets of an IPv6 prefix.
struct device {
    __u64 born;  // a number that no other has had
    __u64 owner; // the session
    __u32 limit; // zero: none
    __u32 reserved;
    struct counts internet;
};

// What a device has had by another way than the internet; and what an earlier session of its address has had.
struct way_key {
    __u64 born;
    __u32 way; // the mark of a route
    __u32 reserved;
};

struct way {
    struct counts counts; // first: its address is looked at before it is known to be one
    __u64 device;
    __u64 owner;
};

// When what has passed would have passed at the rate, ns: everything, and small packets that came when nothing else could.
struct owed {
    __u64 due;
    __u64 small;
};

struct pace {
    __u64 cost;  // ns for 1024 octets; zero: no limit
    __u64 burst; // how far `due` may be ahead, ns
};

struct bucket {
    struct owed owed;
    struct pace pace;
};

struct limit {
    __u32 quotas[3]; // zero: none
    __u32 slowing;   // by the place of a quota, lowest bit first: when it is reached, it slows and does not end
    struct bucket up, down;
    struct bucket slow_up, slow_down; // while one that slows is reached
};

struct quota {
    __u64 period;
    __u64 limit;  // octets
    __u64 notice; // octets
    __u64 used;   // octets, never more than `limit` because of a packet that it does not slow
    __u32 is_reached;
    __u32 reserved;
};

// Of a rule, in one version of its policy.
struct rate {
    struct pace up, down;
    __u64 rule; // whose octets are counted, whatever the version; zero: they are not
};

// What the devices of a policy have had by one of its rules.
struct rule {
    __u64 born; // as a device's
    struct counts counts;
};

struct due_key {
    __u64 born; // a device's
    __u32 number;
    __u32 reserved;
};

struct due {
    struct owed up, down;
};

struct notice {
    __u32 quota;
    __u32 is_reached; // else `quota.notice` is
    __u64 period;
};

struct total {
    __u64 born; // the next number
    __u64 uncounted_octets, uncounted_packets;
};

// As RouteMark.swift has them.
#define INTERNET 0x80000001
#define GATEWAY 0x80000004
#define GROUP 0xc0000000
#define POLICIES 0x80000000 // marks below are policies'

// Octets of a packet that others do not keep out: DNS, keep-alives, acknowledgements. Such have a part of the rate to
// themselves when they need it.
#define SMALL 256
#define SMALL_PART 4

#define add(where, what) __sync_fetch_and_add(&(where), what)

struct packet {
    __u64 octets; // as it is on the wire: of each segment (GSO)
    __u64 packets;
};

inlined int is_ipv4(const struct __sk_buff *skb) { return skb->protocol == __builtin_bswap16(0x0800); }

// Where a device is named, and how it is written.
inlined int key_at(struct __sk_buff *skb, int is_destination, __u64 *key) {
    if (!is_ipv4(skb)) return load_bytes(skb, is_destination ? 24 : 8, key, 8);
    __u32 address;
    if (load_bytes(skb, is_destination ? 16 : 12, &address, 4)) return -1;
    *key = (__u64)address << 32;
    return 0;
}

inlined struct packet measured(struct __sk_buff *skb) {
    struct packet packet = {.octets = skb->len, .packets = 1};
    __u32 segments = skb->gso_segs;
    if (segments < 2) return packet;
    __u8 first = 0, protocol = 0, offset = 0;
    if (load_bytes(skb, 0, &first, 1)) return packet;
    __u32 header = is_ipv4(skb) ? (first & 15) * 4 : 40;
    if (load_bytes(skb, is_ipv4(skb) ? 9 : 6, &protocol, 1)) return packet;
    if (protocol == 6) {
        if (load_bytes(skb, header + 12, &offset, 1)) return packet;
        header += (offset >> 4) * 4;
    } else {
        header += 8;
    }
    packet.packets = segments;
    packet.octets += (__u64)(segments - 1) * header;
    return packet;
}

inlined __u64 number(void) {
    __u32 zero = 0;
    struct total *total = map_lookup(&totals, &zero);
    return total ? add(total->born, 1) : 0;
}

inlined void uncounted(struct packet packet) {
    __u32 zero = 0;
    struct total *total = map_lookup(&totals, &zero);
    if (!total) return;
    add(total->uncounted_octets, packet.octets);
    add(total->uncounted_packets, packet.packets);
}

inlined struct device *found(const __u64 *key) {
    struct device *device = map_lookup(&devices, key);
    if (device) return device;
    struct device new = {.born = number()};
    map_update(&devices, key, &new, BPF_NOEXIST);
    return map_lookup(&devices, key);
}

inlined struct counts *counts_of(struct device *device, __u64 key, __u32 way) {
    struct way_key at = {.born = device->born, .way = way};
    struct way *known = map_lookup(&ways, &at);
    if (!known) {
        struct way new = {.device = key, .owner = device->owner};
        map_update(&ways, &at, &new, BPF_NOEXIST);
        known = map_lookup(&ways, &at);
    }
    return known ? &known->counts : 0;
}

inlined void add_packet(struct counts *counts, int is_down, struct packet packet) {
    if (!counts) {
        uncounted(packet);
    } else if (is_down) {
        add(counts->octets_down, packet.octets);
        add(counts->packets_down, packet.packets);
    } else {
        add(counts->octets_up, packet.octets);
        add(counts->packets_up, packet.packets);
    }
}

inlined void count(struct device *device, __u64 key, __u32 way, int is_down, struct packet packet) {
    add_packet(way == INTERNET ? &device->internet : counts_of(device, key, way), is_down, packet);
}

inlined void count_rule(const struct rate *rate, int is_down, struct packet packet) {
    __u64 which = rate->rule;
    if (!which) return;
    struct rule *rule = map_lookup(&rules, &which);
    if (!rule) {
        struct rule new = {.born = number()};
        map_update(&rules, &which, &new, BPF_NOEXIST);
        rule = map_lookup(&rules, &which);
    }
    add_packet(rule ? &rule->counts : 0, is_down, packet);
}

// Adds to what is owed when it is not more than the burst ahead. A packet passes whole when what passed before is.
inlined int is_within(__u64 *owed, __u64 time, __u64 cost, __u64 burst) {
#pragma unroll
    for (int try = 0; try < 4; try++) {
        __u64 due = *(volatile __u64 *)owed;
        __u64 start = due > time ? due : time;
        if (start - time > burst) return 0;
        if (__sync_val_compare_and_swap(owed, due, start + cost) == due) return 1;
    }
    add(*owed, cost);
    return 1;
}

// Whether a packet is within the rate. What small packets take beyond it is owed too, so that others make up for it.
inlined int is_conforming(const struct pace *pace, struct owed *owed, __u64 octets) {
    if (!pace->cost) return 1;
    __u64 time = now();
    __u64 cost = octets * pace->cost >> 10;
    if (is_within(&owed->due, time, cost, pace->burst)) return 1;
    if (octets > SMALL || !is_within(&owed->small, time, SMALL_PART * cost, pace->burst)) return 0;
    add(owed->due, cost);
    return 1;
}

// The rule's rate for this device. Nothing is known of one that has not sent for long: it owes nothing.
inlined int is_within_rule(
    struct device *device, const struct rate *rate, __u32 number, int is_down, __u64 octets) {
    if (!(is_down ? rate->down.cost : rate->up.cost)) return 1;
    struct due_key key = {.born = device->born, .number = number};
    struct due *due = map_lookup(&dues, &key);
    if (!due) {
        struct due new = {};
        map_update(&dues, &key, &new, BPF_NOEXIST);
        due = map_lookup(&dues, &key);
        if (!due) return 1;
    }
    if (is_down) return is_conforming(&rate->down, &due->down, octets);
    return is_conforming(&rate->up, &due->up, octets);
}

inlined void tell(__u32 number, struct quota *quota, __u32 is_reached) {
    struct notice notice = {.quota = number, .is_reached = is_reached, .period = quota->period};
    map_push(&notices, &notice, 0);
}

#define REFUSED 0
#define PASSED 1
#define SLOWED 2

// Takes the octets from a quota: all or none, so that it is never exceeded, and once refused none until it is raised. One
// that slows takes them all, and says from then on that packets are to be slowed.
inlined int taken(__u32 number, __u64 octets, int is_slowing) {
    if (!number) return PASSED;
    struct quota *quota = map_lookup(&quotas, &number);
    if (!quota) return PASSED;
    if (quota->is_reached && !is_slowing) return REFUSED;
    __u64 before = add(quota->used, octets);
    __u64 notice = quota->notice;
    if (before < notice && before + octets >= notice) tell(number, quota, 0);
    if (before + octets <= quota->limit) return PASSED;
    if (!is_slowing) add(quota->used, -octets);
    if (__sync_lock_test_and_set(&quota->is_reached, 1) == 0) tell(number, quota, 1);
    return is_slowing ? SLOWED : REFUSED;
}

inlined void give_back(__u32 number, __u64 octets) {
    if (!number) return;
    struct quota *quota = map_lookup(&quotas, &number);
    if (quota) add(quota->used, -octets);
}

inlined int is_admitted(struct device *device, int is_down, __u64 octets) {
    __u32 number = device->limit;
    if (!number) return 1;
    struct limit *limit = map_lookup(&limits, &number);
    if (!limit) return 1;
    struct bucket *bucket = is_down ? &limit->down : &limit->up;
    if (!is_conforming(&bucket->pace, &bucket->owed, octets)) return 0;
    int first = taken(limit->quotas[0], octets, limit->slowing & 1);
    if (first == REFUSED) return 0;
    int second = taken(limit->quotas[1], octets, limit->slowing & 2);
    if (second == REFUSED) {
        give_back(limit->quotas[0], octets);
        return 0;
    }
    int third = taken(limit->quotas[2], octets, limit->slowing & 4);
    if (third == REFUSED) {
        give_back(limit->quotas[0], octets);
        give_back(limit->quotas[1], octets);
        return 0;
    }
    if (first != SLOWED && second != SLOWED && third != SLOWED) return 1;
    bucket = is_down ? &limit->slow_down : &limit->slow_up;
    if (is_conforming(&bucket->pace, &bucket->owed, octets)) return 1;
    give_back(limit->quotas[0], octets);
    give_back(limit->quotas[1], octets);
    give_back(limit->quotas[2], octets);
    return 0;
}

inlined void refund(struct device *device, __u64 octets) {
    __u32 number = device->limit;
    if (!number) return;
    struct limit *limit = map_lookup(&limits, &number);
    if (!limit) return;
    give_back(limit->quotas[0], octets);
    give_back(limit->quotas[1], octets);
    give_back(limit->quotas[2], octets);
}

inlined int one_device(struct __sk_buff *skb, int is_down, __u32 way, __u32 rated) {
    __u64 key = 0;
    if (key_at(skb, is_down, &key)) return 0;
    struct packet packet = measured(skb);
    struct device *device = found(&key);
    // None where the rule has lost what it had since the flow got the number.
    struct rate *rate = rated ? map_lookup(&rates, &rated) : 0;
    if (device) {
        if (rate && !is_within_rule(device, rate, rated, is_down, packet.octets)) return 0;
        if (!is_admitted(device, is_down, packet.octets)) return 0;
        count(device, key, way, is_down, packet);
    } else {
        uncounted(packet);
    }
    if (rate) count_rule(rate, is_down, packet);
    return 1;
}

// From a VPN, as the packet's mark says; from the internet when that is a policy's.
inlined __u32 way_down(const struct __sk_buff *skb) {
    __u32 mark = skb->mark;
    return mark < POLICIES ? INTERNET : mark;
}

// To the internet or a VPN, as the packet's mark says.
program(up) { return one_device(skb, 0, skb->mark, 0); }
program(down) { return one_device(skb, 1, way_down(skb), 0); }

// Flows of rules that have rates or counters: the number is where their priority in queues would be.
program(rated_up) { return one_device(skb, 0, skb->mark, skb->priority); }
program(rated_down) { return one_device(skb, 1, way_down(skb), skb->priority); }

program(gateway_up) { return one_device(skb, 0, GATEWAY, 0); }
program(gateway_down) { return one_device(skb, 1, GATEWAY, 0); }

program(between) {
    __u64 from = 0, to = 0;
    if (key_at(skb, 0, &from) || key_at(skb, 1, &to)) return 0;
    struct packet packet = measured(skb);
    struct device *sender = found(&from);
    struct device *receiver = found(&to);
    if (!sender || !receiver) {
        uncounted(packet);
        return 1;
    }
    if (!is_admitted(sender, 0, packet.octets)) return 0;
    if (!is_admitted(receiver, 1, packet.octets)) {
        refund(sender, packet.octets);
        return 0;
    }
    count(sender, from, GROUP, 0, packet);
    count(receiver, to, GROUP, 1, packet);
    return 1;
}

// MARK: Changes

// A device's session and limit. What an earlier session has had moves to `ways` and stays there.
struct device_change {
    __u64 key;
    __u64 owner;
    __u32 limit;
    __u32 reserved;
};

#define CHANGES 64 // at most in one call

inlined void move(__u64 *from, __u64 *to) {
    __u64 value = __sync_lock_test_and_set(from, 0);
    if (value) add(*to, value);
}

// Each octet is counted for one of the two, whatever passes meanwhile.
inlined int begin_session(struct device *device, const struct device_change *change) {
    struct way_key at = {.born = device->born, .way = INTERNET};
    struct way new = {.device = change->key, .owner = device->owner};
    map_update(&ways, &at, &new, BPF_NOEXIST);
    struct way *earlier = map_lookup(&ways, &at);
    if (!earlier) return -1;
    move(&device->internet.octets_up, &earlier->counts.octets_up);
    move(&device->internet.packets_up, &earlier->counts.packets_up);
    move(&device->internet.octets_down, &earlier->counts.octets_down);
    move(&device->internet.packets_down, &earlier->counts.packets_down);
    device->born = number();
    device->owner = change->owner;
    return 0;
}

// Returns how many of the changes have been made, the first of them.
program(change) {
    int made = 0;
    for (int index = 0; index < CHANGES; index++) {
        struct device_change change;
        if (load_bytes(skb, index * sizeof change, &change, sizeof change) || change.key == 0) break;
        struct device *device = found(&change.key);
        if (!device) break;
        // One that nobody has counted for yet needs no place for what it has had.
        if (device->owner != change.owner) {
            struct counts *counts = &device->internet;
            if (device->owner == 0 && counts->packets_up == 0 && counts->packets_down == 0) {
                device->owner = change.owner;
            } else if (begin_session(device, &change)) {
                break;
            }
        }
        device->limit = change.limit;
        made++;
    }
    return made;
}

struct quota_change {
    __u32 number;
    __u32 reserved;
    __u64 period;
    __u64 limit;
    __u64 notice;
    __u64 used; // where a period begins that is new here
};

// Returns how many have been set, the first of them. Limits change, and what is used stays as it is as long as the period
// does.
program(set_quotas) {
    int made = 0;
    for (int index = 0; index < CHANGES; index++) {
        struct quota_change change;
        if (load_bytes(skb, index * sizeof change, &change, sizeof change)) break;
        struct quota *quota = map_lookup(&quotas, &change.number);
        if (!quota) {
            struct quota new = {
                .period = change.period, .limit = change.limit, .notice = change.notice, .used = change.used};
            if (map_update(&quotas, &change.number, &new, BPF_NOEXIST)) break;
        } else {
            if (quota->period != change.period) {
                quota->period = change.period;
                __sync_lock_test_and_set(&quota->used, change.used);
            }
            quota->notice = change.notice;
            quota->limit = change.limit;
            if (quota->used < change.limit) quota->is_reached = 0;
        }
        made++;
    }
    return made;
}

struct quota_reading {
    __u32 number;
    __u32 is_present;
    struct quota quota;
};

// Writes into the packet what is known of the numbers in it.
program(get_quotas) {
    for (int index = 0; index < CHANGES; index++) {
        struct quota_reading reading;
        __u32 place = index * sizeof reading;
        if (load_bytes(skb, place, &reading, sizeof reading)) break;
        struct quota *quota = map_lookup(&quotas, &reading.number);
        if (!quota) continue;
        reading.quota = *quota;
        reading.is_present = 1;
        if (store_bytes(skb, place, &reading, sizeof reading, 0)) break;
    }
    return 0;
}

struct limit_change {
    __u32 number;
    __u32 reserved;
    struct limit limit;
};

#define LIMITS 16 // at most in one call

// Returns how many have been added, the first of them. Of one that is there its owner has to see what it owes.
program(add_limits) {
    int made = 0;
    for (int index = 0; index < LIMITS; index++) {
        struct limit_change change;
        if (load_bytes(skb, index * sizeof change, &change, sizeof change)) break;
        if (map_update(&limits, &change.number, &change.limit, BPF_NOEXIST)) break;
        made++;
    }
    return made;
}
