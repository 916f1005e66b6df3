/*
 * progress.h: a line on stderr that says how far long work is, when stderr is a terminal; and whether somebody wants it
 * to end (SIGINT, SIGTERM, which are blocked meanwhile).
 */
#ifndef RAFTKV_MOUNT_HELPERS_PROGRESS_H
#define RAFTKV_MOUNT_HELPERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
	bool is_shown;
	bool is_cancelled;
	int signals; /* signalfd, or -1 */
	uint64_t next_ms; /* when the line is written again */
};

/* `is_quiet`: no line. */
void progress_start(struct progress_bar *progress, bool is_quiet);
/* `done`: 0 to 1. True: go on. */
bool progress_tell(struct progress_bar *progress, const char *what, double done);
/* Takes the line away, so that something else can be printed. */
void progress_clear(struct progress_bar *progress);
void progress_stop(struct progress_bar *progress);

#endif
