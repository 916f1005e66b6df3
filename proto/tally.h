/*
 * tally.h: limits a log line that others can cause as often as they like to one a minute. The first event is logged at
 * once; later lines say how many events there were, and the reason of the last one.
 *
 * All calls are on one loop.
 */
#ifndef RAFTKV_PROTO_TALLY_H
#define RAFTKV_PROTO_TALLY_H

#include "proto/env.h"

#define TALLY_PERIOD_MS 60000u

struct tally {
	/* Set by the owner: */
	struct env_loop *loop;
	const struct logger *logger;
	enum log_level level;
	const char *what; /* a sentence */
	/* The tally's; zero at first. */
	struct env_timer timer; /* running: a line was logged within the period */
	uint32_t count; /* events since that line */
	char reason[256];
};

void tally_note(struct tally *tally, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tally_stop(struct tally *tally); /* logs the events that were not logged; may be repeated */

#endif
