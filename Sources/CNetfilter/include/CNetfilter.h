#ifndef CNETFILTER_H
#define CNETFILTER_H

// First, so that the kernel's headers leave out what the C library defines too: Swift would see two of each.
#include <netinet/in.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <nftables/libnftables.h>
#include <stddef.h>

/// Calls `body(context)` on a new thread that has entered the network namespace of `descriptor`, and waits for it.
/// Returns 0, or an errno value when the thread could not be made or could not enter; `body` has not run then.
int cnf_run_in_namespace(int descriptor, void (*body)(void *), void *context);

#endif
