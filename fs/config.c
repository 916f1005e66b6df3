#include "fs/config.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/remote.h"
#include "fs/cluster/labels.h"
#include "proto/check.h"

#define AUTO	  "auto" /* a value that is chosen when the store opens */
#define NAME_SIZE 64

enum kind {
	KIND_COUNT, /* uint32_t */
	KIND_BYTES, /* uint64_t; with K, M or G, powers of 1024 */
	KIND_ON, /* bool */
	KIND_OFF, /* bool, true when the key is false */
	KIND_TEXT, /* char *; empty: NULL */
	KIND_LEVEL, /* uint32_t, enum log_level */
	KIND_READS, /* uint32_t, enum remote_reads */
};

struct config_rule {
	const char *section;
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t least, most;
	const char *fallback;
	const char *help;
};

#define STORE(field)  offsetof(struct config, store.field)
#define SERVER(field) offsetof(struct config, server.field)
#define HOUR_MS	      3600000
#define TIB	      (UINT64_C(1) << 40)

static const struct config_rule rules[] = {
	{"store", "reserve_bytes", KIND_BYTES, STORE(reserve_size), 1 << 20, TIB, AUTO,
		"Room that writes leave free on the disk."},
	{"store", "flush_age_ms", KIND_COUNT, STORE(flush_age_ms), 100, HOUR_MS, "20000",
		"Applied changes are flushed when they are this old."},
	{"store", "snapshots", KIND_COUNT, STORE(snapshot_count_max), 1, 64, "2",
		"Regions' snapshots that are sent to other stores, and as many received, at once."},
	{"store", "snapshot_rate_bytes", KIND_BYTES, STORE(snapshot_rate), 1 << 20, TIB, "67108864",
		"Bytes a second that sending them may take."},
	{"raft", "tick_ms", KIND_COUNT, STORE(tick_ms), 10, 10000, "100", "One tick of the Raft clock."},
	{"raft", "election_ticks", KIND_COUNT, STORE(election_tick), 2, 1000, "15",
		"Ticks without a leader before an election."},
	{"raft", "heartbeat_ticks", KIND_COUNT, STORE(heartbeat_tick), 1, 999, "3",
		"Ticks between a leader's heartbeats."},
	{"raft", "lease", KIND_OFF, STORE(lease_is_off), 0, 1, "true",
		"The leader answers reads under its lease; false: after a round of ReadIndex."},
	{"raft", "hibernation", KIND_OFF, STORE(hibernation_is_off), 0, 1, "true",
		"Idle regions sleep: their replicas exchange no heartbeats."},
	{"raft-engine", "enable", KIND_OFF, STORE(raft_engine_is_rocksdb), 0, 1, "true",
		"The log is kept in segment files; false: in RocksDB. Of a new store: an old one keeps its "
		"own."},
	{"raft-engine", "log_bytes", KIND_BYTES, STORE(log_size_max), 4 << 20, TIB, AUTO,
		"Log that makes the store flush."},
	{"raft-engine", "segment_bytes", KIND_BYTES, STORE(segment_size), 1 << 20, 1 << 30, AUTO,
		"Size of a segment file."},
	{"kv", "cache_bytes", KIND_BYTES, STORE(kv_cache_size), 1 << 20, TIB, "268435456",
		"Memory for rows."},
	{"blocks", "file_bytes", KIND_BYTES, STORE(block_file_size), 16 << 20, TIB, AUTO,
		"Size of a file of the block store. Of a new store: an old one keeps its own."},
	{"server", "data", KIND_TEXT, SERVER(data), 0, 0, "", "The directory of raftkvd's store."},
	{"server", "listen", KIND_TEXT, SERVER(listen), 0, 0, CONFIG_LISTEN,
		"Where it listens for stores, mounts and raftkv(1)."},
	{"server", "advertise", KIND_TEXT, SERVER(advertise), 0, 0, "",
		"Where those reach it; empty: where it listens."},
	{"server", "initial_cluster", KIND_TEXT, SERVER(initial_cluster), 0, 0, "",
		"The addresses of the stores that begin the cluster."},
	{"server", "join", KIND_TEXT, SERVER(join), 0, 0, "",
		"The addresses of stores of a cluster to join."},
	{"server", "insecure", KIND_ON, SERVER(is_insecure), 0, 1, "false",
		"May listen on a port, which tells nobody apart and encrypts nothing."},
	{"server", "shards", KIND_COUNT, SERVER(shards), 0, 4, "0",
		"Threads that run the regions; 0: one per core, at most 4."},
	{"server", "session_expiry_ms", KIND_COUNT, SERVER(session_expiry_ms), 1000, HOUR_MS, "5000",
		"A mount that is silent for so long has lost its session."},
	{"server", "replicas", KIND_COUNT, SERVER(replicas), 0, REGION_PEERS_MAX, "0",
		"Replicas of each region, on the store that coordinates the cluster; 0: as many as there "
		"are, at "
		"least 3."},
	{"server", "store_dead_after_s", KIND_COUNT, SERVER(store_dead_after_s), 10, 30 * 86400, "600",
		"A store that is silent for so long is dead: what it has is made elsewhere."},
	{"server", "store_moves", KIND_COUNT, SERVER(store_moves), 1, 64, "4",
		"Replicas that leave a store at once, and as many that come; and leaders likewise."},
	{"server", "labels", KIND_TEXT, SERVER(labels), 0, 0, "",
		"Where the store is, from the widest place on, such as zone=a,host=h1."},
	{"server", "initial_regions", KIND_COUNT, SERVER(initial_regions), 1, SERVER_INITIAL_REGIONS_MAX, "1",
		"Regions that a new cluster begins with, the same number on each of its first stores."},
	{"server", "region_split_bytes", KIND_BYTES, SERVER(region_split_size), 0, TIB, "8589934592",
		"A region that holds more is split; 0: none is."},
	{"server", "region_split_load", KIND_COUNT, SERVER(region_split_load), 0, 1000, "50",
		"A region whose requests take more percent of a core is split; 0: none is."},
	{"server", "metrics", KIND_TEXT, SERVER(metrics), 0, 0, "",
		"Where raftkvd serves stats over HTTP: unix:/path or host:port."},
	{"mount", "lanes", KIND_COUNT, offsetof(struct config, lanes), 0, 4, "0",
		"Threads that serve the kernel; 0: one per core, at most 4."},
	{"mount", "metrics", KIND_TEXT, offsetof(struct config, metrics), 0, 0, "",
		"Where stats are served over HTTP: unix:/path or host:port."},
	{"mount", "read", KIND_READS, offsetof(struct config, reads), 0, 0, "leader",
		"Whom reads ask on a cluster: leader, follower or nearest."},
	{"mount", "timeo_s", KIND_COUNT, offsetof(struct config, timeo_s), 0, 86400, "0",
		"Seconds after which a request fails that a cluster does not answer; 0: it waits."},
	{"log", "level", KIND_LEVEL, offsetof(struct config, log_level), 0, 0, "info",
		"What is logged: error, warn, info or debug."},
};

