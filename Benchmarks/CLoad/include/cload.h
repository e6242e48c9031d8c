#pragma once
#include <stdint.h>

/// Sends the datagrams over a connected socket in one system call each 64.
/// @param offsets where each begins in bytes
/// @return how many were taken, -1 with errno when none was
int cload_send(int descriptor, const uint8_t *bytes, const uint32_t *offsets, const uint16_t *lengths, int count);

/// Receives what waits, at most 64 datagrams, each into its own stretch of `stride` octets.
/// @return how many, 0 when none waits, -1 with errno
int cload_receive(int descriptor, uint8_t *buffer, int stride, uint16_t *lengths);

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t cload_now(void);

/// A packet socket that sends whole Ethernet frames over the interface, past its queueing discipline.
/// @return its descriptor, -1 with errno
int cload_open_link(const char *interface);

/// Sends the same datagram from and to these IPv4 addresses in host order, in one system call each 64. The socket is
/// bound to a port, and may use addresses that are not the host's (IP_TRANSPARENT).
/// @return how many were taken, -1 with errno when none was
int cload_send_from(int descriptor, const uint32_t *sources, const uint32_t *destinations, uint16_t port,
                    const uint8_t *payload, int length, int count);

/// Answers DNS queries that come to a bound UDP socket, until that fails: every name exists and has one IPv4 address, in
/// 11.0.0.0/8, always the same; a name that begins with n has another at each answer.
/// @param seconds how long answers may be kept
/// @return -1 with errno
int cload_answer_names(int descriptor, uint32_t seconds);
