/*
 * config.h: the settings of a store and of a mount: raftkv.conf(5), read by libinih, and the same keys on a command
 * line as SECTION.KEY=VALUE. One table (config.c) has each key's kind, range, default and meaning; a test compares the
 * manual page with it.
 *
 * A key that is not in the table, a value that is not of its kind, and a key given twice in a file are errors that name
 * the file and the line. A later setting of a key replaces an earlier one.
 */
#ifndef RAFTKV_FS_CONFIG_H
#define RAFTKV_FS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/logger.h"
#include "store/raftkv.h"

#define CONFIG_PATH		   "/etc/raftkv/raftkv.conf"
#define CONFIG_LISTEN		   "unix:/run/raftkv/raftkvd.sock"
#define CONFIG_KEY_COUNT_MAX	   64
#define SERVER_INITIAL_REGIONS_MAX 16384u

/* The settings of raftkvd(8). An empty text is NULL. */
struct config_server {
	char *data; /* the store's directory */
	char *listen; /* an address */
	char *advertise; /* the address at which others reach it; NULL: `listen` */
	char *initial_cluster; /* in the format of store_list.h */
	char *join; /* in the format of store_list.h */
	char *metrics; /* the address of metrics_start; NULL: none */
	uint32_t shards; /* threads; 0: one per core, at most 4 */
	uint32_t session_expiry_ms;
	uint32_t replicas; /* of each region (placement.replicas) */
	uint32_t store_dead_after_s; /* coordinator_options.dead_after_s */
	uint32_t store_moves; /* coordinator_options.store_moves */
	char *labels; /* labels.h */
	uint64_t region_split_size; /* bytes: a larger region is split; 0: none is */
	uint32_t region_split_load; /* percent of a core: a busier region is split; 0: none is */
	uint32_t initial_regions; /* that a new cluster begins with, at most SERVER_INITIAL_REGIONS_MAX */
	bool is_insecure; /* may listen on a port: anyone who reaches it has root's rights on the files */
};

struct config {
	struct raftkv_options store; /* only its sizes, times and switches; 0: raftkv_open chooses */
	uint32_t lanes; /* 0: one per core, at most 4 */
	char *metrics; /* the address of metrics_start, of a mount; NULL: none */
	uint32_t reads; /* enum remote_reads, of a mount of a cluster */
	uint32_t timeo_s; /* remote_options.timeo_ms, of a mount of a cluster, in seconds */
	struct config_server server;
	uint32_t log_level; /* enum log_level */
	char *origins[CONFIG_KEY_COUNT_MAX]; /* where each key of the table was set; NULL: nowhere */
};

/* Sets the defaults. -ENOMEM. */
int config_init(struct config *config);
void config_close(struct config *config);

/* Sets the keys of a file. -ENOENT: the file does not exist; -EINVAL and others, with a sentence that begins with the
 * file and, where one is wrong, the line (FILE:LINE). */
int config_read(struct config *config, const char *path, struct status *status);
/* Sets one key; `origin` names the source of the value ("the command line"). -EINVAL with a sentence. */
int config_set(struct config *config, const char *section, const char *name, const char *value,
	const char *origin, struct status *status);
/* Sets one key; `assignment` is "SECTION.KEY=VALUE". -EINVAL with a sentence. */
int config_set_assignment(
	struct config *config, const char *assignment, const char *origin, struct status *status);
/* Checks rules over several keys, after all of them are set. -EINVAL with a sentence. */
int config_check(const struct config *config, struct status *status);

/* A key and its value. */
struct config_value {
	const char *section;
	const char *name;
	const char *help;
	const char *origin; /* NULL: the value is the default */
	char value[1024];
};
/* Calls `each` for each key, section after section. */
void config_each(const struct config *config, void (*each)(void *argument, const struct config_value *value),
	void *argument);

#endif
