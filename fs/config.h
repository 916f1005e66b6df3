/*
 * config.h: the settings of a store and of a mount: raftkv.conf(5), read by libinih, and the same keys on a command
 * line as SECTION.KEY=VALUE. One table (config.c) says each key's kind, range, default and meaning; the manual page is
 * compared with it.
 *
 * A key that is not in the table, a value that is not of its kind, and a key given twice in a file are errors that name
 * the file and the line. What is set later wins.
 */
#ifndef RAFTKV_FS_CONFIG_H
#define RAFTKV_FS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/logger.h"
#include "store/raftkv.h"

#define CONFIG_PATH	     "/etc/raftkv/raftkv.conf"
#define CONFIG_LISTEN	     "unix:/run/raftkv/raftkvd.sock"
#define CONFIG_KEY_COUNT_MAX 64

/* Of raftkvd(8). Texts that are empty are NULL. */
struct config_server {
	char *data; /* the directory */
	char *listen; /* an address */
	char *advertise; /* where others reach it; NULL: where it listens */
	char *initial_cluster; /* a store_list.h */
	char *join; /* another one */
	char *metrics; /* as a mount's */
	uint32_t shards; /* threads; 0: one per core, at most 4 */
	uint32_t session_expiry_ms;
	uint32_t replicas; /* of each region; 0: as placement.h says */
	bool is_insecure; /* may listen on a port: whoever reaches it is root of the files */
};

struct config {
	struct raftkv_options store; /* its sizes, times and switches; 0: what raftkv_open chooses */
	uint32_t lanes; /* 0: one per core, at most 4 */
	char *metrics; /* where to serve them; NULL: nowhere */
	uint32_t reads; /* enum remote_reads: whom a mount of a cluster asks */
	uint32_t timeo_s; /* its requests that waited for longer fail; 0: they wait */
	struct config_server server;
	uint32_t log_level; /* enum log_level */
	char *origins[CONFIG_KEY_COUNT_MAX]; /* of each key, in the table's order; NULL: the default */
};

/* The defaults. */
int config_init(struct config *config);
void config_close(struct config *config);

/* -ENOENT: there is no such file; -EINVAL and others, with a sentence that begins with FILE:LINE. */
int config_read(struct config *config, const char *path, struct status *status);
/* One key; `origin` says where the value is from ("the command line"). -EINVAL with a sentence. */
int config_set(struct config *config, const char *section, const char *name, const char *value,
	const char *origin, struct status *status);
/* "SECTION.KEY=VALUE". */
int config_set_assignment(
	struct config *config, const char *assignment, const char *origin, struct status *status);
/* What keys mean together; after all of them are set. -EINVAL with a sentence. */
int config_check(const struct config *config, struct status *status);

/* Each key, in the table's order, sections together. `origin` NULL: the default. */
struct config_value {
	const char *section;
	const char *name;
	const char *help;
	const char *origin;
	char value[1024];
};
void config_each(const struct config *config, void (*each)(void *argument, const struct config_value *value),
	void *argument);

#endif
