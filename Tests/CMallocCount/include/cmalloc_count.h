#pragma once
#include <stdint.h>

/// How many times this thread has asked for memory: malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign.
/// A program that links this has those functions replaced by ones that count and then do what glibc's do. What the
/// testing library allocates because an error is thrown is not counted.
uint64_t cmalloc_count(void);
