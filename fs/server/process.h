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
	/* The store cannot go on: the process should end. Called once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Blocks until the store has recovered and listens. A negative status has a sentence. */
int process_open(const struct process_options *options, struct process **process, struct status *status);
/* Blocks until all is flushed and every thread has ended. */
void process_close(struct process *process);

struct ident process_ident(const struct process *process);
const char *process_address(const struct process *process); /* where it listens */

#endif
