/*
 * Splits a region that this store leads, for the store that coordinates the cluster, or says why not. The region is the
 * one that has the key here. A split that is asked for again has been done already if the new region begins at the key:
 * a region's start never changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/split_key.h"
#include "fs/admin/admin_internal.h"
#include "proto/container.h"
#include "proto/plant.h"

struct admin_split {
	struct admin *admin;
	struct rpc_request *request;
	struct fs_key
		key; /* that was asked for; with `in_middle` that of the middle, from choose_middle on */
	bool in_middle;
	uint64_t new_region;
	struct region region; /* its id, range and epoch */
	struct raftkv_region_status status;
	struct raftkv_split split;
};

static void admin_split_finish(struct admin_split *split, const struct status *why, uint64_t leader_store)
{
	Raftkv__SplitReply reply = RAFTKV__SPLIT_REPLY__INIT;

	reply.status = why->code;
	reply.leader_store = leader_store;
	reply.sentence = (char *)(uintptr_t)why->text;
	reply.region = split->region.id;
	reply.key = (ProtobufCBinaryData){.len = split->key.size, .data = split->key.bytes};
	rpc_answer(split->request, &reply.base, NULL, 0);
	region_close(&split->region);
	free(split);
}

/* ---- Whether it may be split ---- */

static void choose_middle(struct admin_split *split)
{
	uint64_t first, end;

	fs_dirids_within(buf_slice(split->region.start), buf_slice(split->region.end), &first, &end);
	split->key = fs_split_key_of_dirid(first < end ? first + (end - first) / 2 : FS_DIRID_END - 1);
}

static int check_key(const struct admin_split *split, struct status *why)
{
	struct slice start = buf_slice(split->region.start), end = buf_slice(split->region.end);

	PLANT("admin:narrow_halves", return 0);
	if (fs_split_is_wide_enough(start, end, fs_key_slice(&split->key)))
		return 0;
	return status_set(why, -ERANGE,
		"region %" PRIu64 " would have a half with less than %" PRIu64
		" dirids, too few for new directories: see its range in 'raftkv region show %" PRIu64
		"', and take a key further from both ends",
		split->region.id, FS_SPLIT_DIRIDS_MIN, split->region.id);
}

/* A replica without a vote is about to get one, or to go. */
static int check_members(const struct admin_split *split, struct status *why)
{
	const struct raftkv_region_status *status = &split->status;

	for (uint32_t i = 0; i < status->member_count; i++)
		if (status->members[i].peer.roles != REGION_VOTER)
			return status_set(why, -EBUSY,
				"a replica of region %" PRIu64 " is on its way to store %" PRIu64
				" or leaves it: wait until 'raftkv region show %" PRIu64 "' has voters only",
				split->region.id, status->members[i].peer.store, split->region.id);
	return 0;
}

static int check_room(const struct admin_split *split, struct status *why)
{
	struct raftkv_stats stats;

	raftkv_stats(split->admin->options.raftkv, &stats);
	if (!stats.is_full)
		return 0;
	return status_set(why, -ENOSPC,
		"the disk of store %" PRIu64 ", which leads region %" PRIu64
		", is full: remove files, or give the disk more room",
		split->admin->options.self->store, split->region.id);
}

static int check_all(const struct admin_split *split, struct status *why)
{
	int code = check_key(split, why);

	if (code == 0)
		code = check_members(split, why);
	return code == 0 ? check_room(split, why) : code;
}

/* ---- The split ---- */

/* What the store says, in words. Statuses that the asking store tries again have none. */
static void explain(const struct admin_split *split, int code, struct status *why)
{
	switch (code) {
	case STATUS_LIMIT:
		status_set(why, -EBUSY, "region %" PRIu64 " is being split or changed already: try again",
			split->region.id);
		break;
	case STATUS_CONF_CHANGE_INVALID:
		status_set(why, -EBUSY,
			"the members of region %" PRIu64
			" are changing: wait until 'raftkv region show %" PRIu64 "' has voters only",
			split->region.id, split->region.id);
		break;
	case -EFBIG:
		status_set(why, code,
			"the sessions, locks and open files of region %" PRIu64
			" take over %u MiB, which a split would copy: unmount what is not needed",
			split->region.id, RAFTKV_SPLIT_LOCAL_MAX >> 20);
		break;
	case STATUS_KEY_NOT_IN_REGION: /* its range has just changed */
		status_set(why, STATUS_NOT_READY, "the region was split meanwhile");
		break;
	default:
		status_set(why, code, "region %" PRIu64 " could not be split: %s", split->region.id,
			status_name(code));
	}
}