#define RULE_COUNT (sizeof rules / sizeof *rules)
_Static_assert(RULE_COUNT <= CONFIG_KEY_COUNT_MAX, "origins has a place for every key");

static const struct {
	enum kind kind;
	const char *name;
	uint32_t value;
} words[] = {
	{KIND_LEVEL, "error", LOG_ERROR},
	{KIND_LEVEL, "warn", LOG_WARN},
	{KIND_LEVEL, "info", LOG_INFO},
	{KIND_LEVEL, "debug", LOG_DEBUG},
	{KIND_READS, "leader", REMOTE_READS_LEADER},
	{KIND_READS, "follower", REMOTE_READS_FOLLOWER},
	{KIND_READS, "nearest", REMOTE_READS_NEAREST},
};

#define WORD_COUNT (sizeof words / sizeof *words)

/* ---- Values ---- */

/* False: it is not a number, or out of the range. */
static bool parse_number(const struct config_rule *rule, const char *text, uint64_t *number)
{
	uint64_t unit = 1;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (rule->kind == KIND_BYTES && *end != '\0' && strchr("KMG", *end))
		unit <<= 10 * (strchr("KMG", *end++) - "KMG" + 1);
	if (errno != 0 || *end != '\0' || *number > UINT64_MAX / unit)
		return false;
	*number *= unit;
	return *number >= rule->least && *number <= rule->most;
}

