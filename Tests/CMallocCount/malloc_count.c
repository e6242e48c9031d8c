#include "cmalloc_count.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

// glibc's own, which it exports for replacements such as these. Memory comes from them, so its free stays as it is.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// Of each thread, so that tests that run at the same time do not disturb each other. The model is the one whose storage
// is there before the thread runs: any other could allocate when it is first used.
static __thread uint64_t count __attribute__((tls_model("initial-exec")));

// What Swift's runtime calls for every error of a typed throw, if anything. In the product it is nothing; the testing
// library's own allocates to keep a backtrace.
typedef void (*observer)(void *error, const void *type, const void *conformance);
extern _Atomic(observer) _swift_willThrowTypedImpl;
static _Atomic(observer) next;

static void observe_uncounted(void *error, const void *type, const void *conformance)
{
    uint64_t before = count;
    observer observe = next;
    if (observe) observe(error, type, conformance);
    count = before;
}

uint64_t cmalloc_count(void)
{
    // Here rather than when the program starts: the testing library's is there by now. Threads that come here at the
    // same time find the same one.
    observer found = _swift_willThrowTypedImpl;
    if (found != observe_uncounted) {
        next = found;
        _swift_willThrowTypedImpl = observe_uncounted;
    }
    return count;
}

void *malloc(size_t size)
{
    count++;
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count++;
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    count++;
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    count++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    bool isPower = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (!isPower || alignment % sizeof(void *) != 0) return EINVAL;
    count++;
    void *aligned = __libc_memalign(alignment, size);
    if (!aligned) return ENOMEM;
    *memory = aligned;
    return 0;
}
