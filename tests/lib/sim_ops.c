/* The table of operations of a simulated env, with its clock and chance. */
#include "proto/check.h"
#include "tests/lib/sim_internal.h"

static uint64_t now(struct env *env)
{
	return sim_node_local(sim_env_of(env)->node);
}

static uint64_t wall(struct env *env)
{
	return now(env) + (uint64_t)sim_env_of(env)->node->wall_base;
}

static uint64_t cpu(struct env *env)
{
	return sim_env_of(env)->node->cpu;
}

static void random_bytes(struct env *env, void *bytes, size_t size)
{
	unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)sim_random(sim_world_of(env), 256);
}

const struct env_ops sim_env_ops = {
	.now = now,
	.wall = wall,
	.cpu = cpu,
	.random = random_bytes,
	.loop_new = sim_loop_new,
	.loop_start = sim_loop_start,
	.loop_run = sim_loop_run,
	.loop_stop = sim_loop_stop,
	.loop_free = sim_loop_free,
	.loop_is_current = sim_loop_is_current,
	.post = sim_post,
	.work_submit = sim_work_submit,
	.file_open = sim_file_open,
	.file_close = sim_file_close,
	.file_size = sim_file_size,
	.file_truncate = sim_file_truncate,
	.file_allocate = sim_file_allocate,
	.file_punch = sim_file_punch,
	.file_read = sim_file_read,
	.file_read_cached = sim_file_read_cached,
	.file_write = sim_file_write,
	.file_sync = sim_file_sync,
	.file_submit = sim_file_submit,
	.mkdir = sim_mkdir,
	.sync_dir = sim_sync_dir,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.rmdir = sim_rmdir,
	.list = sim_list,
	.space = sim_space,
	.listen = sim_listen,
	.listener_address = sim_listener_address,
	.listener_close = sim_listener_close,
	.connect = sim_connect,
	.stream_peer = sim_stream_peer,
	.stream_start = sim_stream_start,
	.stream_pause = sim_stream_pause,
	.stream_resume = sim_stream_resume,
	.stream_write = sim_stream_write,
	.stream_close = sim_stream_close,
};