static int set_number(void *field, const struct config_rule *rule, const char *value, struct status *status)
{
	uint64_t number = 0;

	if (strcmp(rule->fallback, AUTO) == 0 && strcmp(value, AUTO) == 0)
		number = 0;
	else if (!parse_number(rule, value, &number))
		return status_set(status, -EINVAL,
			"%s.%s is a number from %" PRIu64 " to %" PRIu64 "%s%s, not '%.40s'", rule->section,
			rule->name, rule->least, rule->most,
			rule->kind == KIND_BYTES ? " (K, M and G are known)" : "",
			strcmp(rule->fallback, AUTO) == 0 ? ", or " AUTO : "", value);
	if (rule->kind == KIND_BYTES)
		*(uint64_t *)field = number;
	else
		*(uint32_t *)field = (uint32_t)number;
	return 0;
}

static int set_bool(void *field, const struct config_rule *rule, const char *value, struct status *status)
{
	bool is_true = strcmp(value, "true") == 0;

	if (!is_true && strcmp(value, "false") != 0)
		return status_set(status, -EINVAL, "%s.%s is true or false, not '%.40s'", rule->section,
			rule->name, value);
	*(bool *)field = is_true == (rule->kind == KIND_ON);
	return 0;
}

static int set_text(void *field, const char *value, struct status *status)
{
	char *copy = *value != '\0' ? strdup(value) : NULL;

	if (*value != '\0' && !copy)
		return status_set(status, -ENOMEM, "out of memory");
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int set_word(void *field, const struct config_rule *rule, const char *value, struct status *status)
{
	char known[64] = "";

	for (size_t i = 0; i < WORD_COUNT; i++) {
		if (words[i].kind != rule->kind)
			continue;
		if (strcmp(words[i].name, value) == 0) {
			*(uint32_t *)field = words[i].value;
			return 0;
		}
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "",
			words[i].name);
	}
	return status_set(
		status, -EINVAL, "%s.%s is one of %s, not '%.40s'", rule->section, rule->name, known, value);
}

static int set_value(
	struct config *config, const struct config_rule *rule, const char *value, struct status *status)
{
	void *field = (char *)config + rule->offset;

	switch (rule->kind) {
	case KIND_COUNT:
	case KIND_BYTES:
		return set_number(field, rule, value, status);
	case KIND_ON:
	case KIND_OFF:
		return set_bool(field, rule, value, status);
	case KIND_TEXT:
		return set_text(field, value, status);
	case KIND_LEVEL:
	case KIND_READS:
		return set_word(field, rule, value, status);
	}
	return 0;
}

static void print_value(const struct config *config, const struct config_rule *rule, char *text, size_t size)
{
	const void *field = (const char *)config + rule->offset;
	uint64_t number = 0;

	switch (rule->kind) {
	case KIND_COUNT:
		number = *(const uint32_t *)field;
		break;
	case KIND_BYTES:
		number = *(const uint64_t *)field;
		break;
	case KIND_ON:
	case KIND_OFF:
		snprintf(
			text, size, "%s", *(const bool *)field == (rule->kind == KIND_ON) ? "true" : "false");
		return;
	case KIND_TEXT:
		snprintf(text, size, "%s", *(char *const *)field ? *(char *const *)field : "");
		return;
	case KIND_LEVEL:
	case KIND_READS:
		for (size_t i = 0; i < WORD_COUNT; i++)
			if (words[i].kind == rule->kind && words[i].value == *(const uint32_t *)field)
				snprintf(text, size, "%s", words[i].name);
		return;
	}
	if (number == 0 && strcmp(rule->fallback, AUTO) == 0)
		snprintf(text, size, AUTO);
	else
		snprintf(text, size, "%" PRIu64, number);
}

/* ---- Keys ---- */

static const struct config_rule *config_find(const char *section, const char *name)
{
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (strcmp(rules[i].section, section) == 0 && strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

static bool has_section(const char *section)
{
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (strcmp(rules[i].section, section) == 0)
			return true;
	return false;
}

int config_init(struct config *config)
{
	int status = 0;

	*config = (struct config){0};
	for (size_t i = 0; i < RULE_COUNT && status == 0; i++)
		status = set_value(config, &rules[i], rules[i].fallback, NULL);
	check(status != -EINVAL);
	return status;
}

void config_close(struct config *config)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		free(config->origins[i]);
		if (rules[i].kind == KIND_TEXT)
			free(*(char **)(void *)((char *)config + rules[i].offset));
	}
	*config = (struct config){0};
}

