#ifndef CNETFILTER_H
#define CNETFILTER_H

// First, so that the kernel's headers leave out what the C library defines too: Swift would see two of each.
#include <netinet/in.h>

#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <nftables/libnftables.h>
#include <stddef.h>

/// Calls `body(context)` on a new thread that has entered the network namespace of `descriptor`, and waits for it.
/// Returns 0, or an errno value when the thread could not be made or could not enter; `body` has not run then.
int cnf_run_in_namespace(int descriptor, void (*body)(void *), void *context);

// eBPF (bpf(2)). What is returned is a descriptor or zero, or the negative of an errno value.

struct cnf_bpf_shape {
    unsigned type, key, value, entries, flags;
};

int cnf_bpf_map(const char *name, struct cnf_bpf_shape shape);
int cnf_bpf_set(int map, const void *key, const void *value);
int cnf_bpf_delete(int map, const void *key);
int cnf_bpf_get(int map, const void *key, void *value);

/// Takes the first of a queue; -ENOENT when it is empty.
int cnf_bpf_pop(int map, void *value);

/// Reads up to `count` elements of a hash table, from its beginning or from `place` on, which then says where to go on;
/// `count` says how many there were. -ENOENT at the end of the table, -ENOSPC when `count` was too few to go on.
int cnf_bpf_read(int map, unsigned *place, int is_first, void *keys, void *values, unsigned *count);

/// Loads a program of the type. `log` gets what the verifier says of it, as much as there is room for.
int cnf_bpf_program(const char *name, int type, const void *code, int count, char *log, int size);

/// Calls a program with a packet, and returns what it returns. `after`, when it is not null, gets the packet as the program
/// leaves it; it may be where the packet is.
int cnf_bpf_run(int program, const void *data, void *after, unsigned size);
int cnf_bpf_program_id(int program);

/// Opens the map of a loaded program that has the name and the shape.
int cnf_bpf_map_of_program(unsigned program_id, const char *name, struct cnf_bpf_shape shape);

/// Makes a TUN that stays when nobody has it open, in the thread's network namespace; none when it is there already.
int cnf_make_tun(const char *name);

#endif