static void admin_split_on_done(struct raftkv_split *request, int code)
{
	struct admin_split *split = container_of(request, struct admin_split, split);
	struct status why = {0};

	if (code < 0)
		explain(split, code, &why);
	admin_split_finish(split, &why, request->leader_store);
}

static void split_region(struct admin_split *split)
{
	struct buf *key = buf_copy(split->key.bytes, split->key.size);
	struct status why = {0};

	if (!key) {
		status_set(&why, -ENOMEM, "out of memory");
		admin_split_finish(split, &why, 0);
		return;
	}
	split->split = (struct raftkv_split){.region = split->region.id,
		.epoch = split->status.epoch,
		.new_region = split->new_region,
		.key = key,
		.loop = split->admin->options.loop,
		.done = admin_split_on_done};
	raftkv_split(split->admin->options.raftkv, &split->split);
	buf_unref(key);
}

static void admin_split_on_described(struct raftkv_region_status *status, int code)
{
	struct admin_split *split = container_of(status, struct admin_split, status);
	struct status why = {0};

	if (code == 0 && !status->is_serving)
		code = STATUS_NOT_LEADER;
	if (code == 0 && status->epoch.version != split->region.epoch.version)
		code = STATUS_NOT_READY;
	if (code < 0) {
		explain(split, code, &why);
		admin_split_finish(split, &why, code == STATUS_NOT_LEADER ? status->leader_store : 0);
		return;
	}
	if (split->in_middle)
		choose_middle(split);
	if (check_all(split, &why) < 0 || split->new_region == 0)
		admin_split_finish(split, &why, 0);
	else
		split_region(split);
}

/* ---- Requests ---- */

static bool admin_split_read(const struct frame *frame, struct admin_split *split)
{
	Raftkv__SplitRequest *message =
		raftkv__split_request__unpack(NULL, frame->head.size, frame->head.data);
	bool is_good = message && frame->attachment_count == 0 && message->key.len <= FS_KEY_SIZE_MAX &&
		       !(message->in_middle && message->new_region > 0);

	if (is_good) {
		split->key.size = (uint16_t)message->key.len;
		if (message->key.len > 0)
			memcpy(split->key.bytes, message->key.data, message->key.len);
		split->in_middle = message->in_middle;
		split->new_region = message->new_region;
	}
	raftkv__split_request__free_unpacked(message, NULL);
	return is_good;
}

/* Finds the region. 0: it is to be split; or the answer, where 1 is that it has been. */
static int find(struct admin_split *split, struct status *why)
{
	struct raftkv *raftkv = split->admin->options.raftkv;
	struct region_epoch epoch;
	uint64_t region = 0;
	int code;

	if (!split->in_middle && !fs_split_key_is_valid(fs_key_slice(&split->key)))
		return status_set(why, -EINVAL,
			"no region can begin there: a region begins with the first key of a dirid, which is "
			"from 1 to %" PRIu64,
			FS_DIRID_END - 1);
	code = raftkv_find_region(raftkv, fs_key_slice(&split->key), &region, &epoch);
	if (code == 0)
		code = raftkv_region_range(raftkv, region, &split->region);
	if (code < 0)
		return status_set(why, code, "this store has no such region");
	if (split->in_middle || slice_compare(buf_slice(split->region.start), fs_key_slice(&split->key)) != 0)
		return 0;
	PLANT("admin:split_again", return 0);
	if (split->region.id == split->new_region)
		return 1;
	return status_set(why, -EEXIST, "region %" PRIu64 " begins there already", split->region.id);
}

int admin_on_split(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct admin_split *split = calloc(1, sizeof *split);
	struct status why = {0};
	int code;

	if (!split)
		return -ENOMEM;
	split->admin = argument;
	split->request = request;
	if (!admin_split_read(frame, split)) {
		free(split);
		return STATUS_MALFORMED;
	}
	code = rpc_request_session(request) > 0 ? status_set(&why, -EPERM, "a mount may not split regions")
						: find(split, &why);
	if (code != 0) {
		admin_split_finish(split, &why, 0);
		return 0;
	}
	split->status = (struct raftkv_region_status){.region = split->region.id,
		.loop = split->admin->options.loop,
		.done = admin_split_on_described};
	raftkv_region_status(split->admin->options.raftkv, &split->status);
	return 0;
}
