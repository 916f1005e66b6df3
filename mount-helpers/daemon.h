/*
 * daemon.h: runs mount.raftkv in the background. The parent waits until the child reports the result of the mount,
 * prints it, and exits with its code; the child goes on without a terminal.
 */
#ifndef RAFTKV_MOUNT_HELPERS_DAEMON_H
#define RAFTKV_MOUNT_HELPERS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

struct daemon {
	int report; /* the child's end of the pipe, or -1 */
};

/* Forks. Returns true in the child. In the parent it returns false, once the child has reported or died, or `timeout_s`
 * have passed (the child is then killed). The parent has to exit with `*exit_code`; an error has been printed, after
 * `name`. */
bool daemon_begin(struct daemon *daemon, const char *name, uint32_t timeout_s, int *exit_code);
/* In the child, once: reports to the parent. `status`: of a failure, with its sentence, or NULL. In the foreground
 * (daemon_begin was not called) it prints the sentence instead. */
void daemon_report(struct daemon *daemon, const char *name, int exit_code, const struct status *status);
/* In the child, after success: redirects stdin and stdout to /dev/null, and stderr to `log_fd` (negative: not). */
void daemon_detach(int log_fd);

#endif
