/*
 * tally.h: a line of the log that others can cause as often as they like, at most once a minute: the first time at once,
 * then with how often it was, and the last reason.
 *
 * All on one loop.
 */
#ifndef RAFTKV_PROTO_TALLY_H
#define RAFTKV_PROTO_TALLY_H

#include "proto/env.h"

#define TALLY_PERIOD_MS 60000u

struct tally {
	/* The owner's: */
	struct env_loop *loop;
	const struct logger *logger;
	enum log_level level;
	const char *what; /* a sentence */
	/* Its own; zero at first. */
	struct env_timer timer; /* runs: there was a line within the period */
	uint32_t count; /* since that line */
	char reason[256];
};

void tally_note(struct tally *tally, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tally_stop(struct tally *tally); /* writes what it has; may be repeated */

#endif
