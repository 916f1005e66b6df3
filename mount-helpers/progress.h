/*
 * progress.h: a progress line on stderr for long work, if stderr is a terminal. Also tells whether the work was
 * cancelled by SIGINT, SIGTERM or SIGHUP, which are blocked from progress_start on.
 */
#ifndef RAFTKV_MOUNT_HELPERS_PROGRESS_H
#define RAFTKV_MOUNT_HELPERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
	bool is_shown;
	bool is_cancelled;
	int signals; /* signalfd, or -1 */
	uint64_t next_ms; /* CLOCK_MONOTONIC, when the line is written again */
};

/* `is_quiet`: no line. */
/* `done`: 0 to 1. True: go on; false: cancelled. */
/* Clears the line, so that other text can be printed. */
void progress_start(struct progress_bar *progress, bool is_quiet);
bool progress_tell(struct progress_bar *progress, const char *what, double done);
void progress_clear(struct progress_bar *progress);
void progress_stop(struct progress_bar *progress);

#endif
