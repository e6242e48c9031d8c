#include "allocator.h"
#include <malloc.h>

// Swift's Glibc does not have malloc.h.
void cordon_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
}
