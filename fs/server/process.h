/*
 * process.h: a server (server.h) in a process of its own: threads, the real environment, and stats over HTTP.
 *
 * Opening and closing block the calling thread.
 */
#ifndef RAFTKV_FS_SERVER_PROCESS_H
#define RAFTKV_FS_SERVER_PROCESS_H

#include "fs/config.h"

struct process;

struct process_options {
	const struct config *config; /* as is the logger: outlives the process */
	const struct logger *logger;
	/* The store can not go on: the process should end. Once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Until the store has recovered and listens. What is wrong is said by a sentence. */
int process_open(const struct process_options *options, struct process **process, struct status *status);
/* Until all is flushed and every thread has ended. */
void process_close(struct process *process);

struct ident process_ident(const struct process *process);
const char *process_address(const struct process *process); /* where it listens */

#endif