int config_set(struct config *config, const char *section, const char *name, const char *value,
	const char *origin, struct status *status)
{
	const struct config_rule *rule = config_find(section, name);
	char *copy;
	int code;

	if (!rule)
		return status_set(status, -EINVAL, "unknown %s '%.40s%s%.40s' (see raftkv.conf(5))",
			has_section(section) ? "key" : "section in", section, *section ? "." : "", name);
	code = set_value(config, rule, value, status);
	if (code < 0)
		return code;
	copy = strdup(origin);
	if (!copy)
		return status_set(status, -ENOMEM, "out of memory");
	free(config->origins[rule - rules]);
	config->origins[rule - rules] = copy;
	return 0;
}

int config_set_assignment(
	struct config *config, const char *assignment, const char *origin, struct status *status)
{
	const char *equals = strchr(assignment, '=');
	const char *dot = memchr(assignment, '.', equals ? (size_t)(equals - assignment) : 0);
	char section[NAME_SIZE], name[NAME_SIZE];

	if (!dot || dot - assignment >= NAME_SIZE || equals - dot > NAME_SIZE)
		return status_set(status, -EINVAL, "'%.80s' is not SECTION.KEY=VALUE", assignment);
	snprintf(section, sizeof section, "%.*s", (int)(dot - assignment), assignment);
	snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
	return config_set(config, section, name, equals + 1, origin, status);
}

int config_check(const struct config *config, struct status *status)
{
	if (config->store.heartbeat_tick >= config->store.election_tick)
		return status_set(status, -EINVAL,
			"raft.heartbeat_ticks (%" PRIu32 ") must be below raft.election_ticks (%" PRIu32 ")",
			config->store.heartbeat_tick, config->store.election_tick);
	if (config->server.labels && !labels_are_valid(config->server.labels))
		return status_set(status, -EINVAL,
			"server.labels (%.200s) is not a list of up to %u NAME=VALUE with commas between",
			config->server.labels, LABELS_MAX);
	return 0;
}

void config_each(const struct config *config, void (*each)(void *argument, const struct config_value *value),
	void *argument)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		struct config_value value = {.section = rules[i].section,
			.name = rules[i].name,
			.help = rules[i].help,
			.origin = config->origins[i]};

		print_value(config, &rules[i], value.value, sizeof value.value);
		each(argument, &value);
	}
}

/* ---- Files ---- */

struct reading {
	struct config *config;
	FILE *file;
	const char *path;
	unsigned line; /* number of the last line that was read */
	bool is_cut; /* that line was too long */
	bool was_set[CONFIG_KEY_COUNT_MAX];
	struct status *status;
	int code; /* of the first error */
};

/* A reader for libinih that counts the lines, so that an error can name its line. */
static char *read_line(char *line, int size, void *stream)
{
	struct reading *reading = stream;

	if (reading->code < 0 || reading->is_cut || !fgets(line, size, reading->file))
		return NULL;
	reading->line++;
	reading->is_cut = !strchr(line, '\n') && strlen(line) + 1 == (size_t)size;
	return reading->is_cut ? NULL : line;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;
	const struct config_rule *rule = config_find(section, name);
	struct status status = {0};
	char origin[300];

	if (reading->code < 0)
		return 0;
	snprintf(origin, sizeof origin, "%.250s:%u", reading->path, reading->line);
	if (rule && reading->was_set[rule - rules])
		reading->code = status_set(&status, -EINVAL, "%s.%s is set twice", section, name);
	else
		reading->code = config_set(reading->config, section, name, value, origin, &status);
	if (rule)
		reading->was_set[rule - rules] = true;
	if (reading->code < 0)
		status_set(reading->status, reading->code, "%s: %s", origin, status.text);
	return reading->code == 0;
}

int config_read(struct config *config, const char *path, struct status *status)
{
	struct reading reading = {
		.config = config, .file = fopen(path, "re"), .path = path, .status = status};
	int bad_line, code;

	if (!reading.file)
		return status_set(status, -errno, "%s: %s", path, strerror(errno));
	bad_line = ini_parse_stream(read_line, &reading, on_key, &reading);
	code = ferror(reading.file) ? -EIO : 0;
	fclose(reading.file);
	if (reading.code < 0)
		return reading.code;
	if (reading.is_cut)
		return status_set(status, -EINVAL, "%s:%u: the line is too long", path, reading.line);
	if (code < 0)
		return status_set(status, code, "%s: it cannot be read", path);
	if (bad_line > 0)
		return status_set(status, -EINVAL, "%s:%d: neither [section], key = value, nor a comment",
			path, bad_line);
	return 0;
}
