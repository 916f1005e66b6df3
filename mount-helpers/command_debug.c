/*
 * command_debug.c: raftkv debug: prints rows, log entries and inodes of a store that is not mounted, as they would be
 * after recovery. For debugging; nothing is changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/eval/eval.h"
#include "fs/schema/rows.h"
#include "mount-helpers/command.h"
#include "proto/env_uv.h"
#include "store/open/inspect.h"
#include "store/rows/keys.h"

#define CACHE_SIZE (16u << 20) /* bytes */
#define READ_SIZE  (4u << 20) /* bytes of entries at a time */

typedef int (*inspect_cb)(struct command *command, struct inspect *inspect, struct status *status);

static int with_inspect(struct command *command, const char *path, inspect_cb run)
{
	struct logger logger = logger_fd(STDERR_FILENO, LOG_WARN);
	struct env_uv_options env_options = {.worker_threads = 1, .io_threads = 1, .logger = &logger};
	struct inspect_options options = {
		.logger = &logger, .evaluator = eval_evaluator(), .cache_size = CACHE_SIZE};
	struct status status = {0};
	struct inspect *inspect;
	struct target target;
	int code = target_open(&target, path, &status);

	target_close(&target);
	if (code == 0 && target.address[0] != '\0')
		code = status_set(&status, -EINVAL, "%.80s is no directory of this machine", target.address);
	else if (code == 0 && target_is_mounted(&target))
		code = status_set(&status, -EBUSY, "%.80s is mounted on %.80s: unmount it first",
			target.store, target.mount_point);
	if (code < 0)
		return command_fail(&status);
	options.path = target.store;
	code = env_uv_new(&env_options, &options.env, &status);
	if (code < 0)
		return command_fail(&status);
	code = inspect_open(&options, &inspect, &status);
	if (code == 0) {
		code = run(command, inspect, &status);
		inspect_close(inspect);
	}
	env_uv_free(options.env);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

/* ---- Rows ---- */

static void print_row(struct command *command, struct slice key, struct slice value)
{
	static const char *const kinds[] = {"?", "region", "applied", "local", "data", "extents"};
	const uint8_t *bytes = key.data;
	uint8_t kind = bytes[0] < sizeof kinds / sizeof *kinds ? bytes[0] : 0;
	char *hex = calloc(key.size + 1, 2);

	for (size_t i = 1; hex && i < key.size; i++)
		snprintf(hex + 2 * (i - 1), 3, "%02x", bytes[i]);
	if (command->is_json) {
		json_begin(&command->json, NULL, '{');
		json_string(&command->json, "kind", kinds[kind]);
		json_string(&command->json, "key", hex);
		json_number(&command->json, "value_bytes", value.size);
		json_end_line(&command->json, '}');
	} else {
		printf("%-8s %s  %zu bytes\n", kinds[kind], hex ? hex : "?", value.size);
	}
	free(hex);
}

static int print_rows(struct command *command, struct inspect *inspect, struct status *status)
{
	struct kv_engine *kv = inspect->kv;
	struct slice none = {0};
	struct kv_iterator *iterator;
	int code = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, none, none, &iterator);

	if (code < 0)
		return status_set(status, code, "out of memory");
	code = kv->ops->seek(iterator, none);
	while (code == 0) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		print_row(command, key, value);
		code = kv->ops->next(iterator);
	}
	kv->ops->iterator_free(kv, iterator);
	return code == STATUS_NOT_FOUND
		       ? 0
		       : status_set(status, code, "a row cannot be read: %s", status_name(code));
}

int command_debug_kv(struct command *command)
{
	return with_inspect(command, command->arguments[0], print_rows);
}

/* ---- The log ---- */

/* `hex` holds it: twice its bytes, and a zero. Returns whether the entry is a split. */
static bool read_split(const struct raft_entry *entry, struct region_split *split, char *hex)
{
	if (region_split_decode(entry, split) < 0)
		return false;
	for (size_t i = 0; i < split->key.size; i++)
		snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)split->key.data)[i]);
	return true;
}

static void print_entry(
	struct command *command, uint64_t region, const struct raft_entry *entry, bool is_applied)
{
	size_t size = buf_slice(entry->data).size;
	char hex[2 * MUTATIONS_KEY_MAX + 1];
	struct region_split split;
	bool is_split = read_split(entry, &split, hex);

	if (!command->is_json) {
		printf("%" PRIu64 "  %" PRIu64 "  term %" PRIu64 "  %zu bytes, %" PRIu32 " beside", region,
			entry->index, entry->term, size, entry->payload_size);
		if (is_split)
			printf("  split: region %" PRIu64 " from %s on", split.region, hex);
		printf("%s\n", is_applied ? "" : "  not among the rows yet");
		return;
	}
	json_begin(&command->json, NULL, '{');
	json_number(&command->json, "region", region);
	json_number(&command->json, "index", entry->index);
	json_number(&command->json, "term", entry->term);
	json_number(&command->json, "data_bytes", size);
	json_number(&command->json, "payload_bytes", entry->payload_size);
	if (is_split) {
		json_number(&command->json, "split_region", split.region);
		json_string(&command->json, "split_key", hex);
	}
	json_bool(&command->json, "applied", is_applied);
	json_end_line(&command->json, '}');
}

