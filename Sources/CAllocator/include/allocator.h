#pragma once

/// Lets the process keep memory that it has freed, up to 64 MiB, and take it a mebibyte at a time (mallopt(3)).
void cordon_keep_memory(void);
