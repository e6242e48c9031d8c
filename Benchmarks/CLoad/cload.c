#define _GNU_SOURCE
#include "cload.h"
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };

int cload_send(int descriptor, const uint8_t *bytes, const uint32_t *offsets, const uint16_t *lengths, int count) {
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    if (count > BATCH) count = BATCH;
    memset(headers, 0, sizeof headers[0] * (size_t)count);
    for (int i = 0; i < count; i++) {
        vectors[i].iov_base = (void *)(bytes + offsets[i]);
        vectors[i].iov_len = lengths[i];
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(descriptor, headers, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int cload_receive(int descriptor, uint8_t *buffer, int stride, uint16_t *lengths) {
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    memset(headers, 0, sizeof headers);
    for (int i = 0; i < BATCH; i++) {
        vectors[i].iov_base = buffer + (size_t)i * (size_t)stride;
        vectors[i].iov_len = (size_t)stride;
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(descriptor, headers, BATCH, MSG_DONTWAIT, 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? 0 : -1;
    for (int i = 0; i < count; i++) lengths[i] = (uint16_t)headers[i].msg_len;
    return count;
}

uint64_t cload_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int cload_open_link(const char *interface) {
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    int yes = 1;
    if (address.sll_ifindex == 0 || bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0
        || setsockopt(descriptor, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) != 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}
