/*
 * daemon.h: how mount.raftkv goes into the background: the parent waits until the child says how the mount went, prints
 * it, and exits with it; the child lives on without a terminal.
 */
#ifndef RAFTKV_MOUNT_HELPERS_DAEMON_H
#define RAFTKV_MOUNT_HELPERS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

struct daemon {
	int report; /* the child's end of the pipe, or -1 */
};

/* Forks. Returns true in the child. In the parent it does not return before the child has reported, died, or
 * `timeout_s` have passed (the child is then killed); then `exit_code` is what to exit with, and an error has been
 * printed after `name`. */
bool daemon_begin(struct daemon *daemon, const char *name, uint32_t timeout_s, int *exit_code);
/* In the child: tells the parent. `status` holds the sentence of a failure, or NULL. Call once. In the foreground
 * (daemon_begin was not called) it prints instead. */
void daemon_report(struct daemon *daemon, const char *name, int exit_code, const struct status *status);
/* In the child, after success: standard streams to /dev/null, `log_fd` to stderr. */
void daemon_detach(int log_fd);

#endif
