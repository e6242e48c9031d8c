#pragma once

/// Turns SQLite's memory statistics off: with them, every allocation of every connection takes one lock of the whole
/// process. Before the first connection is opened; later it has no effect.
/// @return SQLite's result code; SQLITE_MISUSE when it was too late
int cordon_sqlite_without_memory_statistics(void);