static int print_region(struct command *command, struct inspect *inspect, const struct inspect_region *region)
{
	struct raft_entries entries = {0};
	uint64_t id = region->region.id, low = region->first;
	int code = 0;

	while (code == 0 && low <= region->last) {
		code = inspect->log->ops->entries(
			inspect->log, id, low, region->last + 1, READ_SIZE, false, &entries);
		for (size_t i = 0; code == 0 && i < entries.count; i++)
			print_entry(
				command, id, &entries.items[i], entries.items[i].index <= region->applied);
		low += entries.count;
		raft_entries_truncate(&entries, 0);
	}
	raft_entries_close(&entries);
	return code;
}

static int print_log(struct command *command, struct inspect *inspect, struct status *status)
{
	int code = 0;

	if (!inspect->log) {
		*status = inspect->log_status;
		return status->code;
	}
	for (uint32_t i = 0; code == 0 && i < inspect->region_count; i++)
		code = print_region(command, inspect, &inspect->regions[i]);
	return code < 0 ? status_set(status, code, "an entry cannot be read: %s", status_name(code)) : 0;
}

int command_debug_log(struct command *command)
{
	return with_inspect(command, command->arguments[0], print_log);
}

/* ---- Inodes ---- */

static void print_inode_text(const struct inode *inode)
{
	static const char *const data[] = {"none", "a small row", "units"};
	const struct attributes *attributes = &inode->attributes;

	printf("ino %" PRIu64 " (dirid %" PRIu64 ", seq %" PRIu32 "), generation %" PRIu32 "\n"
	       "mode %06" PRIo32 ", links %" PRIu32 ", owner %" PRIu32 ":%" PRIu32 ", size %" PRIu64
	       ", state 0x%" PRIx32 "\n",
		attributes->ino, fs_ino_dirid(attributes->ino), fs_ino_seq(attributes->ino),
		attributes->generation, attributes->mode, attributes->nlink, attributes->uid, attributes->gid,
		attributes->size, inode->state);
	if (inode_is_directory(inode))
		printf("parent %" PRIu64 ", entries %" PRIu64 ", next file %" PRIu64 "\n", inode->parent,
			inode->entries, fs_ino(inode->creation_dirid, inode->creation_seq));
	else
		printf("data: %s, %" PRIu64 " units, cut %" PRId64 "\n", data[inode->data], inode->units,
			(int64_t)inode->cut);
}

static void print_inode_json(struct json *json, const struct inode *inode)
{
	const struct attributes *attributes = &inode->attributes;

	json_begin(json, NULL, '{');
	json_number(json, "ino", attributes->ino);
	json_number(json, "generation", attributes->generation);
	json_number(json, "mode", attributes->mode);
	json_number(json, "links", attributes->nlink);
	json_number(json, "uid", attributes->uid);
	json_number(json, "gid", attributes->gid);
	json_number(json, "size_bytes", attributes->size);
	json_number(json, "state", inode->state);
	json_number(json, "parent", inode->parent);
	json_number(json, "entries", inode->entries);
	json_number(json, "units", inode->units);
	json_end_line(json, '}');
}

static int print_inode(struct command *command, struct inspect *inspect, struct status *status)
{
	char *end;
	uint64_t ino = strtoull(command->arguments[1], &end, 10);
	struct fs_key inner = fs_key_inode(ino);
	struct kv_value value = {0};
	struct inode inode;
	struct key key;
	int code;

	if (ino == 0 || *end != '\0' || fs_ino_dirid(ino) >= FS_DIRID_END)
		return status_set(status, -EINVAL, "'%.40s' is no inode number; stat(1) shows it as 'Inode'",
			command->arguments[1]);
	key_row(&key, 0, KEY_DATA, fs_key_slice(&inner));
	code = inspect->kv->ops->get(inspect->kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	if (code == 0)
		code = inode_decode(value.data, ino, &inode);
	if (code == 0 && command->is_json)
		print_inode_json(&command->json, &inode);
	else if (code == 0)
		print_inode_text(&inode);
	kv_value_close(&value);
	return code < 0 ? status_set(status, code, "inode %" PRIu64 ": %s", ino, status_name(code)) : 0;
}

int command_debug_inode(struct command *command)
{
	if (command->count == 1)
		return command_debug_inode_path(command);
	return with_inspect(command, command->arguments[0], print_inode);
}
