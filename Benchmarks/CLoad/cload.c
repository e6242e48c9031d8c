#define _GNU_SOURCE
#include "cload.h"
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
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

int cload_send_from(int descriptor, const uint32_t *sources, const uint32_t *destinations, uint16_t port,
                    const uint8_t *payload, int length, int count) {
    struct mmsghdr headers[BATCH];
    struct sockaddr_in addresses[BATCH];
    struct iovec vector = {.iov_base = (void *)payload, .iov_len = (size_t)length};
    union {
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr align;
    } controls[BATCH];
    if (count > BATCH) count = BATCH;
    memset(headers, 0, sizeof headers[0] * (size_t)count);
    memset(controls, 0, sizeof controls[0] * (size_t)count);
    for (int i = 0; i < count; i++) {
        addresses[i] = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(destinations[i])};
        struct msghdr *header = &headers[i].msg_hdr;
        header->msg_name = &addresses[i];
        header->msg_namelen = sizeof addresses[i];
        header->msg_iov = &vector;
        header->msg_iovlen = 1;
        header->msg_control = controls[i].space;
        header->msg_controllen = sizeof controls[i].space;
        struct cmsghdr *control = CMSG_FIRSTHDR(header);
        control->cmsg_level = IPPROTO_IP;
        control->cmsg_type = IP_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        ((struct in_pktinfo *)CMSG_DATA(control))->ipi_spec_dst.s_addr = htonl(sources[i]);
    }
    return sendmmsg(descriptor, headers, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}
