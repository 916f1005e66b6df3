/*
 * control.h: serves a process's stats on the socket `control` in the directory stats_source.path.
 *
 * Each connection gets the lines of stats_text.h and is closed. Bytes from the peer are ignored. At most
 * CONTROL_COUNT_MAX connections are open at once; others are closed without an answer.
 *
 * The socket has mode 0600. One loop runs it; start and stop are called from another thread, and wait for that loop.
 */
#ifndef RAFTKV_FS_STATS_CONTROL_H
#define RAFTKV_FS_STATS_CONTROL_H

#include "fs/stats/stats.h"

#define CONTROL_COUNT_MAX 16

struct control;

struct control_options {
	struct env_loop *loop; /* running */
	struct stats_source source; /* its pointers are shared: they outlive the control */
};

/* -ENOMEM, or why it cannot listen, with a sentence; the process can do without the socket. */
int control_start(const struct control_options *options, struct control **control, struct status *status);
/* May be NULL. Before the store stops. */
void control_stop(struct control *control);

#endif
