#define _GNU_SOURCE
#include "CNetfilter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attributes) {
    long result = syscall(SYS_bpf, command, attributes, sizeof *attributes);
    return result < 0 ? -errno : (int)result;
}

static void set_name(char *to, const char *name) { strncpy(to, name, BPF_OBJ_NAME_LEN - 1); }

int cnf_bpf_map(const char *name, struct cnf_bpf_shape shape) {
    union bpf_attr attributes = {.map_type = shape.type, .key_size = shape.key, .value_size = shape.value,
                                 .max_entries = shape.entries, .map_flags = shape.flags};
    set_name(attributes.map_name, name);
    return bpf(BPF_MAP_CREATE, &attributes);
}

static union bpf_attr element(int map, const void *key, void *value) {
    return (union bpf_attr){.map_fd = map, .key = (uintptr_t)key, .value = (uintptr_t)value};
}

int cnf_bpf_set(int map, const void *key, const void *value) {
    union bpf_attr attributes = element(map, key, (void *)value);
    return bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}

int cnf_bpf_delete(int map, const void *key) {
    union bpf_attr attributes = element(map, key, NULL);
    return bpf(BPF_MAP_DELETE_ELEM, &attributes);
}

int cnf_bpf_get(int map, const void *key, void *value) {
    union bpf_attr attributes = element(map, key, value);
    return bpf(BPF_MAP_LOOKUP_ELEM, &attributes);
}

int cnf_bpf_pop(int map, void *value) {
    union bpf_attr attributes = element(map, NULL, value);
    return bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &attributes);
}

int cnf_bpf_read(int map, unsigned *place, int is_first, void *keys, void *values, unsigned *count) {
    unsigned next = 0;
    union bpf_attr attributes = {.batch = {.in_batch = is_first ? 0 : (uintptr_t)place, .out_batch = (uintptr_t)&next,
                                           .keys = (uintptr_t)keys, .values = (uintptr_t)values, .count = *count,
                                           .map_fd = map}};
    int result = bpf(BPF_MAP_LOOKUP_BATCH, &attributes);
    *count = result < 0 && result != -ENOENT ? 0 : attributes.batch.count;
    *place = next;
    return result;
}

int cnf_bpf_run(int program, const void *data, void *after, unsigned size) {
    union bpf_attr attributes = {.test = {.prog_fd = program, .data_in = (uintptr_t)data, .data_size_in = size,
                                          .data_out = (uintptr_t)after, .data_size_out = after ? size : 0}};
    int result = bpf(BPF_PROG_TEST_RUN, &attributes);
    return result < 0 ? result : (int)attributes.test.retval;
}

int cnf_bpf_program(const char *name, int type, const void *code, int count, char *log, int size) {
    union bpf_attr attributes = {.prog_type = type, .insns = (uintptr_t)code, .insn_cnt = count,
                                 .license = (uintptr_t)"Apache-2.0", .log_buf = (uintptr_t)log, .log_size = size,
                                 .log_level = size > 0};
    set_name(attributes.prog_name, name);
    return bpf(BPF_PROG_LOAD, &attributes);
}

int cnf_bpf_program_id(int program) {
    struct bpf_prog_info info = {0};
    union bpf_attr attributes = {.info = {.bpf_fd = program, .info_len = sizeof info, .info = (uintptr_t)&info}};
    int result = bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
    return result < 0 ? result : (int)info.id;
}

/// Opens the map with the number when it has the name and the shape. Returns -ENOENT when it has not.
static int matching_map(unsigned id, const char *name, struct cnf_bpf_shape shape) {
    union bpf_attr by_id = {.map_id = id};
    int map = bpf(BPF_MAP_GET_FD_BY_ID, &by_id);
    if (map < 0) return map;
    struct bpf_map_info info = {0};
    union bpf_attr attributes = {.info = {.bpf_fd = map, .info_len = sizeof info, .info = (uintptr_t)&info}};
    int result = bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
    if (result >= 0 && strcmp(info.name, name) == 0 && info.type == shape.type && info.key_size == shape.key &&
        info.value_size == shape.value && info.max_entries == shape.entries)
        return map;
    close(map);
    return result < 0 ? result : -ENOENT;
}

int cnf_bpf_map_of_program(unsigned program_id, const char *name, struct cnf_bpf_shape shape) {
    union bpf_attr by_id = {.prog_id = program_id};
    int program = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
    if (program < 0) return program;
    unsigned ids[16];
    struct bpf_prog_info info = {.nr_map_ids = 16, .map_ids = (uintptr_t)ids};
    union bpf_attr attributes = {.info = {.bpf_fd = program, .info_len = sizeof info, .info = (uintptr_t)&info}};
    int result = bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
    close(program);
    if (result < 0) return result;
    for (unsigned index = 0; index < info.nr_map_ids && index < 16; index++) {
        result = matching_map(ids[index], name, shape);
        if (result >= 0) return result;
    }
    return -ENOENT;
}

int cnf_make_tun(const char *name) {
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (device < 0) return -errno;
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int error = ioctl(device, TUNSETIFF, &request) < 0 || ioctl(device, TUNSETPERSIST, 1) < 0 ? errno : 0;
    close(device);
    return -error;
}
