/*
 * progress.h: a progress line on stderr for long work, if stderr is a terminal. Also tells whether the work was
 * cancelled by SIGINT or SIGTERM, which are blocked from progress_start on.
 */
#ifndef RAFTKV_MOUNT_HELPERS_PROGRESS_H
#define RAFTKV_MOUNT_HELPERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_shown;
	bool is_cancelled;
	int signals; /* signalfd, or -1 */
	uint64_t next_ms; /* CLOCK_MONOTONIC, when the line is written again */
};

/* `is_quiet`: no line. */
void progress_start(struct progress *progress, bool is_quiet);
/* `done`: 0 to 1. True: go on; false: cancelled. */
bool progress_tell(struct progress *progress, const char *what, double done);
/* Clears the line, so that other text can be printed. */
void progress_clear(struct progress *progress);
void progress_stop(struct progress *progress);

#endif
